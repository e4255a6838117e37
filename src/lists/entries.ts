import { entryUpTo } from '../pki/crl.js';
import { time } from '../pki/der.js';

/** One entry of a list, encoded. */
export type Listed = {
  /** Where in the log the entry stands: the order of the list, and what the entry is known by. */
  position: number;
  der: Uint8Array;
  /** Stands in lists signed before this, in milliseconds since 1970. */
  until: number;
  /** The date in the entry, in milliseconds since 1970. */
  date: number;
  /** The certificate's place in its issuer's compact lists. */
  index: number;
};

// Small lists stay small: every chunk is twice as large as the one before, up to a limit.
const chunkEntries = { first: 32, most: 4096 };
const mostEntryOctets = 64;

type Chunk = {
  count: number;
  positions: Float64Array;
  until: Float64Array;
  /** The least of `until`. */
  firstUntil: number;
  /** No date in the entries is later. */
  lastDate: number;
  indices: Float64Array;
  /** Where each entry ends in `der`. */
  ends: Uint32Array;
  der: Buffer;
};

/** What a list was made of at one moment. Later changes do not show in it. */
export type EntriesView = { slices: Buffer[]; octets: number; count: number };

export type Entries = ReturnType<typeof createEntries>;

/**
 * The entries of one list in the order of the log, in the bytes that the list has: 85 octets each. A chunk is
 * only ever appended to, or replaced by another, so that a view stays what it was.
 */
export function createEntries() {
  const chunks: Chunk[] = [];

  const add = (entry: Listed): void => {
    let last = chunks.at(-1);
    if (!last || last.count === last.positions.length) {
      last = emptyChunk(Math.min(chunkEntries.most, chunkEntries.first << Math.min(chunks.length, 16)));
      chunks.push(last);
    }
    append(last, entry);
  };

  const replace = (at: number, keep: (chunk: Chunk, n: number) => boolean): void => {
    const fresh = filtered(chunks[at]!, keep);
    if (fresh.count > 0) chunks[at] = fresh;
    else chunks.splice(at, 1);
  };

  const chunkOf = (position: number): number => {
    let [low, high] = [0, chunks.length - 1];
    while (low <= high) {
      const middle = (low + high) >> 1;
      const chunk = chunks[middle]!;
      if (position < chunk.positions[0]!) high = middle - 1;
      else if (position > chunk.positions[chunk.count - 1]!) low = middle + 1;
      else return middle;
    }
    return -1;
  };

  return {
    /** Entries come in the order of the log. */
    add,

    /** Takes the entry out that stands at a position. False when there is none. */
    remove(position: number): boolean {
      const at = chunkOf(position);
      if (at < 0 || !chunks[at]!.positions.subarray(0, chunks[at]!.count).includes(position)) return false;
      replace(at, (chunk, n) => chunk.positions[n] !== position);
      return true;
    },

    /** The serial numbers of entries whose time has passed. They stay: a clock that was wrong may be set right. */
    expired(now: number): string[] {
      const gone: string[] = [];
      for (const chunk of chunks) {
        if (chunk.firstUntil > now) continue;
        for (let n = 0; n < chunk.count; n++) if (chunk.until[n]! <= now) gone.push(serialOf(chunk, n));
      }
      return gone;
    },

    /** What there is now, after a position, but for what has expired by a time; no entry dated later than `latest`. */
    view(after = 0, now = -Infinity, latest?: Date): EntriesView {
      const slices: Buffer[] = [];
      let [octets, count] = [0, 0];
      for (const stored of chunks) {
        const chunk = stored.firstUntil > now ? stored : filtered(stored, (each, n) => each.until[n]! > now);
        if (chunk.count === 0 || chunk.positions[chunk.count - 1]! <= after) continue;
        let first = 0;
        while (chunk.positions[first]! <= after) first++;
        const slice = sliceOf(chunk, first, latest);
        slices.push(slice);
        octets += slice.length;
        count += chunk.count - first;
      }
      return { slices, octets, count };
    },

    /** The indices of the certificates, unsorted. */
    indices(): Float64Array {
      const all = new Float64Array(chunks.reduce((sum, { count }) => sum + count, 0));
      let at = 0;
      for (const { indices, count } of chunks) {
        all.set(indices.subarray(0, count), at);
        at += count;
      }
      return all;
    },

    size: (): number => chunks.reduce((sum, { count }) => sum + count, 0),
  };
}

function emptyChunk(capacity: number): Chunk {
  return {
    count: 0,
    positions: new Float64Array(capacity),
    until: new Float64Array(capacity),
    firstUntil: Infinity,
    lastDate: -Infinity,
    indices: new Float64Array(capacity),
    ends: new Uint32Array(capacity),
    der: Buffer.allocUnsafeSlow(capacity * mostEntryOctets),
  };
}

/** The entries of a chunk from one on. Only a clock that was ahead dates any after `latest`. */
function sliceOf({ der, ends, count, lastDate }: Chunk, first: number, latest: Date | undefined): Buffer {
  const from = first === 0 ? 0 : ends[first - 1]!;
  if (!latest || lastDate <= latest.getTime()) return der.subarray(from, ends[count - 1]);
  const limit = time(latest);
  const entries: Buffer[] = [];
  for (let n = first, at = from; n < count; at = ends[n++]!) entries.push(entryUpTo(der.subarray(at, ends[n]), limit));
  return Buffer.concat(entries);
}

// SEQUENCE { INTEGER, ... }: both headers have two octets.
function serialOf({ der, ends }: Chunk, n: number): string {
  const at = n === 0 ? 0 : ends[n - 1]!;
  return der.toString('hex', at + 4, at + 4 + der[at + 3]!);
}

function append(chunk: Chunk, { position, der, until, date, index }: Listed): void {
  const n = chunk.count;
  const at = n === 0 ? 0 : chunk.ends[n - 1]!;
  chunk.der.set(der, at);
  chunk.ends[n] = at + der.length;
  chunk.positions[n] = position;
  chunk.until[n] = until;
  chunk.firstUntil = Math.min(chunk.firstUntil, until);
  chunk.lastDate = Math.max(chunk.lastDate, date);
  chunk.indices[n] = index;
  chunk.count++;
}

function filtered(chunk: Chunk, keep: (chunk: Chunk, n: number) => boolean): Chunk {
  const fresh = emptyChunk(chunk.positions.length);
  for (let n = 0; n < chunk.count; n++) {
    if (!keep(chunk, n)) continue;
    append(fresh, {
      position: chunk.positions[n]!,
      der: chunk.der.subarray(n === 0 ? 0 : chunk.ends[n - 1], chunk.ends[n]),
      until: chunk.until[n]!,
      date: chunk.lastDate,
      index: chunk.indices[n]!,
    });
  }
  return fresh;
}

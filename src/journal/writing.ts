import { open, type FileHandle } from 'node:fs/promises';
import { JournalFullError, writeError } from './errors.js';
import { encodeRecords, recordOctets, type Entry } from './records.js';
import { headerOctets, makeSegment, note, writeAll, type Segment } from './segment.js';
import type { Shelf } from './shelf.js';

type Waiting = { payload: Uint8Array; resolve(position: number): void; reject(error: Error): void };

type Options = {
  folder: string;
  shelf: Shelf;
  /** The position of the next record, and makes it durable that those up to another one are in use. */
  next: number;
  reserve(upTo: number): Promise<void>;
  segmentBytes: number;
  maxBytes: number;
  maxAgeMs: number;
  dropsOldest: boolean;
  fsync: boolean;
  now(): number;
};

const most = { records: 4096, bytes: 4 * 1024 * 1024 };
// Segments go as a whole: so many make the age at which records go exact to an eighth.
const segmentsOfAge = 8;

/** Writes records, those that come while others are written together. */
export function createWriter({ folder, shelf, reserve, maxBytes, maxAgeMs, ...options }: Options) {
  const { segmentBytes, dropsOldest, fsync, now } = options;
  let next = options.next;
  let active: { segment: Segment; file: FileHandle } | undefined;
  const queue: Waiting[] = [];
  const shrinking: (() => void)[] = [];
  let draining: Promise<void> | undefined;

  const seal = async (): Promise<void> => {
    const sealed = active;
    active = undefined;
    await sealed?.file.close();
    if (sealed && sealed.segment.next === sealed.segment.first) await shelf.remove(sealed.segment);
  };

  const drop = async (): Promise<void> => {
    if (shelf.all()[0] === active?.segment) await seal();
    await shelf.drop();
  };

  const expire = async (): Promise<void> => {
    const since = now() - maxAgeMs;
    for (let oldest = shelf.all()[0]; oldest && oldest.lastAt < since; oldest = shelf.all()[0]) await drop();
  };

  /** Makes room for so many octets; false where there can be none. */
  const makeRoom = async (octets: number): Promise<boolean> => {
    if (headerOctets + octets > maxBytes) return false;
    while (shelf.octets() + headerOctets + octets > maxBytes) {
      const spent = shelf.spent();
      if (!spent && !dropsOldest) return false;
      if (spent && spent !== active?.segment) await shelf.remove(spent);
      else await drop();
    }
    return true;
  };

  /** The file for so many octets more, of records from a position on. */
  const ready = async (octets: number, start: number) => {
    const fits = ({ next: end, size, records, firstAt }: Segment): boolean =>
      end === start &&
      (records === 0 || (size + octets <= segmentBytes && now() - firstAt <= maxAgeMs / segmentsOfAge));
    if (active && !fits(active.segment)) await seal();
    if (active) return active;
    const last = shelf.newest();
    // One that was closed in order goes on. A segment has no gaps, so that another one begins after a failure.
    if (last && fits(last)) active = { segment: last, file: await open(last.path, 'r+') };
    else {
      active = await makeSegment(folder, start, fsync);
      shelf.add(active.segment);
    }
    return active;
  };

  const write = async (taken: readonly Waiting[]): Promise<void> => {
    const [start, at] = [next, Math.max(0, now())];
    const entries: Entry[] = taken.map(({ payload }, index) => ({ position: start + index, at, payload }));
    // Whatever becomes of them, these positions are never given again.
    next += entries.length;
    await reserve(next);
    const { segment, file } = await ready(octetsOf(taken), start);
    try {
      await writeAll(file, encodeRecords(entries, segment.seed), segment.size);
      if (fsync) await file.datasync();
    } catch (error) {
      await file.truncate(segment.size).catch(() => {});
      await seal();
      throw error;
    }
    for (const { position, payload } of entries) {
      const from = segment.size;
      note(segment, { position, at, from, to: from + recordOctets + payload.length });
    }
  };

  /** Takes from the queue what goes into one write. */
  const take = (): Waiting[] => {
    let [count, octets] = [0, 0];
    while (count < queue.length && count < most.records) {
      octets += recordOctets + queue[count]!.payload.length;
      if (count > 0 && octets > Math.min(most.bytes, segmentBytes)) break;
      count++;
    }
    return queue.splice(0, count);
  };

  /** Those that fit, and refuses the others. */
  const admit = async (taken: Waiting[]): Promise<Waiting[]> => {
    if (await makeRoom(octetsOf(taken))) return taken;
    const admitted: Waiting[] = [];
    for (const each of taken)
      if (await makeRoom(octetsOf([...admitted, each]))) admitted.push(each);
      else each.reject(new JournalFullError(`${folder} is full: it may have ${maxBytes} octets`));
    return admitted;
  };

  const shrink = async (): Promise<void> => {
    for (const done of shrinking.splice(0)) {
      await drop().catch(() => {});
      done();
    }
  };

  const drain = async (): Promise<void> => {
    while (queue.length + shrinking.length > 0) {
      await shrink();
      if (queue.length === 0) continue;
      const taken = take();
      const start = next;
      try {
        await expire();
        const admitted = await admit(taken);
        if (admitted.length === 0) continue;
        await write(admitted);
        admitted.forEach(({ resolve }, index) => resolve(start + index));
      } catch (error) {
        // Those that were refused or kept before hear nothing of this.
        for (const { reject } of taken) reject(writeError(error, folder));
      }
    }
  };

  const run = (work: () => Promise<void>): Promise<void> =>
    (draining ??= work().finally(() => {
      draining = undefined;
      if (queue.length + shrinking.length > 0) wake();
    }));
  const wake = (): void => void run(drain);

  return {
    next: (): number => next,

    append: (payload: Uint8Array): Promise<number> =>
      new Promise((resolve, reject) => {
        queue.push({ payload, resolve, reject });
        wake();
      }),

    /** Gives up the oldest file. */
    shrink: (): Promise<void> =>
      new Promise((resolve) => {
        shrinking.push(resolve);
        wake();
      }),

    /** Whether records are written into a segment. */
    isActive: (segment: Segment): boolean => segment === active?.segment,

    /** Gives up what is too old, where nothing is written anyhow. */
    async expire(): Promise<void> {
      if (maxAgeMs !== Infinity) await run(expire);
    },

    /** Writes what is in the queue, and leaves the file. */
    async close(): Promise<void> {
      while (draining) await draining;
      await seal();
    },
  };
}

function octetsOf(waiting: readonly Waiting[]): number {
  return waiting.reduce((sum, { payload }) => sum + recordOctets + payload.length, 0);
}

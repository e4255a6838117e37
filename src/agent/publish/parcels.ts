import type { Journal, Kept } from '../../journal/journal.js';
import type { Outgoing } from '../line/packets.js';
import { batchOf, lineOf, type BatchRule, type SignBatch } from './batches.js';
import { decodeRecord, type Queued } from './record.js';

/** What is published at once: a message, or a batch. */
export type Parcel = {
  /** The position after its last message. */
  next: number;
  /** How many messages it has. */
  count: number;
  /** Undefined where the queue holds what this version did not write. */
  outgoing: Outgoing | undefined;
};

/** Takes parcels out of the queue, in its order. */
export type Parcels = {
  /** The parcel that begins at a position or behind it, `most` octets at most unless a message alone has more; or how long to wait for it, in milliseconds. */
  take(from: number, most: number): Promise<Parcel | number>;
};

/** The queue, up to the position `end`. */
export type Reading = Pick<Journal, 'read'> & { end(): number };

const ahead = { records: 64, bytes: 1_048_576 };

/** Where nothing can be read: positions that a crash left out or a disk damaged, which the journal counts. */
const nothing = (from: number, end: number): Parcel | number =>
  from < end ? { next: end, count: 0, outgoing: undefined } : Infinity;

/** A parcel for each message. */
export function createSingles(queue: Reading): Parcels {
  let read: Kept[] = [];
  return {
    async take(from) {
      const end = queue.end();
      if (read[0]?.position !== from) read = await queue.read(from, ahead);
      const kept = read.shift();
      if (!kept) return nothing(from, end);
      const message = decodeRecord(kept.payload);
      return { next: kept.position + 1, count: 1, outgoing: message && outgoingOf(message) };
    },
  };
}

function outgoingOf({ topic, payload, isJson, qos, retain, id }: Queued): Outgoing {
  const contentType = isJson ? 'application/json' : undefined;
  return { topic, payload, qos, retain, contentType, userProperties: [['id', id]] };
}

/** How batches are made. */
export type Batching = {
  thing: string;
  rule: BatchRule;
  sign: SignBatch | undefined;
  /** The clock of the server, milliseconds since 1970. */
  now(): number;
  /** No more messages come: nothing waits for others. */
  isOver(): boolean;
};

/** A parcel for each batch. */
export function createBatches(queue: Reading, { thing, rule, sign, now, isOver }: Batching): Parcels {
  let first: { position: number; at: number; seen: number } | undefined;

  /** How long the oldest message may wait, whatever becomes of clocks. */
  const patience = async (from: number): Promise<number> => {
    if (first?.position !== from) {
      const [kept] = await queue.read(from, { records: 1, bytes: 1 });
      if (!kept) return from < queue.end() ? 0 : Infinity;
      first = { position: from, at: decodeRecord(kept.payload)?.at ?? 0, seen: performance.now() };
    }
    const waited = Math.max(now() - first.at, performance.now() - first.seen);
    return isOver() ? 0 : Math.max(0, rule.seconds * 1000 - waited);
  };

  return {
    async take(from, most) {
      const end = queue.end();
      const isWhole = end - from >= rule.size;
      const wait = isWhole ? 0 : await patience(from);
      if (wait > 0) return wait;
      const kept = await queue.read(from, { records: rule.size, bytes: most });
      if (kept.length === 0) return nothing(from, end);
      const lines: string[] = [];
      let octets = 0;
      let next = from;
      for (const { position, payload } of kept) {
        const message = decodeRecord(payload);
        const line = message ? lineOf(message) : '';
        octets += Buffer.byteLength(line);
        if (lines.length > 0 && octets > most) break;
        if (line !== '') lines.push(line);
        next = position + 1;
      }
      const outgoing = lines.length === 0 ? undefined : batchOf(lines, thing, sign);
      return { next, count: Math.max(1, lines.length), outgoing };
    },
  };
}

import { JournalFullError, type Journal } from '../../journal/journal.js';
import type { Message } from './message.js';
import { encodeRecord } from './record.js';
import { Refusal } from './refusal.js';

type Options = {
  journal: Journal;
  /** What the files of the journal may have together. */
  maxBytes: number;
  whenFull: 'drop-oldest' | 'refuse';
  /** The clock of the server, milliseconds since 1970. */
  now(): number;
  /** There is another message. */
  onKept(): void;
};

export type Outbox = ReturnType<typeof createOutbox>;

/** The least that a queue may have: with it, a segment of the journal holds any message. */
export const leastQueueBytes = 4 * 1024 * 1024;

// What the journal adds to a record, and more.
const overhead = 64;
// A segment goes as a whole, and a new one begins before: so much of the files may hold nothing that is needed.
const usable = 7 / 8;

/** The messages that wait for the edge, on the disk. */
export function createOutbox({ journal, maxBytes, whenFull, now, onKept }: Options) {
  const limit = maxBytes * usable;
  let known = journal.counts().bytes;
  let refused = 0;
  let waiters: (() => void)[] = [];
  // What the journal says of itself counts what it is writing too.
  let [start, end] = [journal.first(), journal.next()];
  let pending = 0;

  const hasRoom = (octets: number): boolean => {
    if (whenFull === 'drop-oldest' || known + octets <= limit) return true;
    known = journal.counts().bytes + pending;
    return known + octets <= limit;
  };

  const append = async (record: Buffer): Promise<void> => {
    const octets = record.length + overhead;
    pending += octets;
    known += octets;
    try {
      end = (await journal.append(record)) + 1;
    } catch (error) {
      known -= octets;
      refused++;
      const advice = error instanceof JournalFullError ? 'make room' : 'look after the disk';
      throw new Refusal('disk-full', `${(error as Error).message}: ${advice}, and send it again later`);
    } finally {
      pending -= octets;
    }
    onKept();
  };

  return {
    /** Resolves when a message is on the disk: from then on it is published. @throws Refusal */
    async keep(message: Message): Promise<void> {
      const record = encodeRecord({ ...message, at: now() });
      if (!hasRoom(record.length + overhead)) {
        refused++;
        throw new Refusal('queue-full', queueFull, message.id);
      }
      await append(record);
    },

    /** Resolves when there is room for a message; until then it calls `waits`, once. */
    async room({ topic, payload }: Message, waits: () => void): Promise<void> {
      const octets = payload.length + 4 * topic.length + 256;
      if (!hasRoom(octets)) waits();
      while (!hasRoom(octets)) await new Promise<void>((resolve) => waiters.push(resolve));
    },

    /** What is before this position was acknowledged, or given up. */
    async trim(before: number): Promise<void> {
      start = before;
      await journal.trim(before);
      known = journal.counts().bytes + pending;
      const free = waiters;
      waiters = [];
      free.forEach((each) => each());
    },

    /** The first position that nobody acknowledged. */
    start: (): number => start,
    /** The position after the last one that can be read. */
    end: (): number => end,
    read: journal.read,
    isEmpty: (): boolean => pending === 0 && start >= end,

    counts() {
      const { records, bytes, damaged, dropped } = journal.counts();
      return { waiting: records, bytes, mostBytes: maxBytes, refused, dropped, damaged };
    },
  };
}

const queueFull =
  'the queue is full: send it again later, make --queue-bytes larger, or let --queue-drop-oldest drop the oldest messages';

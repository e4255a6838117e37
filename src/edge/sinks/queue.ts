import { join } from 'node:path';
import { openJournal, type Journal } from '../../journal/journal.js';
import { decodeMessage, encodeMessage, type Kept } from './message.js';
import type { Outgoing } from './sinks.js';

/** What bounds a queue. */
export type QueueSettings = { maxBytes: number; maxAge: number; fsync: boolean };

export type Queue = Awaited<ReturnType<typeof openQueue>>;

type Priority = Outgoing['priority'];
type Lane = { priority: Priority; journal: Journal; ahead: Ahead[]; from: number };
type Ahead = { position: number; message: Kept };

/** From the first one that is dropped to the last. */
const priorities: readonly Priority[] = ['low', 'normal', 'high'];
const segmentsOfAll = 32;
const largestSegment = 4 * 1024 * 1024;
const readAhead = { records: 500, bytes: 1024 * 1024 };
// What a record has beside the payload of a message; the strings of it come on top.
const besides = 128;

/**
 * A queue on disk with three priorities, a journal for each. They are read in the order in which messages came, so that the messages
 * of a thing stay in order whatever their priorities. Where room is short, the oldest of the lowest priority is dropped.
 * @throws Error when the folder cannot be used
 */
export async function openQueue(folder: string, { maxBytes, maxAge, fsync }: QueueSettings, now: () => number) {
  const lanes: Lane[] = [];
  // Messages that are being written: nothing that came after one of them is read before it.
  const writing = new Set<number>();
  let order = 0;
  let beingWritten = 0;
  const underWay = new Set<Promise<unknown>>();
  let unplaced = 0;
  let corrected = 0;
  let room: Promise<unknown> | undefined;
  let news = false;
  let waiting: (() => void) | undefined;

  const close = async (): Promise<void> => {
    for (const { journal } of lanes) await journal.close();
  };

  try {
    for (const priority of priorities) {
      const journal = await openJournal(join(folder, priority), {
        maxBytes,
        segmentBytes: Math.min(largestSegment, Math.floor(maxBytes / segmentsOfAll)),
        maxAgeMs: maxAge,
        whenFull: 'drop-oldest',
        fsync,
        now,
      });
      lanes.push({ priority, journal, ahead: [], from: journal.first() });
      order = Math.max(order, await lastOrder(journal));
    }
  } catch (error) {
    await close();
    throw error;
  }

  const octets = (): number => lanes.reduce((sum, { journal }) => sum + journal.octets(), beingWritten);

  /** Drops until so many octets fit; false where everything else is worth more than what comes. */
  const makeRoom = async (needed: number, priority: Priority): Promise<boolean> => {
    while (octets() + needed > maxBytes) {
      const lane = lanes.find(({ journal }) => journal.octets() > 0);
      if (!lane && beingWritten > 0) await Promise.race(underWay);
      else if (!lane || priorities.indexOf(lane.priority) > priorities.indexOf(priority)) return false;
      else await lane.journal.shrink();
    }
    return true;
  };

  const append = async (lane: Lane, message: Kept, size: number): Promise<void> => {
    beingWritten += size;
    const work = lane.journal.append(encodeMessage(message)).finally(() => {
      beingWritten -= size;
      underWay.delete(ended);
    });
    const ended = work.catch(() => {});
    underWay.add(ended);
    await work;
  };

  /** One after the other where one has to wait for room, and so in order. */
  const place = async (lane: Lane, message: Kept, size: number): Promise<void> => {
    if (!room && octets() + size <= maxBytes) return append(lane, message, size);
    const turn = (room ?? Promise.resolve()).then(async () => {
      if (await makeRoom(size, message.priority)) return { appended: append(lane, message, size) };
      unplaced++;
      return { appended: undefined };
    });
    const settled = turn.catch(() => {});
    room = settled;
    void settled.then(() => room === settled && (room = undefined));
    await (
      await turn
    ).appended;
  };

  const fill = async (lane: Lane): Promise<void> => {
    lane.ahead = lane.ahead.filter(({ position }) => position >= lane.journal.first());
    if (lane.ahead.length > 0) return;
    const kept = await lane.journal.read(lane.from, readAhead);
    lane.ahead = kept.map(({ position, payload }) => ({ position, message: decodeMessage(payload, lane.priority) }));
    lane.from = Math.max(lane.from, (kept.at(-1)?.position ?? -1) + 1);
  };

  /** The lane whose next message came first. */
  const earliest = (at: ReadonlyMap<Lane, number>): Lane | undefined => {
    let first: Lane | undefined;
    for (const lane of lanes) {
      const next = lane.ahead[at.get(lane)!]?.message;
      if (next && (!first || next.order < first.ahead[at.get(first)!]!.message.order)) first = lane;
    }
    return first;
  };

  return {
    /** Resolves once the message is on the disk. @throws JournalFullError */
    async put(message: Outgoing): Promise<void> {
      const lane = lanes[priorities.indexOf(message.priority)]!;
      const { id, account, thing, topic, payload, priority, at } = message;
      const kept: Kept = { id, account, thing, topic, payload, priority, at, order: ++order };
      const size = payload.length + besides + 3 * (id.length + account.length + thing.length + topic.length);
      writing.add(kept.order);
      try {
        await place(lane, kept, size);
      } finally {
        writing.delete(kept.order);
        news = true;
        waiting?.();
      }
    },

    /** The first messages that were not taken off, in the order in which they came; none where there are none. */
    async peek(most: { records: number; bytes: number }): Promise<Kept[]> {
      news = false;
      // What came before this is on the disk by now, and so in what is read from here on.
      const [before = order + 1] = writing;
      for (const lane of lanes) await fill(lane);
      const at = new Map(lanes.map((lane) => [lane, 0]));
      const found: Kept[] = [];
      for (let bytes = 0; found.length < most.records;) {
        const lane = earliest(at);
        if (!lane) break;
        const { message } = lane.ahead[at.get(lane)!]!;
        bytes += message.payload.length;
        if (message.order >= before || (found.length > 0 && bytes > most.bytes)) break;
        found.push(message);
        at.set(lane, at.get(lane)! + 1);
        // Whether it has another one that came before those of the others is not known yet.
        if (at.get(lane) === lane.ahead.length) break;
      }
      return found;
    },

    /** The first messages of the queue are done with. Resolves once that is durable. */
    async take(messages: readonly Kept[]): Promise<void> {
      for (const lane of lanes) {
        const count = messages.filter(({ priority }) => priority === lane.priority).length;
        if (count === 0) continue;
        const taken = lane.ahead.slice(0, count);
        lane.ahead = lane.ahead.slice(count);
        // Those that were given up on the disk meanwhile were not lost.
        corrected += taken.filter(({ position }) => position < lane.journal.first()).length;
        await lane.journal.trim(taken.at(-1)!.position + 1);
      }
    },

    /** Resolves when something came since the last peek, or `signal` ends it. */
    arrival: (signal: AbortSignal): Promise<void> =>
      new Promise((resolve) => {
        const done = (): void => {
          waiting = undefined;
          signal.removeEventListener('abort', done);
          resolve();
        };
        waiting = done;
        signal.addEventListener('abort', done);
        if (news || signal.aborted) done();
      }),

    counts() {
      const oldest = Math.min(...lanes.map(({ ahead }) => ahead[0]?.message.at ?? Infinity));
      const each = lanes.map(({ journal }) => journal.counts());
      const sum = (of: (counts: (typeof each)[number]) => number): number =>
        each.reduce((all, one) => all + of(one), 0);
      return {
        kept: sum(({ records }) => records),
        bytes: sum(({ bytes }) => bytes),
        damaged: sum(({ damaged }) => damaged),
        dropped: sum(({ dropped }) => dropped) + unplaced - corrected,
        oldestAt: oldest === Infinity ? undefined : oldest,
      };
    },

    close,
  };
}

async function lastOrder(journal: Journal): Promise<number> {
  const last = journal.last();
  if (last === undefined) return 0;
  const [kept] = await journal.read(last, { records: 1, bytes: 1 });
  return kept ? decodeMessage(kept.payload, 'low').order : 0;
}

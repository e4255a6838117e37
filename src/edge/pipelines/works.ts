import type { Journal } from '../../journal/journal.js';
import type { Guest } from '../gate.js';
import type { createOutlet } from './outlets.js';
import type { Outcome } from './outcome.js';
import { decodeHappening, encodeHappening, type Happening } from './records.js';
import type { Running } from './running.js';

type Deps = {
  journal: Journal;
  running: Running;
  outlet: ReturnType<typeof createOutlet>;
  /** Until where sinks have what came of the journal when it was opened. */
  done: number;
  /** Sinks have all that came of the journal up to here. */
  reached(position: number): void;
  /** Keeps all that the journal was needed for, up to here. */
  save(position: number): Promise<void>;
  /** Octets that may wait to be done before nothing more is taken. */
  mostQueued: number;
  /** The journal gets shorter, once so many octets came since. */
  saveEvery: number;
  failed(error: Error): void;
  sound(): void;
};

type Entry = { bytes: Buffer; happening: Happening; guest: Guest | undefined; position: number | undefined };

const mostAtOnce = 256;
const chunk = { records: 1000, bytes: 4 * 1024 * 1024 };
const sliceMs = 5;
const againMs = 5000;
const longestWaitMs = 5000;
const closeMs = 5000;
const lookMs = 10;

export type Works = ReturnType<typeof createWorks>;

/**
 * Does what the journal says, in its order: first it is kept for good, then it is done. What comes of it goes to sinks, under ids that are
 * the same whenever the same journal is read again.
 *
 * INVARIANT: pipelines are told nothing that the journal does not say. So after any end, the state that was saved last and the journal
 * after it make the same windows, batches and ids again. What sinks had before is not published again; at most what they got in the
 * last moment, under the same ids.
 */
export function createWorks({
  journal,
  running,
  outlet,
  done,
  reached,
  save,
  mostQueued,
  saveEvery,
  failed,
  sound,
}: Deps) {
  let queue: Entry[] = [];
  let octets = 0;
  let sinceSaved = 0;
  let isFull = false;
  let triedAt = -Infinity;
  let position = -1;
  let working: Promise<void> | undefined;
  const waiting = new Set<() => void>();
  let ended = false;
  let sliceSince = performance.now();

  const apply = async (at: number, happening: Happening): Promise<Outcome[]> => {
    const doing = running.apply(at, happening);
    for (;;) {
      // One record of a large document may take long, so that time is looked at and not their number.
      if (performance.now() - sliceSince >= sliceMs) {
        await new Promise<void>((resolve) => setImmediate(resolve));
        sliceSince = performance.now();
      }
      const step = doing.next();
      if (step.done) return step.value;
    }
  };

  /** Whatever is in the journal, in order. */
  const doAll = async (entries: readonly { position: number; happening: Happening; guest?: Guest | undefined }[]) => {
    const outcomes: Outcome[] = [];
    for (const { position: at, happening, guest } of entries) {
      if (happening.kind === 'message') outlet.heard(happening, guest);
      try {
        const made = await apply(at, happening);
        if (at > done) outcomes.push(...made);
      } catch (error) {
        // A defect of one step must not stop everything that comes after.
        failed(error as Error);
      }
      position = at;
    }
    await outlet.send(outcomes);
    if (position > done) reached(position);
  };

  const keep = async (): Promise<void> => {
    triedAt = performance.now();
    isFull = false;
    try {
      await save(position);
      await journal.trim(position + 1);
      sinceSaved = 0;
      sound();
    } catch (error) {
      // Tried again once as much has come again.
      sinceSaved = 0;
      failed(error as Error);
    }
  };

  const takeSome = (): { position: number; happening: Happening; guest: Guest | undefined }[] => {
    let count = 0;
    while (count < mostAtOnce && queue[count]?.position !== undefined) count++;
    const some = queue.slice(0, count);
    queue = queue.slice(count);
    for (const { bytes } of some) octets -= bytes.length;
    return some.map(({ position: at, happening, guest }) => ({ position: at!, happening, guest }));
  };

  const work = async (): Promise<void> => {
    for (let some = takeSome(); some.length > 0; some = takeSome()) {
      await doAll(some);
      if (octets <= mostQueued) for (const wake of waiting) wake();
      if (sinceSaved >= saveEvery) await keep();
    }
    if (isFull) await keep();
  };

  const start = (): void => {
    working ??= work()
      .catch(failed)
      .finally(() => {
        working = undefined;
        if (queue[0]?.position !== undefined || isFull) start();
      });
  };

  /** @throws Error when there is none for long: whoever waits has to hear something */
  const room = async (): Promise<void> => {
    const until = performance.now() + longestWaitMs;
    while (octets > mostQueued) {
      const left = until - performance.now();
      if (left <= 0) throw new Error('sinks accept nothing that pipelines make: nothing more is kept');
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          clearTimeout(timer);
          waiting.delete(wake);
          resolve();
        };
        const timer = setTimeout(wake, left);
        waiting.add(wake);
      });
    }
  };

  /** Resolves once it is durable, and will be done. @throws JournalFullError, and other errors; then it did not happen */
  const happen = async (happening: Happening, guest?: Guest): Promise<void> => {
    if (ended) throw new Error('this edge shuts down');
    // Nobody is told that more is kept than can be done.
    if (octets > mostQueued) await room();
    const entry: Entry = { bytes: encodeHappening(happening), happening, guest, position: undefined };
    queue.push(entry);
    octets += entry.bytes.length;
    sinceSaved += entry.bytes.length;
    try {
      entry.position = await journal.append(entry.bytes);
    } catch (error) {
      queue = queue.filter((other) => other !== entry);
      octets -= entry.bytes.length;
      // What is refused makes no room: that is made now, and not for each.
      isFull = performance.now() - triedAt >= againMs;
      throw error;
    } finally {
      start();
    }
  };

  return {
    happen,

    /** Does again what the journal says after a position. */
    async replay(after: number): Promise<void> {
      position = after;
      for (;;) {
        const kept = await journal.read(Math.max(position + 1, journal.first()), chunk);
        if (kept.length === 0) return;
        const entries = kept.flatMap(({ position: at, payload }) => {
          const happening = decodeHappening(payload);
          return happening ? [{ position: at, happening }] : [];
        });
        await doAll(entries);
        sinceSaved += kept.reduce((sum, { payload }) => sum + payload.length, 0);
        position = kept.at(-1)!.position;
      }
    },

    /** Octets that wait to be done. */
    queued: () => octets,

    /** Does what there is, and keeps it, so that the next start reads little. What sinks accept too late is done then. */
    async close(): Promise<void> {
      ended = true;
      const until = performance.now() + closeMs;
      while ((working || queue.length > 0) && performance.now() < until)
        await new Promise<void>((resolve) => setTimeout(resolve, lookMs));
      if (!working) await keep();
    },
  };
}

import { randomInt } from 'node:crypto';
import { Counter, Histogram } from 'prom-client';
import { createFailureNotes } from './monitoring/chore-failures.js';
import { createStopwatch } from './clock.js';
import type { Tell } from './logging.js';

/** Work that is done in the background, again and again. */
export type Chore = {
  /** For the log and the metrics, such as `sign-lists`. */
  name: string;
  everyMs: number;
  /** Runs it once more when the server starts. */
  atStart?: true;
  /**
   * How several instances share it: there is no leader, and each runs every chore. `each` works on its own memory. `one`
   * takes the work that no other has, by a claim or a lock in the database. `any` may repeat what another just did.
   */
  instances: 'each' | 'one' | 'any';
  run(): Promise<void> | void;
};

// Instances that start together drift apart: no wait is the same as another.
const jitter = 0.1;
const stopAtMostMs = 5000;

/** Runs chores by the clock, or one by name. A run never overlaps the one before. */
export function createChores(chores: Chore[], tell: Tell) {
  const { seconds, failures, metrics } = createChoreMetrics(chores);
  const byName = new Map(chores.map((chore) => [chore.name, chore]));
  if (byName.size < chores.length) throw new Error('two chores have the same name');
  const running = new Map<string, Promise<void>>();
  const notes = createFailureNotes(tell);
  const timers = new Map<string, NodeJS.Timeout>();
  let isStopped = false;

  const work = async ({ name, run }: Chore): Promise<void> => {
    const elapsed = createStopwatch();
    try {
      await run();
      notes.succeeded(name);
    } catch (error) {
      failures.inc({ chore: name });
      notes.failed(name, error);
      throw error;
    } finally {
      seconds.observe({ chore: name }, elapsed() / 1000);
    }
  };

  const runOnce = (chore: Chore): Promise<void> => {
    const present = running.get(chore.name);
    if (present) return present;
    const run = work(chore).finally(() => running.delete(chore.name));
    running.set(chore.name, run);
    return run;
  };

  const again = (chore: Chore, ms: number): void => {
    if (isStopped) return;
    const next = () =>
      void runOnce(chore)
        .catch(() => {})
        .then(() => again(chore, aroundMs(chore.everyMs)));
    timers.set(chore.name, setTimeout(next, ms).unref());
  };

  return {
    metrics,
    all: chores,

    /** Runs every chore from now on. The first time is anywhere within its interval, or at once. */
    start(): void {
      for (const chore of chores) again(chore, chore.atStart ? 0 : randomInt(chore.everyMs));
    },

    /** Runs a chore now, or waits for the run in progress. Rejects with what makes it fail. */
    run(name: string): Promise<void> {
      const chore = byName.get(name);
      if (!chore) throw new Error(`there is no chore ${name}`);
      return runOnce(chore);
    },

    /** Begins no further run. Resolves when those in progress have ended, or have had their time to. */
    async stop(): Promise<void> {
      isStopped = true;
      timers.forEach(clearTimeout);
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, stopAtMostMs)));
      await Promise.race([Promise.allSettled(running.values()), late]).finally(() => clearTimeout(timer));
    },
  };
}

/** An interval, up to a tenth shorter or longer. */
function aroundMs(ms: number): number {
  const most = Math.ceil(ms * jitter);
  return ms - most + randomInt(2 * most + 1);
}

function createChoreMetrics(chores: Chore[]) {
  const seconds = new Histogram({
    name: 'thingward_chore_seconds',
    help: 'Time that work in the background took, by chore',
    labelNames: ['chore'],
    buckets: [0.01, 0.1, 1, 10, 60],
    registers: [],
  });
  const failures = new Counter({
    name: 'thingward_chore_failures_total',
    help: 'Runs of work in the background that failed, by chore',
    labelNames: ['chore'],
    registers: [],
  });
  // A rate needs a first value to rise from.
  for (const { name } of chores) failures.inc({ chore: name }, 0);
  return { seconds, failures, metrics: [seconds, failures] };
}

import { Counter, Gauge } from 'prom-client';
import type { Clock } from '../clock.js';

/** How the mirror is doing. */
type State = {
  queue(): Promise<{ pending: number; failed: number; oldest: Date | null }>;
  /** Sagas that ran on this instance. */
  counts: { done: number; failed: number };
  clock: Clock;
};

/** Depth and age of the mirror's queue, read when they are asked for, and what became of the sagas. */
export function createMirrorMetrics({ queue, counts, clock }: State) {
  const depth = new Gauge({
    name: 'thingward_aws_queue_depth',
    help: 'Things and policies that are not up to date in AWS, of all accounts',
    labelNames: ['status'],
    registers: [],
    async collect() {
      // A database that is away is seen elsewhere.
      const state = await queue().catch(() => undefined);
      if (!state) return;
      depth.set({ status: 'pending' }, state.pending);
      depth.set({ status: 'failed' }, state.failed);
      age.set(state.oldest ? Math.max(0, (clock().getTime() - state.oldest.getTime()) / 1000) : 0);
    },
  });
  const age = new Gauge({
    name: 'thingward_aws_queue_age_seconds',
    help: 'How long the oldest of them has waited',
    registers: [],
  });
  const runs = new Counter({
    name: 'thingward_aws_sagas_total',
    help: 'Sagas that ran on this instance, by how they ended',
    labelNames: ['result'],
    registers: [],
    collect() {
      runs.reset();
      runs.inc({ result: 'done' }, counts.done);
      runs.inc({ result: 'failed' }, counts.failed);
    },
  });
  return [depth, age, runs];
}

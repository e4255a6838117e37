import type { Timers } from '../../../src/edge/mqtt/options.js';

/** Time that passes when a test says so. Timers run in the order in which they are due. */
export function createTestClock(start = Date.UTC(2026, 0, 1)) {
  let now = 0;
  let last = 0;
  const due = new Map<number, { at: number; work: () => void }>();
  const timers: Timers = {
    setTimeout(work, ms) {
      due.set(++last, { at: now + ms, work });
      return last;
    },
    clearTimeout: (timer) => void due.delete(timer as number),
    now: () => now,
  };

  const next = (until: number): [number, { at: number; work: () => void }] | undefined =>
    [...due].filter(([, { at }]) => at <= until).sort(([, one], [, other]) => one.at - other.at)[0];

  return {
    timers,
    /** Milliseconds since 1970. */
    wall: () => start + now,
    advance(ms: number): void {
      const until = now + ms;
      for (let found = next(until); found; found = next(until)) {
        due.delete(found[0]);
        now = Math.max(now, found[1].at);
        found[1].work();
      }
      now = until;
    },
    pending: () => due.size,
  };
}

import { setTimeout as wait } from 'node:timers/promises';

/** What a test may have otherwise. */
export type AwsTuning = {
  concurrency: number;
  timeoutMs: number;
  claimMs: number;
  /** Aborts when the time of a call is up. */
  limit(ms: number): AbortSignal;
  pause(ms: number): Promise<void>;
};

/** What the program runs with. */
export const awsTuning: AwsTuning = {
  concurrency: 16,
  timeoutMs: 10_000,
  claimMs: 20_000,
  limit: (ms) => AbortSignal.timeout(ms),
  pause: (ms) => wait(ms),
};

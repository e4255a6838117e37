import { randomInt } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { Driver } from './driver.js';
import type { Queue } from './queue.js';

type Options = {
  queue: Queue;
  driver: Driver;
  /** Messages a second at most. */
  perSecond: number;
  failed(error: Error): void;
  works(): void;
  /** A message was refused permanently. */
  refused(message: { id: string; topic: string }, error: Error | undefined): void;
};

const retryMs = { first: 200, most: 60_000 };

/** Takes messages from the queue of a sink to it, one batch after the other, until it is closed. */
export function createDelivery({ queue, driver, perSecond, failed, works, refused }: Options) {
  const ending = new AbortController();
  const { signal } = ending;
  const sums = { delivered: 0, refused: 0 };
  let failures = 0;

  const sleep = (ms: number): Promise<unknown> => wait(ms, undefined, { signal }).catch(() => {});

  /** Between a half and the whole: sinks that come back do not meet all edges at once. */
  const backOff = (): Promise<unknown> => {
    const ms = Math.min(retryMs.first * 2 ** Math.min(failures++, 20), retryMs.most);
    return sleep(randomInt(Math.ceil(ms / 2), ms + 1));
  };

  const round = async (): Promise<void> => {
    const records = Math.max(1, Math.min(driver.most.records, perSecond));
    const batch = await queue.peek({ records, bytes: driver.most.bytes });
    if (batch.length === 0) return queue.arrival(signal);
    const started = performance.now();
    const { results, error } = await driver.deliver(batch, signal);
    for (const [index, result] of results.entries()) {
      sums[result]++;
      if (result === 'refused') refused(batch[index]!, error);
    }
    await queue.take(batch.slice(0, results.length));
    if (results.length > 0) failures = 0;
    const isShort = results.length < batch.length && (error !== undefined || results.length === 0);
    if (isShort) {
      if (signal.aborted) return;
      failed(error ?? new Error('the sink did not say what became of a message'));
      await backOff();
      return;
    }
    works();
    const due = (1000 * results.length) / perSecond - (performance.now() - started);
    if (due > 1) await sleep(due);
  };

  const run = async (): Promise<void> => {
    while (!signal.aborted)
      try {
        await round();
      } catch (error) {
        failed(error as Error);
        await backOff();
      }
  };
  const running = run();

  return {
    counts: () => ({ delivered: sums.delivered, refused: sums.refused }),

    /** Ends what is under way; what is not known to be delivered stays in the queue. */
    async close(): Promise<void> {
      ending.abort();
      await driver.close();
      await running;
    },
  };
}

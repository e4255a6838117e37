import type { Stopwatch } from '../clock.js';
import { leaseMs, type InstanceTable } from './instance-table.js';
import type { LogReader } from './reader.js';

type Deps = {
  table: Pick<InstanceTable, 'isTimelineSettled' | 'settleTimeline'>;
  reader: Pick<LogReader, 'epoch'>;
  stopwatch: () => Stopwatch;
};

const lookEveryMs = 50;

/**
 * Keeps acknowledgements back for a whole lease after a standby was promoted. Leases that its predecessor granted may run on, and the new
 * server judges them by another clock: by this one's stopwatch they have ended then.
 */
export async function watchTimeline({ table, reader, stopwatch }: Deps) {
  let epoch = reader.epoch();
  let seen = (await table.isTimelineSettled()) ? undefined : stopwatch();

  const note = (): void => {
    if (reader.epoch() === epoch) return;
    epoch = reader.epoch();
    seen = stopwatch();
  };

  return {
    /** Resolves once no lease of an earlier timeline is left. */
    async settle(): Promise<void> {
      note();
      if (!seen) return;
      // Many wait at once: the first of them to see the end may be through before the others look.
      while (seen && seen() < leaseMs) {
        await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
        note();
      }
      await table.settleTimeline(epoch);
      if (seen && seen() >= leaseMs) seen = undefined;
    },
  };
}

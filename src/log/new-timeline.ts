import type { Stopwatch } from '../clock.js';
import { leaseMs, type InstanceTable } from './instance-table.js';

type Deps = { table: Pick<InstanceTable, 'settleTimeline'>; stopwatch: () => Stopwatch };

/**
 * Keeps acknowledgements back for a whole lease after a standby was promoted. Leases that its predecessor granted may run on, and the new
 * server judges them by another clock: by this one's stopwatch they have ended then.
 */
export function watchTimeline({ table, stopwatch }: Deps) {
  let seen: { epoch: string; since: Stopwatch } | undefined;

  return {
    /** Notes that the epoch is of a timeline on which earlier leases may run on, and once they have ended, that it is none. */
    async isNew(epoch: string): Promise<void> {
      if (seen?.epoch !== epoch) seen = { epoch, since: stopwatch() };
      if (seen.since() >= leaseMs) await table.settleTimeline(epoch);
    },
  };
}

import { Gauge } from 'prom-client';
import { rfc3339, type Clock } from '../clock.js';
import type { Chore } from '../chores.js';
import type { Tell } from '../logging.js';

type Old = { issuerId: string; account: string; nextUpdate: Date };

type Deps = {
  clock: Clock;
  tell: Tell;
  /** Lists of authorities whose key is elsewhere that are past half of their life. */
  pastHalf(at: Date): Promise<Old[]>;
};

/** Warns of lists that somebody has to sign elsewhere, at half of their life: in the log once for each, and as a figure. */
export function createImportedWatch({ clock, tell, pastHalf }: Deps): { chore: Chore; metric: Gauge } {
  const metric = new Gauge({
    name: 'thingward_imported_lists_old',
    help: 'Lists of authorities whose key is elsewhere that are past half of their life',
    registers: [],
  });
  let told = new Set<string>();
  const run = async (): Promise<void> => {
    const old = await pastHalf(clock());
    metric.set(old.length);
    const now = new Set(old.map(({ issuerId, nextUpdate }) => `${issuerId} ${rfc3339(nextUpdate)}`));
    for (const { issuerId, account, nextUpdate } of old)
      if (!told.has(`${issuerId} ${rfc3339(nextUpdate)}`))
        tell.error(
          { account, issuer: issuerId, ends: rfc3339(nextUpdate) },
          'the list of an authority whose key is elsewhere is past half of its life: sign a new one there, and bring it with `thingward import-list`',
        );
    told = now;
  };
  return { metric, chore: { name: 'watch-imported-lists', everyMs: 600_000, atStart: true, instances: 'each', run } };
}

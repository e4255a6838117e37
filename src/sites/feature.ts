import type { Clock } from '../clock.js';
import type { Deliveries } from '../deliveries/verbs.js';
import type { Door, Ledger } from '../door.js';
import { siteRoutes } from './routes.js';
import { createSiteService } from './service.js';
import { createSiteStore, type SiteStore } from './store.js';

type Deps = Pick<Ledger, 'db' | 'clock'> & { deliveries: Pick<Deliveries, 'publish'> };

/** The machines that edges run on. */
export function createSites({ db, clock, deliveries }: Deps): Door<SiteReader> {
  const store = createSiteStore(db);
  const service = createSiteService({ store, clock, publish: deliveries.publish });
  return { verbs: createSiteReader(store, clock), routes: [siteRoutes(service)] };
}

export type SiteReader = ReturnType<typeof createSiteReader>;

/** What other rooms may read of machines, in a transaction of theirs. */
const createSiteReader = ({ fresh, stale }: SiteStore, clock: Clock) => ({
  fresh: (tx: Parameters<typeof fresh>[0], account: string, after: string | undefined, limit: number) =>
    fresh(tx, account, after, limit, clock()),
  stale: (tx: Parameters<typeof stale>[0], account: string, limit: number) => stale(tx, account, limit, clock()),
});

import type { Deliveries } from '../deliveries/verbs.js';
import type { Door, Ledger } from '../door.js';
import { siteRoutes } from './routes.js';
import { createSiteService } from './service.js';
import { createSiteStore } from './store.js';

type Deps = Pick<Ledger, 'db' | 'clock'> & { deliveries: Pick<Deliveries, 'publish'> };

/** The machines that edges run on. */
export function createSites({ db, clock, deliveries }: Deps): Door<object> {
  const service = createSiteService({ store: createSiteStore(db), clock, publish: deliveries.publish });
  return { verbs: {}, routes: [siteRoutes(service)] };
}

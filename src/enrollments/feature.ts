import type { Door, Ledger } from '../door.js';
import { listRoutes } from './list-routes.js';
import { enrollmentRoutes } from './routes.js';
import { createEnrollmentService, type EnrollmentService } from './service.js';
import { createEnrollmentStore } from './store.js';

type Deps = Ledger &
  Omit<Parameters<typeof createEnrollmentService>[0], 'store' | 'manufacturers'> & {
    manufacturers: Parameters<typeof createEnrollmentService>[0]['manufacturers'] & Parameters<typeof listRoutes>[0];
  };

/** What admits devices to their first boot. */
export function createEnrollments(deps: Deps): Door<EnrollmentService> {
  const service = createEnrollmentService({ ...deps, store: createEnrollmentStore(deps.db) });
  return { verbs: service, routes: [enrollmentRoutes(service), listRoutes(deps.manufacturers)] };
}

import type { Door, Ledger } from '../door.js';
import { enrollmentRoutes } from './routes.js';
import { createEnrollmentService, type EnrollmentService } from './service.js';
import { createEnrollmentStore } from './store.js';

type Deps = Ledger & Omit<Parameters<typeof createEnrollmentService>[0], 'store'>;

/** What admits devices to their first boot. */
export function createEnrollments(deps: Deps): Door<EnrollmentService> {
  const service = createEnrollmentService({ ...deps, store: createEnrollmentStore(deps.db) });
  return { verbs: service, routes: [enrollmentRoutes(service)] };
}

import type { Door, Ledger, Shared } from '../door.js';
import { expectedRoutes } from './routes.js';
import { createExpectedService, type ExpectedService } from './service.js';
import { createExpectedStore } from './store.js';

type Deps = Ledger & Pick<Shared, 'sealer'> & Omit<Parameters<typeof createExpectedService>[0], 'store'>;

/** Who may come, before they come. */
export function createExpected(deps: Deps): Door<Pick<ExpectedService, 'find' | 'isCode' | 'noteWrongCode'>> {
  const service = createExpectedService({ ...deps, store: createExpectedStore(deps.db) });
  return { verbs: service, routes: [expectedRoutes(service)] };
}

import type { Door, Ledger } from '../door.js';
import { groupRoutes } from './routes.js';
import { createGroupService, type GroupService } from './service.js';
import { createGroupStore } from './store.js';

type Deps = Ledger & Pick<Parameters<typeof createGroupService>[0], 'isInCampaign'>;

/** Groups: questions about things that have a name. */
export function createGroups(deps: Deps): Door<Pick<GroupService, 'queryOf' | 'findQuery'>> {
  const service = createGroupService({ ...deps, store: createGroupStore(deps.db, deps.commit) });
  return { verbs: service, routes: [groupRoutes(service)] };
}

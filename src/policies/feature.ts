import type { Door, Shared } from '../door.js';
import type { RecentDecision } from './blast-radius.js';
import { createPolicyDeletion } from './deletion.js';
import { createPolicyPreview } from './preview.js';
import { policyRoutes } from './routes.js';
import { createPolicyService, type HeldPolicies, type PolicyService } from './service.js';
import { createPolicyStore } from './store.js';
import { noticeOldZones } from './zone-notice.js';

type Deps = Shared & {
  held(account: string, name: string): HeldPolicies;
  recentDecisions(account: string, policy: string, limit: number): Promise<RecentDecision[]>;
};

/** Policies and their versions, and what activating one would change. */
export function createPolicies(deps: Deps): Door<PolicyService> {
  const { config, db, commit, clock, audit, log, reader, held, recentDecisions, tell } = deps;
  const store = createPolicyStore(db, commit);
  const service = createPolicyService({ store, clock, audit, log, held });
  const deletion = createPolicyDeletion({ store, clock, audit, log, forget: service.forget });
  const validitySeconds = config.validitySeconds.others;
  const preview = createPolicyPreview({ store, clock, recentDecisions, validitySeconds });
  return {
    verbs: service,
    routes: [policyRoutes({ service, deletion, preview, cursor: reader.cursor })],
    chores: [
      {
        name: 'notice-old-zones',
        everyMs: 86_400_000,
        atStart: true,
        instances: 'each',
        run: () => noticeOldZones((fields, message) => tell.warn(fields, message), clock),
      },
    ],
  };
}

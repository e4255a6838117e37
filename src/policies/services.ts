import type { AppendAudit } from '../audit/store.js';
import type { Clock } from '../clock.js';
import type { Commit, Database } from '../db/client.js';
import type { AppendLog } from '../log/append.js';
import type { RecentDecision } from './blast-radius.js';
import { createPolicyPreview } from './preview.js';
import { createPolicyService, type HeldPolicies } from './service.js';
import { createPolicyStore } from './store.js';

type Deps = {
  db: Database;
  commit: Commit;
  clock: Clock;
  audit: AppendAudit;
  log: AppendLog;
  held(account: string, name: string): HeldPolicies;
};

/** Wires the policies: what writes them, and what looks ahead. */
export function createPolicyServices({ db, commit, clock, audit, log, held }: Deps) {
  const store = createPolicyStore(db, commit);
  return {
    policies: createPolicyService({ store, clock, audit, log, held }),

    /** The preview, once the sample of decisions exists. */
    createPreview: (
      recentDecisions: (account: string, policy: string, limit: number) => Promise<RecentDecision[]>,
      validitySeconds: number,
    ) => createPolicyPreview({ store, clock, recentDecisions, validitySeconds }),
  };
}

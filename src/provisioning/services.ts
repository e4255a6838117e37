import type { AppendAudit } from '../audit/store.js';
import type { Clock } from '../clock.js';
import type { Commit, Database } from '../db/client.js';
import type { AppendLog } from '../log/append.js';
import { createEnrollmentService } from '../enrollments/service.js';
import { createEnrollmentStore } from '../enrollments/store.js';
import { createReenrollStore } from './reenroll-store.js';
import { createRenewFor } from './renewal.js';
import { createRenewalByProof } from './renewal-proof.js';
import { createRenewalStore } from './renewal-store.js';
import { createProvisioningService } from './service.js';
import { createProvisioningStore, type LockRoom } from './store.js';

type EnrollmentDeps = Parameters<typeof createEnrollmentService>[0];
type ProvisioningDeps = Parameters<typeof createProvisioningService>[0];
type RenewalDeps = Parameters<typeof createRenewFor>[0];
type ProofDeps = Parameters<typeof createRenewalByProof>[0];

type Deps = {
  db: Database;
  commit: Commit;
  clock: Clock;
  audit: AppendAudit;
  log: AppendLog;
  lockRoom: LockRoom;
  signing: RenewalDeps['signing'];
} & Omit<EnrollmentDeps, 'store' | 'clock' | 'audit'> &
  Pick<ProvisioningDeps, 'newFamily'> &
  Pick<RenewalDeps, 'markUsed'> &
  Pick<ProofDeps, 'verifyProof' | 'useUp'>;

/** Wires the parts of this feature; services.ts brings what they need of others. */
export function createProvisioning(deps: Deps) {
  const { db, commit, clock, audit, log, lockRoom, signing } = deps;
  const enrollments = createEnrollmentService({ ...deps, store: createEnrollmentStore(db) });
  return {
    enrollments,
    provisioning: createProvisioningService({
      store: createProvisioningStore(db, lockRoom),
      reenrollments: createReenrollStore(commit, audit, log, lockRoom),
      clock,
      enrollments,
      signing,
      newFamily: deps.newFamily,
    }),
    renewByProof: createRenewalByProof({
      ...deps,
      renewFor: createRenewFor({ ...deps, store: createRenewalStore(db, audit) }),
    }),
  };
}

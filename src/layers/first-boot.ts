import type { Shared } from '../door.js';
import { createEnrollments } from '../enrollments/feature.js';
import { createEst } from '../est/feature.js';
import { createProvisioning } from '../provisioning/feature.js';
import { createTrust } from '../settings/trust.js';

type EnrollmentDeps = Parameters<typeof createEnrollments>[0];
type ProvisioningDeps = Parameters<typeof createProvisioning>[0];
type EstDeps = Parameters<typeof createEst>[0];

type Deps = Shared &
  Pick<EnrollmentDeps, 'requirePolicies' | 'requireSegment' | 'policyForType' | 'revokeThing'> &
  Pick<ProvisioningDeps, 'tokens' | 'lockRoom' | 'render' | 'inAws' | 'markUsed' | 'signing' | 'renewalRefused'> &
  Pick<EstDeps, 'accountExists' | 'findCertificate' | 'signing'>;

/** The rooms by which a device gets its identity, whatever protocol it speaks. */
export function openFirstBoot(deps: Deps) {
  const enrollments = createEnrollments(deps);
  const provisioning = createProvisioning({
    ...deps,
    enrollments: enrollments.verbs,
    trust: createTrust(deps.config.tlsCaFile, deps.tell),
  });
  const est = createEst({
    ...deps,
    ...provisioning.verbs,
    accountOfEnrollment: enrollments.verbs.accountOf,
    isRemembered: enrollments.verbs.isRemembered,
  });
  return {
    doors: [enrollments, provisioning, est],
    enrollments: enrollments.verbs,
    present: provisioning.verbs.present,
  };
}

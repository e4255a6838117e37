import { createBinding } from '../acme/binding.js';
import { createAcme } from '../acme/feature.js';
import { createLinks } from '../acme/links.js';
import type { Shared } from '../door.js';
import { createEnrollments } from '../enrollments/feature.js';
import { createEst } from '../est/feature.js';
import { createGuardedFetch } from '../outbound/fetch.js';
import { createExpected } from '../expected/feature.js';
import type { Origin } from '../origin.js';
import { createManufacturers } from '../manufacturers/feature.js';
import { createProvisioning } from '../provisioning/feature.js';
import { createTrust } from '../settings/trust.js';

type EnrollmentDeps = Parameters<typeof createEnrollments>[0];
type ProvisioningDeps = Parameters<typeof createProvisioning>[0];
type ExpectedDeps = Parameters<typeof createExpected>[0];
type EstDeps = Parameters<typeof createEst>[0];
type AcmeDeps = Parameters<typeof createAcme>[0];

type Deps = Shared &
  Pick<EnrollmentDeps, 'requirePolicies' | 'requireSegment' | 'policyForType'> &
  Pick<ProvisioningDeps, 'tokens' | 'lockRoom' | 'render' | 'inAws' | 'markUsed' | 'signing' | 'renewalRefused'> &
  Pick<ExpectedDeps, 'requireLive'> &
  Pick<EstDeps, 'accountExists' | 'findCertificate' | 'signing'> & {
    tokens: Pick<AcmeDeps, 'useOnce'>;
    revocation: Pick<AcmeDeps, 'revokeCertificate'> & { revokeThing: RevokeThing };
  };

type RevokeThing = (account: string, name: string, reason: 'privilegeWithdrawn', origin: Origin) => Promise<unknown>;

/** What the check of an enrollment answers at most, in octets. */
const mostOfAnswer = 65_536;

/** The rooms by which a device gets its identity, whatever protocol it speaks. */
export function openFirstBoot(deps: Deps) {
  const { revokeThing, revokeCertificate } = deps.revocation;
  const bindingOf = createBinding(deps.sealer);
  const acmeDirectory = createLinks(deps.config.publicUrl).directory;
  const manufacturers = createManufacturers({
    ...deps,
    useOnce: deps.tokens.useOnce,
    enrollments: {
      accountOf: (id) => enrollments.verbs.accountOf(id),
      tokenHashOf: (id) => enrollments.verbs.tokenHashOf(id),
    },
  });
  const enrollments: ReturnType<typeof createEnrollments> = createEnrollments({
    ...deps,
    manufacturers: manufacturers.verbs,
    revokeThing: async (account, name, origin) => void (await revokeThing(account, name, 'privilegeWithdrawn', origin)),
    acmeOf: (id) => ({ acmeDirectory, eab: bindingOf(id) }),
  });
  const expected = createExpected(deps);
  const provisioning = createProvisioning({
    ...deps,
    expected: expected.verbs,
    enrollments: enrollments.verbs,
    manufacturers: manufacturers.verbs,
    fetch: createGuardedFetch({ listed: deps.config.outboundAllow, mostOctets: mostOfAnswer }),
    trust: createTrust(deps.config.tlsCaFile, deps.tell),
  });
  const est = createEst({
    ...deps,
    ...provisioning.verbs,
    accountOfEnrollment: enrollments.verbs.accountOf,
    byConnection: manufacturers.verbs.byConnection,
    isRemembered: enrollments.verbs.isRemembered,
  });
  const { useOnce } = deps.tokens;
  const acme = createAcme({
    ...deps,
    ...provisioning.verbs,
    enrollments: enrollments.verbs,
    useOnce,
    revokeCertificate,
  });
  return {
    doors: [manufacturers, enrollments, expected, provisioning, est, acme],
    enrollments: enrollments.verbs,
    present: provisioning.verbs.present,
  };
}

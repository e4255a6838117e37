import { Counter } from 'prom-client';
import type { Config } from '../config.js';
import type { Door, Ledger, Shared } from '../door.js';
import { createAdmission } from './admission/admit.js';
import { createCheck } from './admission/check.js';
import type { ExpectationDeps } from './admission/expectation.js';
import { createLifetimes } from './lifetime-sql.js';
import type { GuardedFetch } from '../outbound/fetch.js';
import { createPresenter } from './presenter.js';
import { createReenrollStore } from './reenroll-store.js';
import { createRenewalByProof } from './renewal-proof.js';
import { createRenewFor } from './renewal.js';
import { createRenewalStore } from './renewal-store.js';
import { createProving, type Manufacturers } from './admission/proving.js';
import { firstBootRoute, provisioningRoutes } from './routes.js';
import { createProvisioningService } from './service.js';
import { createProvisioningStore, type LockRoom } from './store.js';
import { waitingRoutes } from './waiting/routes.js';
import { createWaitingService } from './waiting/service.js';
import { createWaitingStore } from './waiting/store.js';

type PresenterDeps = Parameters<typeof createPresenter>[0];
type ProvisioningDeps = Parameters<typeof createProvisioningService>[0];
type RenewalDeps = Parameters<typeof createRenewFor>[0];
type ProofDeps = Parameters<typeof createRenewalByProof>[0];
type WaitingDeps = Parameters<typeof createWaitingService>[0];
type CheckDeps = Parameters<typeof createCheck>[0];
type RouteDeps = Parameters<typeof provisioningRoutes>[0];

type Proof = Parameters<ProofDeps['useUp']>[0];

type Deps = Ledger &
  Pick<Shared, 'failures'> &
  Pick<ExpectationDeps, 'expected' | 'requirePolicies'> & {
    /** To the checks of enrollments. */
    fetch: GuardedFetch;
    config: Pick<Config, 'publicUrl' | 'clientCertProxies'>;
    manufacturers: Manufacturers;
    enrollments: ProvisioningDeps['enrollments'] &
      WaitingDeps['enrollments'] &
      Pick<RouteDeps, 'isRemembered'> &
      Pick<CheckDeps, 'checkSecretOf'>;
    signing: PresenterDeps['signing'] & ProvisioningDeps['signing'] & RenewalDeps['signing'];
    tokens: {
      assertions: { verify(proof: string, type: 'renew+jwt'): Promise<Proof>; useUp(proof: Proof): Promise<void> };
      recognises: RouteDeps['recognises'];
      first: PresenterDeps['firstTokens'];
      newFamily: ProvisioningDeps['newFamily'];
    };
    lockRoom: LockRoom;
    render: PresenterDeps['render'];
    markUsed: RenewalDeps['markUsed'];
    renewalRefused: RenewalDeps['renewalRefused'];
    inAws: PresenterDeps['inAws'];
    trust: PresenterDeps['trust'];
  };

type Verbs = {
  present: ReturnType<typeof createPresenter>['present'];
  /** For other protocols that devices come by. */
  provision: ReturnType<typeof createProvisioningService>['provision'];
  renewFor: ReturnType<typeof createRenewFor>;
};

/** First boot and renewal. */
export function createProvisioning(deps: Deps): Door<Verbs> {
  const { config, db, commit, audit, log, enrollments, tokens, lockRoom, failures } = deps;
  const { assertions, recognises, newFamily, first: firstTokens } = tokens;
  const store = createProvisioningStore(db, lockRoom);
  const { lifeUnder, nextLifeOf } = createLifetimes(db);
  const check = createCheck({ ...deps, checkSecretOf: enrollments.checkSecretOf });
  const admission = createAdmission({ ...deps, check });
  const waiting = createWaitingService({
    ...deps,
    newFamily,
    lifeUnder,
    admission,
    store,
    waiting: createWaitingStore(db, audit, lockRoom),
  });
  const provisioning = createProvisioningService({
    ...deps,
    newFamily,
    lifeUnder,
    admission,
    store,
    askApproval: waiting.ask,
    reenrollments: createReenrollStore({ commit, audit, log, lockRoom }),
  });
  const renewFor = createRenewFor({ ...deps, nextLifeOf, store: createRenewalStore(db, audit) });
  const renewByProof = createRenewalByProof({
    renewFor,
    verifyProof: (proof) => assertions.verify(proof, 'renew+jwt'),
    useUp: assertions.useUp,
  });
  const presenter = createPresenter({
    ...deps,
    publicUrl: config.publicUrl,
    firstTokens,
  });
  const provisions = new Counter({
    name: 'thingward_provisions_total',
    help: 'First boots by result',
    labelNames: ['result'],
    registers: [],
  });
  const renewals = new Counter({
    name: 'thingward_renewals_total',
    help: 'Renewals by result',
    labelNames: ['result'],
    registers: [],
  });
  for (const result of ['created', 'repeated']) renewals.inc({ result }, 0);
  for (const result of ['created', 'repeated', 'waiting']) provisions.inc({ result }, 0);
  const booting = {
    provision: provisioning.provision,
    present: presenter.provisioned,
    prove: createProving(deps.manufacturers),
    proxies: config.clientCertProxies,
    failures,
    isRemembered: enrollments.isRemembered,
    count: (result: 'created' | 'repeated' | 'waiting') => provisions.inc({ result }),
  };
  return {
    verbs: {
      present: presenter.present,
      async provision(tokenHash, ask, origin) {
        const result = await provisioning.provision(tokenHash, ask, origin);
        provisions.inc({ result: 'waiting' in result ? 'waiting' : result.created ? 'created' : 'repeated' });
        return result;
      },
      async renewFor(asked, origin) {
        const renewed = await renewFor(asked, origin);
        renewals.inc({ result: renewed.created ? 'created' : 'repeated' });
        return renewed;
      },
    },
    routes: [
      provisioningRoutes({
        ...booting,
        async renew(request, origin) {
          const { created, thing, certificate } = await renewByProof(request, origin);
          renewals.inc({ result: created ? 'created' : 'repeated' });
          return { created, answer: await presenter.present(thing, certificate) };
        },
        recognises,
      }),
      waitingRoutes(waiting),
    ],
    estRoutes: [firstBootRoute(booting)],
    chores: [{ name: 'sweep-waiting', everyMs: 3_600_000, instances: 'any', run: waiting.sweep }],
    metrics: [provisions, renewals],
  };
}

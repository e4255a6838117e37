import { addSeconds } from '../clock.js';
import type { Door, Routes, Shared } from '../door.js';
import type { LoadedLog } from '../log/reader.js';
import { createEvaluations } from './dialects/authzen-evaluations.js';
import { authzenRoutes } from './dialects/authzen-routes.js';
import { createAuthzenSearch } from './dialects/authzen-search.js';
import { awsAuthorizerRoutes } from './dialects/aws-authorizer-routes.js';
import { createAwsAuthorizer } from './dialects/aws-authorizer.js';
import { createEmqx, emqxRoutes } from './dialects/emqx.js';
import { forwardAuthRoutes } from './dialects/forward-auth.js';
import { createHivemq, hivemqRoutes } from './dialects/hivemq.js';
import { createMgate, mgateRoutes } from './dialects/mgate.js';
import { createMosquitto, mosquittoRoutes } from './dialects/mosquitto.js';
import { createNats, natsRoutes } from './dialects/nats.js';
import { createRabbitmq, rabbitmqRoutes } from './dialects/rabbitmq.js';
import { createRabbitmqTrust, rabbitmqTrustRoutes } from './dialects/rabbitmq-trust.js';
import { createVernemq, vernemqRoutes } from './dialects/vernemq.js';
import { createDecisionCount } from './decision-count.js';
import { createPageTokens } from './page-token.js';
import { createPrincipals } from './principals.js';
import { rightsRoutes } from './rights-routes.js';
import { authorizeRoutes } from './routes.js';
import { createSearch } from './search.js';
import { createAuthorizeService, type AuthorizeService } from './service.js';
import { loadSnapshot } from './snapshot-store.js';
import { createSnapshot, memorySeconds, type Snapshot } from './snapshot.js';
import { createPrincipalStore } from './store.js';
import { authorizeStreamRoutes } from './stream/routes.js';
import { closeCodes, createStreams } from './stream/streams.js';
import { createTrustStore } from './trust-store.js';

type ServiceDeps = Parameters<typeof createAuthorizeService>[0];
type PrincipalDeps = Parameters<typeof createPrincipals>[0];

type Deps = Pick<Shared, 'config' | 'db' | 'clock' | 'reader' | 'sealer' | 'count'> & {
  verifyToken: PrincipalDeps['verifyToken'];
  decisions: Pick<ServiceDeps, 'seen' | 'decided'>;
  /** Where an account is mirrored in AWS. */
  placeOf: Parameters<typeof createAwsAuthorizer>[0]['placeOf'];
};

type Verbs = Pick<AuthorizeService, 'isLive'> & {
  held: Snapshot['held'];
  /** How long the log is remembered about things. */
  memorySeconds: number;
  /** Reads what decisions are made from. */
  load(): Promise<LoadedLog>;
};

/** The words of other people's brokers and proxies. */
function brokerRoutes(service: AuthorizeService, { db, clock, reader: { requireLease } }: Deps): Routes[] {
  return [
    forwardAuthRoutes(service.judgeDevice),
    emqxRoutes(createEmqx(service)),
    rabbitmqRoutes(createRabbitmq(service)),
    rabbitmqTrustRoutes(createRabbitmqTrust({ store: createTrustStore(db), clock, requireLease })),
    mosquittoRoutes(createMosquitto(service)),
    vernemqRoutes(createVernemq(service)),
    mgateRoutes(createMgate(service), clock),
    hivemqRoutes(createHivemq(service), clock),
    natsRoutes(createNats(service)),
  ];
}

/** What things may do, asked in the words of Thingward and of others. */
export function createAuthorize(deps: Deps): Door<Verbs> {
  const { config, db, clock, verifyToken, decisions, placeOf } = deps;
  const { requireLease, position, cursor, reach } = deps.reader;
  const { cacheSize, validitySeconds, publicUrl } = config;
  const snapshot = createSnapshot();
  const store = createPrincipalStore(db);
  const principals = createPrincipals({ store, snapshot, position, clock, verifyToken, cacheSize });
  const count = createDecisionCount(deps.count);
  const service = createAuthorizeService({
    ...decisions,
    counted: count.note,
    clock,
    snapshot,
    principals,
    requireLease,
    cursor,
    reach,
    validitySeconds,
  });
  const streams = createStreams({ clock, most: config.streams });
  const search = createSearch({ foresee: service.foresee, principals, snapshot });
  return {
    verbs: {
      isLive: service.isLive,
      held: snapshot.held,
      memorySeconds,
      async load() {
        const { epoch, lineage, position: at, ...contents } = await loadSnapshot(db, clock());
        return { epoch, lineage, position: at, install: () => snapshot.load(contents) };
      },
    },
    routes: [
      authorizeRoutes({ service }),
      authorizeStreamRoutes({ service, streams }),
      rightsRoutes({ rightsOf: service.rightsOf, hasThing: store.hasThing }),
      authzenRoutes({
        evaluations: createEvaluations(service),
        search: createAuthzenSearch(search, createPageTokens(deps.sealer.derive('pages of searches'))),
        publicUrl,
      }),
      awsAuthorizerRoutes(createAwsAuthorizer({ holderOf: service.holderOf, placeOf })),
      ...brokerRoutes(service, deps),
    ],
    metrics: count.metrics,
    // The snapshot is read again, not forgotten, when the log is another one.
    follows: [
      { apply: snapshot.apply, clear: principals.clear },
      {
        apply: streams.apply,
        clear: () => streams.endAll(closeCodes.restart, 'the log is another one: connect again'),
      },
    ],
    chores: [
      { name: 'end-expired-questions', everyMs: 1000, instances: 'each', run: streams.endExpired },
      {
        name: 'forget-old-changes',
        everyMs: 60_000,
        instances: 'each',
        run: () => snapshot.prune(addSeconds(clock(), -memorySeconds)),
      },
    ],
  };
}

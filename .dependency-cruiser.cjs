/** The nevers of docs/architecture.md, as far as imports show them; test/unit/nevers.test.ts has the rest. */
const features =
  'accounts|acme|api-keys|people|sign-in|audit|authorize|aws|campaigns|certificates|commands|decisions|edge-feed|enrollments|est|expected|feed|figures|alerts|deliveries|events|groups|idempotency|issuers|lists|manufacturers|monitoring|ocsp|pipelines|policies|provisioning|revocation|segments|sessions|things|tokens|web';

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: 'pki-is-pure',
      comment: 'pki/ knows bytes: itself, errors.ts, node-forge and node:crypto.',
      severity: 'error',
      from: { path: '^src/pki/' },
      to: {
        pathNot: '^src/pki/|^src/errors\\.ts$|^node_modules/(@types/)?node-forge/|^(node:)?crypto$|^(node:)?util$',
      },
    },
    {
      name: 'policy-is-pure',
      comment: 'policy/ knows decisions: itself, errors.ts, address.ts, api/named.ts and zod.',
      severity: 'error',
      from: { path: '^src/policy/' },
      to: { pathNot: '^src/policy/|^src/(errors|address|api/named)\\.ts$|^node_modules/zod/' },
    },
    {
      name: 'pipeline-is-pure',
      comment:
        'pipeline/ knows messages and results: itself, what policy/ says of topics and variables, and the readers of CBOR and protobuf.',
      severity: 'error',
      from: { path: '^src/pipeline/' },
      to: {
        pathNot:
          '^src/pipeline/|^src/policy/(limits|topic-filter|variables)\\.ts$|^src/api/named\\.ts$|^node_modules/(zod|cborg|@bufbuild/protobuf)/|^(node:)?util$',
      },
    },
    {
      name: 'log-entries-are-pure',
      comment: 'What entries and cursors are is read where there is no database and no server too.',
      severity: 'error',
      from: { path: '^src/log/(entries|builders|cursor)\\.ts$' },
      to: {
        pathNot:
          '^src/log/(entries|builders|cursor)\\.ts$|^src/(pki|policy)/|^src/(clock|errors)\\.ts$|^node_modules/zod/',
      },
    },
    {
      name: 'mqtt-packets-are-pure',
      comment: 'edge/mqtt-packets/ knows octets: itself and nothing else.',
      severity: 'error',
      from: { path: '^src/edge/mqtt-packets/' },
      to: { pathNot: '^src/edge/mqtt-packets/' },
    },
    {
      name: 'journal-knows-files',
      comment: 'journal/ keeps octets: itself, and what Node has for files, sums and sockets.',
      severity: 'error',
      from: { path: '^src/journal/' },
      to: {
        pathNot: '^src/journal/|^(node:)?(crypto|events|fs|fs/promises|net|path|timers/promises|zlib)$',
      },
    },
    {
      name: 'coap-messages-are-pure',
      comment: 'edge/coap-messages/ knows octets: itself and nothing else.',
      severity: 'error',
      from: { path: '^src/edge/coap-messages/' },
      to: { pathNot: '^src/edge/coap-messages/' },
    },
    {
      name: 'mqtt-decides-nothing',
      comment: 'edge/mqtt/ asks a gate. Of what decides it knows types, and reads packets and streams.',
      severity: 'error',
      from: { path: '^src/edge/mqtt/' },
      to: {
        pathNot: '^src/edge/(mqtt|mqtt-packets)/|^(node:)?stream$',
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'fastify-at-the-rim',
      comment: 'Fastify only in routes, dialects, http/, api/ and app.ts, and its JWT plugin in tokens/jwt.ts.',
      severity: 'error',
      from: {
        path: '^src/',
        pathNot: 'routes\\.ts$|^src/authorize/dialects/|^src/(http|api)/|^src/app\\.ts$|^src/tokens/jwt\\.ts$',
      },
      to: { path: '^node_modules/(@fastify/|fastify)' },
    },
    {
      name: 'domain-without-http',
      comment:
        'Only what speaks HTTP imports http/, even for its types: routes, dialects, app.ts, what watches requests, and the doors that bring routes.',
      severity: 'error',
      from: {
        path: '^src/',
        pathNot:
          'routes\\.ts$|/feature\\.ts$|^src/authorize/dialects/|^src/http/|^src/api/(docs|index-page)\\.ts$|^src/monitoring/requests\\.ts$|^src/(app|door|services|layers/[a-z-]+)\\.ts$',
      },
      to: { path: '^src/http/' },
    },
    {
      name: 'prisma-in-db',
      comment: 'Prisma only in db/.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/db/' },
      to: { path: '^node_modules/(@prisma/|prisma/|pglite-prisma-adapter/)|^src/db/generated/' },
    },
    {
      name: 'db-in-stores',
      comment:
        'The database only in stores (and the SQL beside them), the log, and where resources are opened and wired. Types may travel; trouble.ts reads errors alone.',
      severity: 'error',
      from: {
        path: '^src/',
        pathNot: '^src/db/|store\\.ts$|-sql\\.ts$|^src/log/|^src/resources\\.ts$',
      },
      to: { path: '^src/db/', pathNot: '^src/db/trouble\\.ts$', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'aws-at-the-rim',
      comment: 'The AWS SDK only in aws/iot-registry.ts and its credentials.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/aws/client/iot-(registry|credentials)\\.ts$' },
      to: { path: '^node_modules/@aws-sdk/' },
    },
    {
      name: 'features-apart',
      comment: 'A feature never imports another: services.ts passes what it needs. Types may travel.',
      severity: 'error',
      from: { path: `^src/(${features})/` },
      to: {
        path: `^src/(${features})/`,
        pathNot: '^src/$1/',
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'judge-reaches-nothing',
      comment:
        'A decision depends on a snapshot, a principal, a question and a time: what it is made of imports itself, policy/ and pki/, which the rules above keep pure, and nothing that waits, reads a clock or does I/O.',
      severity: 'error',
      from: { path: '^src/(errors|authorize/(judge|question|rights|segment|snapshot))\\.ts$' },
      to: {
        pathNot:
          '^src/(errors|authorize/(judge|question|rights|segment|snapshot))\\.ts$|^src/(policy|pki)/|^node_modules/lru-cache/|^(node:)?crypto$',
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'doors-of-rooms',
      comment: 'services.ts and its layers alone open rooms. What another needs of one is handed to it there.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(services|layers/[a-z-]+)\\.ts$' },
      to: { path: '/feature\\.ts$' },
    },
    {
      name: 'routes-translate',
      comment: 'routes.ts decides nothing: no aws/, pki/ or policy/.',
      severity: 'error',
      from: { path: 'routes\\.ts$' },
      to: {
        path: '^src/(pki|policy)/|^src/aws/(?!schema|service|.*schema)',
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'routes-know-no-store',
      comment: 'routes.ts speaks with its service: it knows no store, not even by its types.',
      severity: 'error',
      from: { path: 'routes\\.ts$' },
      to: { path: '(store|-sql)\\.ts$' },
    },
    {
      name: 'agent-apart',
      comment: 'The device side shares nothing with the server but pki/, the journal, packets of MQTT and the clock.',
      severity: 'error',
      from: { path: '^src/agent/' },
      to: { path: '^src/', pathNot: '^src/(agent|journal|pki)/|^src/edge/mqtt-packets/|^src/clock\\.ts$' },
    },
    {
      name: 'edge-apart',
      comment:
        'An edge runs elsewhere: it shares with the server the pure libraries, the judge, what entries of the log are, and the table of problems.',
      severity: 'error',
      from: { path: '^src/edge/' },
      to: {
        path: '^src/',
        pathNot:
          '^src/(edge|journal|pki|pipeline|policy|compact)/|^src/(address|clock|errors|problem-kinds|stopping)\\.ts$|^src/log/(builders|cursor|edge-view|entries)\\.ts$|^src/authorize/(judge|question|reply|rights|segment|snapshot)\\.ts$',
      },
    },
    {
      name: 'reaper-apart',
      comment: 'The reaper runs elsewhere: it is a second program over what an edge follows the log with.',
      severity: 'error',
      from: { path: '^src/reaper/' },
      to: {
        path: '^src/',
        pathNot:
          '^src/(reaper|edge|policy)/|^src/(clock|logging|stopping)\\.ts$|^src/log/(cursor|entries)\\.ts$|^src/authorize/(effective-rights|judge|question|rights|segment|snapshot)\\.ts$',
      },
    },
    {
      name: 'nats-apart',
      comment: 'The callout of NATS runs elsewhere: it asks the API, and reads settings as an edge does.',
      severity: 'error',
      from: { path: '^src/nats/' },
      to: {
        path: '^src/',
        pathNot: '^src/(nats|edge/settings)/|^src/edge/body\\.ts$|^src/edge/proxy/log\\.ts$|^src/stopping\\.ts$',
      },
    },
    {
      name: 'no-cycles',
      comment: 'Types count: what two files need of each other belongs to a third.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-drawer-names',
      comment: 'No barrels, and no file that could hold anything.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '/(index|utils|util|helpers|helper|types|common)\\.ts$' },
    },
    {
      name: 'console-apart',
      comment: 'The console runs in browsers: of the program it knows the client of the API alone.',
      severity: 'error',
      from: { path: '^console/' },
      to: { path: '^src/', pathNot: '^src/client/' },
    },
    {
      name: 'program-without-console',
      comment: 'The program serves what was built of the console, and imports nothing of it.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^console/' },
    },
    { name: 'no-unresolved', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules|src/(db|client)/generated' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};

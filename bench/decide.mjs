// Nanoseconds and octets of a decision by the engine of a checkout, three policies attached: node bench/decide.mjs <folder> <stored>
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [folder, stored] = [process.argv[2], Number(process.argv[3])];
const load = (path) => import(pathToFileURL(join(folder, 'dist', path)).href);
const [{ decide }, { createPrincipal }, { createSnapshot }] = await Promise.all(
  ['policy/decide.js', 'policy/variables.js', 'authorize/snapshot.js'].map(load),
);
const percentile = (values, part) => values.sort((a, b) => a - b)[Math.floor(values.length * part)];

// What comes over the wire was parsed: text in one piece, not put together.
const parsed = (value) => JSON.parse(JSON.stringify(value));
const snapshot = createSnapshot();
const policies = Array.from({ length: stored }, (_, n) => ({
  account: 'acme',
  name: `p${n}`,
  version: 1,
  document: {
    name: `p${n}`,
    statements: [
      { id: 'publish', effect: 'allow', actions: ['publish'], resources: [`topic:\${account}/\${thing.name}/s${n}/#`] },
    ],
  },
}));
snapshot.load({ policies: parsed(policies), segments: [], recent: [] });
const compiled = snapshot.compiled(snapshot.policySet('acme', ['p0', 'p1', 'p2']));
const principal = createPrincipal(parsed({ account: 'acme', thing: { name: 'pump-17', attributes: {} } }));
// 40 characters, half of them of another thing.
const queries = parsed(
  Array.from({ length: 64 }, (_, n) => ({
    action: 'publish',
    resource: `topic:acme/${n % 2 ? 'pump-17' : 'other-1'}/s${n % 3}/telemetry/temp-${String(n).padStart(3, '0')}/raw-${n % 10}`,
    context: {},
    at: 1_700_000_000_000,
  })),
);
const answers = queries.map((query) => decide(compiled, principal, query).allowed);
if (answers.some((allowed, n) => allowed !== (n % 2 === 1))) throw new Error('an answer is wrong');

const statuses = new Map(queries.map((_, n) => [`acme/${n % 2 ? 'pump-17' : 'other-1'}`, n]));
let sum = 0;
const all = {
  decide: () => {
    for (const query of queries) sum += decide(compiled, principal, query).allowed ? 1 : 0;
  },
  // What the aims call the floor: one look-up, and the topic cut into its levels.
  floor: () => {
    for (const { resource } of queries) sum += resource.split('/').length + (statuses.get('acme/pump-17') ?? 0);
  },
};
const measured = {};
for (const [name, run] of Object.entries(all)) {
  for (let warm = 0; warm < 6000; warm++) run();
  const rounds = [];
  for (let round = 0; round < 4000; round++) {
    const start = process.hrtime.bigint();
    run();
    rounds.push(Number(process.hrtime.bigint() - start) / queries.length);
  }
  measured[name] = percentile(rounds, 0.5);
}
// One by one, the clock included: it takes some 50 ns.
const singles = [];
for (let n = 0; n < 200_000; n++) {
  const start = process.hrtime();
  sum += decide(compiled, principal, queries[n & 63]).allowed ? 1 : 0;
  const [seconds, nanoseconds] = process.hrtime(start);
  singles.push(seconds * 1e9 + nanoseconds);
}
measured.p99 = percentile(singles, 0.99);
const before = process.memoryUsage().heapUsed;
for (let round = 0; round < 10_000; round++) all.decide();
measured.octets = (process.memoryUsage().heapUsed - before) / (10_000 * queries.length);
process.stdout.write(JSON.stringify(sum > 0 ? measured : {}));

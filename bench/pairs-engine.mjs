// Decisions a CPU second by the engine of a checkout, on the same questions: node bench/pairs-engine.mjs <folder>
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const load = (path) => import(pathToFileURL(join(process.argv[2], 'dist', path)).href);
const [{ compilePolicies }, { decide }, { createPrincipal }] = await Promise.all(
  ['policy/compile.js', 'policy/decide.js', 'policy/variables.js'].map(load),
);

const policies = Array.from({ length: 50 }, (_, n) => ({
  name: `p${n}`,
  version: 1,
  document: {
    name: `p${n}`,
    statements: [
      { id: 's', effect: 'allow', actions: ['publish'], resources: [`topic:\${account}/\${thing.name}/s${n}/#`] },
    ],
  },
}));
const compiled = compilePolicies(policies);
const principal = createPrincipal({ account: 'acme', thing: { name: 'pump-1', attributes: {} } });
const questions = Array.from({ length: 64 }, (_, n) => ({
  action: 'publish',
  resource: `topic:acme/${n % 2 ? 'pump-1' : 'other'}/s${n % 50}/temp`,
  context: {},
  at: 1_700_000_000_000,
}));
const decideAll = (times) => {
  for (let n = 0; n < times; n++) decide(compiled, principal, questions[n & 63]);
};
decideAll(200_000);
const { user, system } = process.cpuUsage();
decideAll(2_000_000);
const used = process.cpuUsage({ user, system });
process.stdout.write(String(2e12 / (used.user + used.system)));

import { compilePolicies, type CompiledPolicies } from '../src/policy/compile.js';
import { decide } from '../src/policy/decide.js';
import type { PolicyDocument } from '../src/policy/document.js';
import { createPrincipal } from '../src/policy/variables.js';
import { createSnapshot } from '../src/authorize/snapshot.js';
import { createRandom } from '../test/support/policy-cases.js';
import { requirePeer } from './peers.js';

/** One line: nanoseconds of one decision, ours and a peer's, on the same questions with the same answers. */
type EngineRow = { what: string; ours: number; casbin: number; cedar: number };

type Question = { topic: string; resource: string; allowed: boolean };
type Engine = (question: Question) => boolean;

const sizes = (process.env['ENGINE_SIZES'] ?? '10,100,10000').split(',').map(Number);

const account = 'acme';
const thing = 'pump-17';
const prefix = (n: number) => `${account}/${thing}/s${n}`;

const documentOf = (n: number, resource: string): PolicyDocument => ({
  name: `p${n}`,
  statements: [{ id: 'publish', effect: 'allow', actions: ['publish'], resources: [resource] }],
});

/** Half are allowed by one of the policies, half by none. Text in one piece, as a server gets it. */
function questionsFor(policies: number[]): Question[] {
  const random = createRandom(1);
  const questions = Array.from({ length: 64 }, (_, n): Question => {
    const of = random.pick(policies);
    const topic = n % 2 === 0 ? `${prefix(of)}/temp` : `${account}/other/s${of}/temp`;
    return { topic, resource: `topic:${topic}`, allowed: n % 2 === 0 };
  });
  return JSON.parse(JSON.stringify(questions)) as Question[];
}

function ours(compiled: CompiledPolicies): Engine {
  const principal = createPrincipal({ account, thing: { name: thing, attributes: {} } });
  const [context, at] = [{}, 1_700_000_000_000];
  return ({ resource }) => decide(compiled, principal, { action: 'publish', resource, context, at }).allowed;
}

const resourceOf = (n: number) => `topic:\${account}/\${thing.name}/s${n}/#`;

/** All apply to the thing that is asked about. */
const oursWithAll = (count: number): Engine =>
  ours(
    compilePolicies(
      Array.from({ length: count }, (_, n) => ({ name: `p${n}`, version: 1, document: documentOf(n, resourceOf(n)) })),
    ),
  );

/** Many are stored, three are attached: what the server does. */
function oursWithThree(stored: number): Engine {
  const snapshot = createSnapshot();
  const policies = Array.from({ length: stored }, (_, n) => ({
    account,
    name: `p${n}`,
    version: 1,
    document: documentOf(n, resourceOf(n)),
  }));
  snapshot.load({ policies, segments: [], recent: [] });
  return ours(snapshot.compiled(snapshot.policySet(account, ['p0', 'p1', 'p2'])));
}

type Casbin = {
  newModelFromString(text: string): unknown;
  newEnforcer(model: unknown): Promise<{
    addPolicies(rules: string[][]): Promise<boolean>;
    addGroupingPolicies(rules: string[][]): Promise<boolean>;
    enforceSync(...request: string[]): boolean;
  }>;
};

async function casbin(count: number, attached: number): Promise<Engine> {
  const { newModelFromString, newEnforcer } = requirePeer<Casbin>('casbin');
  const enforcer = await newEnforcer(
    newModelFromString(`
[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, obj, act
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = g(r.sub, p.sub) && keyMatch(r.obj, p.obj) && r.act == p.act`),
  );
  await enforcer.addPolicies(
    Array.from({ length: count }, (_, n) => [n < attached ? `role${n}` : `other${n}`, `${prefix(n)}/*`, 'publish']),
  );
  await enforcer.addGroupingPolicies(Array.from({ length: attached }, (_, n) => [thing, `role${n}`]));
  return ({ topic }) => enforcer.enforceSync(thing, topic, 'publish');
}

type Cedar = {
  preparsePolicySet(id: string, policies: { staticPolicies: Record<string, string> }): { type: string };
  statefulIsAuthorized(call: object): { type: string; response?: { decision: string } };
};

function cedar(count: number, attached: number): Engine {
  const { preparsePolicySet, statefulIsAuthorized } = requirePeer<Cedar>('@cedar-policy/cedar-wasm/nodejs');
  const id = `set-${count}-${attached}`;
  const staticPolicies = Object.fromEntries(
    Array.from({ length: count }, (_, n) => [
      `p${n}`,
      `permit(principal in Role::"${n < attached ? 'role' : 'other'}${n}", action == Action::"publish", resource) when { context.topic like "${prefix(n)}/*" };`,
    ]),
  );
  if (preparsePolicySet(id, { staticPolicies }).type !== 'success') throw new Error('Cedar refused the policies');
  const parents = Array.from({ length: attached }, (_, n) => ({ type: 'Role', id: `role${n}` }));
  const principal = { type: 'Thing', id: thing };
  return ({ topic }) => {
    const answer = statefulIsAuthorized({
      principal,
      action: { type: 'Action', id: 'publish' },
      resource: { type: 'Topic', id: 'any' },
      context: { topic },
      preparsedPolicySetId: id,
      entities: [{ uid: principal, attrs: {}, parents }],
      validateRequest: false,
    });
    return answer.response?.decision === 'allow';
  };
}

/** The median over samples of the nanoseconds of one decision; engines that answer wrongly are not timed. */
function nanoseconds(name: string, engine: Engine, questions: Question[]): number {
  const wrong = questions.filter((question) => engine(question) !== question.allowed);
  if (wrong.length > 0) throw new Error(`${name} answers ${wrong.length} of ${questions.length} questions wrongly`);
  const once = () => {
    const start = process.hrtime.bigint();
    for (const question of questions) engine(question);
    return Number(process.hrtime.bigint() - start) / questions.length;
  };
  const deadline = performance.now() + 1500;
  for (let n = 0; n < 2000 && performance.now() < deadline; n++) once();
  const samples: number[] = [];
  const end = performance.now() + 1500;
  while (samples.length < 5 || (performance.now() < end && samples.length < 20_000)) samples.push(once());
  return samples.sort((a, b) => a - b)[Math.floor(samples.length / 2)]!;
}

const indices = (count: number) => Array.from({ length: count }, (_, n) => n);

export async function benchEngines(): Promise<EngineRow[]> {
  const rows: EngineRow[] = [];
  for (const count of sizes) {
    const questions = questionsFor(indices(count));
    rows.push({
      what: `${count.toLocaleString('en')} policies, all of the thing`,
      ours: nanoseconds('ours', oursWithAll(count), questions),
      casbin: nanoseconds('casbin', await casbin(count, count), questions),
      cedar: nanoseconds('Cedar', cedar(count, count), questions),
    });
  }
  for (const stored of [sizes[0]!, ...sizes.slice(1).slice(-1)]) {
    const questions = questionsFor(indices(3));
    rows.push({
      what: `${stored.toLocaleString('en')} policies stored, 3 of the thing`,
      ours: nanoseconds('ours', oursWithThree(stored), questions),
      casbin: nanoseconds('casbin', await casbin(stored, 3), questions),
      cedar: nanoseconds('Cedar', cedar(stored, 3), questions),
    });
  }
  return rows;
}

export function engineTable(rows: EngineRow[]): string {
  const round = (value: number) => Math.round(value).toLocaleString('en');
  const lines = rows.map(
    ({ what, ours: own, casbin: one, cedar: other }) =>
      `| ${what} | ${round(own)} ns | ${round(one)} ns | ${round(one / own)} x | ${round(other)} ns | ${round(other / own)} x |`,
  );
  const [few, many] = [rows.at(sizes.length)!.ours, rows.at(-1)!.ours];
  return [
    '| one decision, median | decide() | casbin | ours is | Cedar (WASM) | ours is |',
    '|---|---:|---:|---:|---:|---:|',
    ...lines,
    '',
    `Growth of decide() from ${sizes[0]} to ${sizes.at(-1)!.toLocaleString('en')} stored with 3 of the thing: ${(many / few).toFixed(2)}.`,
  ].join('\n');
}

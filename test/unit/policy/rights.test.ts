import { describe, expect, it } from 'vitest';
import { compilePolicies } from '../../../src/policy/compile.js';
import { decide } from '../../../src/policy/decide.js';
import type { Condition } from '../../../src/policy/document.js';
import { parsePolicy } from '../../../src/policy/policy.js';
import { mostRights, rightsOf, type Known, type RightsList } from '../../../src/policy/rights/rights.js';
import { createPrincipal } from '../../../src/policy/variables.js';
import { randomPolicies, randomQuestion, type Random } from '../../support/policy-cases.js';
import { universeLevels, type Asked } from '../../support/policy-reference.js';
import { listAllows } from '../../support/rights-list.js';
import { seeded } from '../../support/seeded.js';

// `npm run policy-lists` asks about 100,000 policies.
const cases = Number(process.env['POLICY_LISTS'] ?? 2000);
const isLong = cases >= 100_000;
const questionsPerPolicy = 12;

const topics = [
  ...universeLevels.filter((level) => level !== ''),
  ...universeLevels.flatMap((one) => universeLevels.map((other) => `${one}/${other}`)),
];
const filters = ['#', '+', 'a/#', '+/a', 'a/+', '+/#', '$s/#', '/#', 'a', 'b/a'];
const sweep = [
  ...topics.flatMap((topic) => [
    { action: 'publish', resource: `topic:${topic}` },
    { action: 'receive', resource: `topic:${topic}` },
  ]),
  ...filters.flatMap((filter) => [
    { action: 'subscribe', resource: `topic:${filter}` },
    { action: 'receive', resource: `topic:${filter}`, whole: true },
  ]),
  ...['a', 'n', 'a:n', 'a/b', '+'].map((id) => ({ action: 'connect', resource: `client:${id}` })),
];

const principalOf = ({ account, thing, serialNumber }: Asked) =>
  createPrincipal({ account, thing, ...(serialNumber ? { certificate: { serialNumber } } : {}) });

/** What is known of a context when the list is made: all of it, or some members. */
function partOf(context: Asked['context'], random: Random): Asked['context'] {
  if (random.chance(0.4)) return context;
  return Object.fromEntries(Object.entries(context).filter(() => random.chance(0.5)));
}

/** Now and then a client id in the context, and a policy that lets it connect if the context is right. */
function connecting({ context }: Asked, random: Random): object[] {
  if (random.chance(0.8)) return [];
  context.clientId = 'n';
  const condition = random.pick([{ sourceCidrs: ['10.0.0.0/8'] }, { protocols: ['mqtt'] }, { qos: [0, 1] }]);
  const connect = { id: 'connect', effect: 'allow', actions: ['connect'], resources: ['client:n'], condition };
  const topic = { id: 'topic', effect: 'allow', actions: ['publish'], resources: ['topic:a/#'] };
  return [{ name: 'connecting', statements: [connect, topic] }];
}

describe('the list of rights', () => {
  it('agrees with the engine about every action and topic, whatever of the context is known', () => {
    const random = seeded('lists of rights');
    const seen = { lists: 0, questions: 0, allowed: 0, conditioned: 0, later: 0, bound: 0 };
    for (let n = 0; n < cases; n++) {
      const first = randomQuestion(random);
      const documents = [...randomPolicies(random), ...connecting(first, random)].map(parsePolicy);
      const policies = documents.map((document, index) => ({ name: document.name, version: index + 1, document }));
      const compiled = compilePolicies(policies);
      const known: Known = { context: partOf(first.context, random), at: first.at, horizon: Infinity };
      const list = rightsOf(documents, principalOf(first), known)!;
      seen.lists++;
      if (list.allow.some(({ condition }) => condition !== undefined)) seen.conditioned++;
      if (list.allow.some(({ condition }) => condition?.clientId !== undefined)) seen.bound++;
      const own = Array.from({ length: questionsPerPolicy }, () => randomQuestion(random));
      for (const question of [first, ...own, ...sweep.filter(() => isLong || random.chance(0.3))]) {
        const asked: Asked = { ...first, whole: false, ...question, context: first.context, at: first.at };
        Object.assign(asked, { account: first.account, thing: first.thing, serialNumber: first.serialNumber });
        // As long as it says, the list is as true as it was.
        if (list.changesAt > first.at + 1 && random.chance(0.2)) {
          asked.at = Math.min(list.changesAt - 1, first.at + random.below(86_400_000));
          seen.later++;
        }
        const { allowed } = decide(compiled, principalOf(first), asked);
        seen.questions++;
        if (allowed) seen.allowed++;
        if (listAllows(list, asked, known.context.clientId) !== allowed)
          expect.fail(JSON.stringify({ documents, known, list, asked, engine: allowed }, null, 1));
      }
    }
    console.log(`rights: ${JSON.stringify({ ...seen, differences: 0 })}`);
    for (const [what, count] of Object.entries(seen)) expect(count, what).toBeGreaterThan(cases / 200);
  });

  const thing = createPrincipal({ account: 'acme', thing: { name: 'pump-1', attributes: { site: 'x y' } } });
  const at = Date.UTC(2026, 10, 27, 12);
  const list = (statements: object[], known: Partial<Known> = {}): RightsList =>
    rightsOf([parsePolicy({ name: 'p', statements })], thing, { context: {}, at, horizon: Infinity, ...known })!;

  it('leaves nothing open in a full context, and says until when windows hold', () => {
    const condition = {
      sourceCidrs: ['10.0.0.0/8'],
      protocols: ['mqtts'],
      qos: [0],
      retain: false,
      timeWindows: [{ from: '06:00', to: '22:00', days: ['fri'], timeZone: 'UTC' }],
    };
    const statements = [
      { id: 'a', effect: 'allow', actions: ['publish'], resources: ['topic:${thing.name}/#'], condition },
    ];
    const until = Date.UTC(2026, 10, 27, 22);
    const context = { sourceIp: '10.1.2.3', protocol: 'mqtts', qos: 0, retain: false };
    const right = { action: 'publish', resource: 'topic:pump-1/#', until };
    expect(list(statements, { context })).toEqual({ allow: [right], deny: [], changesAt: until });
    const { timeWindows: _, ...open } = condition;
    expect(list(statements).allow).toEqual([{ ...right, condition: open }]);
    expect(list(statements, { context: { ...context, qos: 2 } }).allow).toEqual([]);
    // Outside its hours nothing is allowed, and the list says when that changes.
    const early = Date.UTC(2026, 10, 27, 5);
    expect(list(statements, { at: early })).toEqual({ allow: [], deny: [], changesAt: Date.UTC(2026, 10, 27, 6) });
  });

  it('takes what has no value out of allows, and denies everything of its kind', () => {
    const resources = ['topic:${thing.attributes.site}/a', 'endpoint:${thing.type}'];
    const statements = (effect: string) => [{ id: 'a', effect, actions: ['*'], resources }];
    expect(list(statements('allow')).allow).toEqual([]);
    expect(list(statements('deny')).deny).toEqual([
      { action: 'publish', resource: '*' },
      { action: 'subscribe', resource: '*' },
      { action: 'receive', resource: '*' },
      { action: '*', resource: 'endpoint:*' },
    ]);
  });

  it('puts the segment of a thing into every allow, and drops allows that lie outside it', () => {
    const within: Condition = { sourceCidrs: ['10.0.0.0/8'], protocols: ['mqtt', 'mqtts'] };
    const allowed = (condition?: object) => [
      { id: 'a', effect: 'allow', actions: ['publish'], resources: ['topic:a'], ...(condition ? { condition } : {}) },
    ];
    const conditionOf = (condition?: object) => list(allowed(condition), { within }).allow[0]?.condition;
    expect(conditionOf()).toEqual(within);
    expect(conditionOf({ sourceCidrs: ['10.1.0.0/16', '192.0.2.0/24'], protocols: ['mqtts', 'https'] })).toEqual({
      sourceCidrs: ['10.1.0.0/16'],
      protocols: ['mqtts'],
    });
    expect(conditionOf({ sourceCidrs: ['0.0.0.0/0'] })).toEqual(within);
    expect(list(allowed({ protocols: ['https'] }), { within }).allow).toEqual([]);
    const context = { sourceIp: '192.0.2.1' };
    expect(list(allowed(), { within, context }).allow).toEqual([]);
  });

  it('is not made when it would be longer than anybody reads', () => {
    const statement = (id: string, count: number) => ({
      id,
      effect: 'allow',
      actions: ['publish', 'subscribe', 'receive'],
      resources: Array.from({ length: count }, (_, index) => `topic:${id}/${index}`),
    });
    const many = (statements: number) => Array.from({ length: statements }, (_, index) => statement(`s${index}`, 1000));
    expect(list(many(3)).allow).toHaveLength(9000);
    expect(list(many(4))).toBeUndefined();
    expect(mostRights).toBe(10_000);
  });
});

import { describe, expect, it } from 'vitest';
import { emqxRules, type EmqxRule } from '../../../src/policy/rights/emqx.js';
import { natsPermissions, type NatsPermissions } from '../../../src/policy/rights/nats.js';
import { compilePolicies } from '../../../src/policy/compile.js';
import { decide } from '../../../src/policy/decide.js';
import { parsePolicy } from '../../../src/policy/policy.js';
import { rightsOf, type Right } from '../../../src/policy/rights/rights.js';
import { createPrincipal } from '../../../src/policy/variables.js';
import { randomPolicies, randomQuestion, type Random } from '../../support/policy-cases.js';
import { universeLevels } from '../../support/policy-reference.js';
import { seeded } from '../../support/seeded.js';

// `npm run policy-lists` asks about 100,000 policies.
const cases = Number(process.env['POLICY_LISTS'] ?? 2000);

const shallow = ['a', 'b', 'n', 'z', '$s', 'eq a'];
const topics = [
  ...shallow,
  ...shallow.flatMap((one) => universeLevels.map((other) => `${one}/${other}`)),
  'a/b/n',
  'a/b/z',
  'n/a/b/a',
  '/a',
  '/',
];
const filters = [
  ...topics,
  '#',
  '+',
  '+/#',
  '+/+',
  '/#',
  ...['a', 'b', 'n', '$s', '+'].flatMap((one) =>
    ['#', '+', '+/#', 'b/#', '+/b', '+/+', 'b/+'].map((rest) => `${one}/${rest}`),
  ),
];

type Session = { action: 'publish' | 'subscribe'; topic: string; qos: number; retain: boolean };

/** EMQX's list, read as EMQX reads it: the first rule that matches, level by level. Versions differ about `$`. */
function emqxAllows(rules: EmqxRule[], session: Session, reachesDollar: boolean): boolean {
  const isAbout = ({ action, qos, retain }: EmqxRule): boolean =>
    (action === 'all' || action === session.action) &&
    (qos?.includes(session.qos) ?? true) &&
    (session.action === 'subscribe' || (retain ?? session.retain) === session.retain);
  const rule = rules.filter(isAbout).find(({ topic }) => {
    if (topic.startsWith('eq ')) return session.topic === topic.slice(3);
    if (!reachesDollar && session.topic.startsWith('$') && /^[+#]/.test(topic)) return false;
    return matches(session.topic.split('/'), topic.split('/'));
  });
  return rule?.permission === 'allow';
}

function matches(words: string[], rule: string[]): boolean {
  for (let level = 0; ; level++) {
    if (rule[level] === '#' && level === rule.length - 1) return true;
    if (level === words.length || level === rule.length) return words.length === rule.length;
    if (rule[level] !== '+' && rule[level] !== words[level]) return false;
  }
}

/** Random policies, the list that EMQX gets of them, and what the engine says to a session. */
function randomCase(random: Random) {
  const documents = randomPolicies(random).map(parsePolicy);
  const { account, thing, serialNumber, context, at } = randomQuestion(random);
  const principal = createPrincipal({ account, thing, ...(serialNumber ? { certificate: { serialNumber } } : {}) });
  const { retain: _, qos: __, ...known } = context;
  const list = rightsOf(documents, principal, { context: known, at, horizon: Infinity })!;
  const compiled = compilePolicies(documents.map((document) => ({ name: document.name, version: 1, document })));
  return {
    documents,
    known,
    at,
    list,
    rules: emqxRules(list),
    // What real policies look like: each allow begins with a name.
    isRooted: list.allow.every(({ resource }) => !/^(\*|topic:[+#])/.test(resource)),
    engineAllows({ action, topic, qos, retain }: Session): boolean {
      const asked = { resource: `topic:${topic}`, context: { ...known, qos }, at };
      if (action === 'publish')
        return decide(compiled, principal, { ...asked, action, context: { ...asked.context, retain } }).allowed;
      const receives = decide(compiled, principal, { ...asked, context: known, action: 'receive', whole: true });
      return receives.allowed && decide(compiled, principal, { ...asked, action }).allowed;
    },
  };
}

const sessionsOf = (random: Random): Session[] =>
  [...topics.map((topic) => ['publish', topic] as const), ...filters.map((topic) => ['subscribe', topic] as const)].map(
    ([action, topic]) => ({ action, topic, qos: random.below(3), retain: random.chance(0.5) }),
  );

describe('the list that EMQX gets', () => {
  it('is never wider than the engine, whatever EMQX makes of leading wildcards', () => {
    const random = seeded('lists of EMQX');
    const seen = { lists: 0, questions: 0, allowed: 0, byEngine: 0, rooted: 0, byEngineRooted: 0 };
    for (let n = 0; n < cases; n++) {
      const given = randomCase(random);
      seen.lists++;
      for (const session of sessionsOf(random)) {
        const byEngine = given.engineAllows(session);
        const byList = [true, false].map((reaches) => emqxAllows(given.rules, session, reaches));
        if (!byEngine && byList.some(Boolean)) expect.fail(JSON.stringify({ ...given, session }, null, 1));
        const isExact = byEngine && byList.every(Boolean);
        seen.questions++;
        seen.byEngine += Number(byEngine);
        seen.allowed += Number(isExact);
        seen.byEngineRooted += Number(byEngine && given.isRooted);
        seen.rooted += Number(isExact && given.isRooted);
      }
    }
    const share = (some: number, all: number) => `${((100 * some) / all).toFixed(1)} %`;
    const exact = share(seen.allowed, seen.byEngine);
    const exactWhereRooted = share(seen.rooted, seen.byEngineRooted);
    console.log(`emqx: ${JSON.stringify({ ...seen, wider: 0, exact, exactWhereRooted })}`);
    expect(seen.rooted).toBeGreaterThan(seen.byEngineRooted / 2);
  });

  const topic = (action: string, filter: string, more: object = {}): Right => ({
    action,
    resource: `topic:${filter}`,
    ...more,
  });
  const deny = { permission: 'deny', action: 'all', topic: '#' };
  const rulesOf = (allow: Right[], denies: Right[] = []) => emqxRules({ allow, deny: denies });

  it('says retain and QoS, and leaves out what else is open', () => {
    const open = (condition: object) => topic('publish', 'a/#', { condition });
    expect(rulesOf([open({ qos: [0], retain: false })])).toEqual([
      { permission: 'allow', action: 'publish', topic: 'a/#', qos: [0], retain: false },
      deny,
    ]);
    for (const condition of [{ sourceCidrs: ['10.0.0.0/8'] }, { protocols: ['mqtt'] }, { clientId: 'a' }])
      expect(rulesOf([open(condition)]), JSON.stringify(condition)).toEqual([deny]);
  });

  it('subscribes only to what may be received, and not where a deny is', () => {
    const subscribe = [topic('subscribe', 'a/#')];
    expect(rulesOf(subscribe)).toEqual([deny]);
    expect(rulesOf([...subscribe, topic('receive', 'a/b')])).toEqual([deny]);
    const both = [...subscribe, topic('receive', '#')];
    expect(rulesOf(both)).toEqual([{ permission: 'allow', action: 'subscribe', topic: 'a/#' }, deny]);
    const secret = { permission: 'deny', action: 'subscribe', topic: 'a/+/secret' };
    expect(rulesOf(both, [topic('subscribe', 'a/+/secret')])).toEqual([secret, deny]);
  });

  it('keeps a + from being met by #, and drops what cannot be kept', () => {
    const both = (filter: string) => [topic('subscribe', filter), topic('receive', filter)];
    expect(rulesOf(both('a/+'))).toEqual([
      { permission: 'deny', action: 'subscribe', topic: 'eq a/#' },
      { permission: 'allow', action: 'subscribe', topic: 'a/+' },
      deny,
    ]);
    expect(rulesOf(both('a/+/b'))).toEqual([{ permission: 'allow', action: 'subscribe', topic: 'a/+/b' }, deny]);
    for (const filter of ['a/+/+', 'a/+/b/+', '+/a', '#']) expect(rulesOf(both(filter)), filter).toEqual([deny]);
  });

  it('never leaves a deny out: what EMQX would read otherwise is denied wider', () => {
    const rules = rulesOf(
      [topic('publish', 'eq a'), topic('publish', 'a/%c')],
      [
        topic('publish', 'eq a/b'),
        topic('publish', 'x/%u', { condition: { qos: [0] } }),
        { action: 'publish', resource: '*' },
      ],
    );
    expect(rules).toEqual([
      { permission: 'deny', action: 'publish', topic: '+/b' },
      { permission: 'deny', action: 'publish', topic: 'x/+' },
      { permission: 'deny', action: 'publish', topic: '#' },
      deny,
    ]);
  });
});

/** A topic or filter as NATS has it, token by token. */
const tokensOf = (topic: string): string[] =>
  topic.split('/').map((level) => (level === '+' ? '*' : level === '#' ? '>' : level === '' ? '/' : level));

/** NATS's lists, read as NATS reads them: a subscription is compared by its text, where `*` of a list matches any token of it. */
function natsAllows({ publish, subscribe }: NatsPermissions, { action, topic }: Session): boolean {
  const subject = tokensOf(topic);
  // `a/#` is two subscriptions there.
  const asked = subject.at(-1) === '>' && subject.length > 1 ? [subject, subject.slice(0, -1)] : [subject];
  const isIn = (subjects: string[], words: string[]): boolean =>
    subjects.some((each) => hasSubject(words, each.split('.')));
  const list = action === 'publish' ? publish : subscribe;
  return asked.every((words) => isIn(list.allow, words) && !isIn(list.deny, words));
}

function hasSubject(words: string[], list: string[]): boolean {
  for (let token = 0; ; token++) {
    if (list[token] === '>') return words.length > token;
    if (token === words.length || token === list.length) return words.length === list.length;
    if (list[token] !== '*' && list[token] !== words[token]) return false;
  }
}

describe('the lists that NATS gets', () => {
  it('are never wider than the engine', () => {
    const random = seeded('lists of NATS');
    const seen = { lists: 0, questions: 0, allowed: 0, byEngine: 0 };
    for (let n = 0; n < cases; n++) {
      const given = randomCase(random);
      const permissions = natsPermissions(given.list);
      seen.lists++;
      for (const session of sessionsOf(random)) {
        const byEngine = given.engineAllows(session);
        const byList = natsAllows(permissions, session);
        if (byList && !byEngine) expect.fail(JSON.stringify({ ...given, permissions, session }, null, 1));
        seen.questions++;
        seen.byEngine += Number(byEngine);
        seen.allowed += Number(byList);
      }
    }
    console.log(`nats: ${JSON.stringify({ ...seen, wider: 0 })}`);
    expect(seen.allowed).toBeGreaterThan(0);
  });

  it('say `a/#` as two subjects, and leave out what subjects cannot say', () => {
    const right = (action: string, filter: string, more: object = {}): Right => ({
      action,
      resource: `topic:${filter}`,
      ...more,
    });
    const both = (filter: string) => [right('subscribe', filter), right('receive', filter)];
    const listsOf = (allow: Right[], deny: Right[] = []) => natsPermissions({ allow, deny });
    const own = ['$MQTT.sub.>', '$MQTT.deliver.pubrel.>'];
    expect(listsOf([...both('a/#'), right('publish', 'a/+/b')], [right('publish', 'a/x.y/b')])).toEqual({
      publish: { allow: ['a.*.b'], deny: ['a.*.b'] },
      subscribe: { allow: ['a', 'a.>', ...own], deny: [] },
    });
    for (const filter of ['a/+', 'a/+/#', '#', '+/a', '$s/a', 'a.b', 'a//b', 'a b', '/a'])
      expect(listsOf(both(filter)).subscribe.allow, filter).toEqual(own);
    expect(listsOf([right('subscribe', 'a/#')]).subscribe.allow).toEqual(own);
    expect(listsOf(both('a/#'), [right('subscribe', 'a/b')]).subscribe.allow).toEqual(own);
    const open = { condition: { qos: [0] } };
    expect(listsOf([right('publish', 'a', open)], [right('publish', 'b', open)]).publish).toEqual({
      allow: [],
      deny: ['b'],
    });
    expect(listsOf([], [{ action: 'publish', resource: '*' }]).publish.deny).toEqual(['>']);
  });
});

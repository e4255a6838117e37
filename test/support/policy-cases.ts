import { universeLevels, type Asked } from './policy-reference.js';
import type { Condition, PolicyDocument, Statement } from '../../src/policy/document.js';

/** A small generator of random numbers with a seed (mulberry32), so that a failing case can be run again. */
export function createRandom(seed: number) {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  const below = (limit: number): number => Math.floor(next() * limit);
  return {
    below,
    /** From the first number up to, but not including, the second. */
    between: (from: number, to: number): number => from + below(to - from),
    chance: (probability: number): boolean => next() < probability,
    pick: <Item>(items: readonly Item[]): Item => items[below(items.length)]!,
  };
}

export type Random = ReturnType<typeof createRandom>;

const written = universeLevels.filter((level) => level !== 'z');
const variables = [
  '${thing.name}',
  '${account}',
  '${thing.type}',
  '${thing.attributes.v}',
  '${certificate.serialNumber}',
];

function topicFilter(random: Random, levels: readonly string[], wildcards: boolean): string {
  const length = 1 + random.below(3);
  const filter = Array.from({ length }, () => (wildcards && random.chance(0.25) ? '+' : random.pick(levels)));
  if (wildcards && random.chance(0.35)) filter[length - 1] = '#';
  return filter.join('/') || 'a';
}

// Every value that fits a level is a level of the universe, or the oracle would not see what it reaches.
const endpoints = ['a', 'b', '${thing.attributes.v}', '${thing.type}'];
const requests = [
  'GET /',
  'GET /a',
  '* /a/#',
  'GET /a/+/b',
  'POST /#',
  '* /${thing.name}/+',
  'GET /a b',
  'GET /é',
  '* /+',
];

function resourceFor(random: Random, kind: string): string {
  if (random.chance(0.08)) return '*';
  switch (kind) {
    case 'topic':
      return `topic:${topicFilter(random, random.chance(0.3) ? [...written, ...variables] : written, true)}`;
    case 'client':
      return `client:${random.pick(['a', 'n', 'a/b', '+', '${thing.name}', '${account}:${thing.name}', '${thing.attributes.v}'])}`;
    case 'endpoint':
      return `endpoint:${random.pick(endpoints)}`;
    default:
      return `http:${random.pick(requests)}`;
  }
}

const actionsOf: Record<string, string[]> = {
  topic: ['publish', 'subscribe', 'receive'],
  client: ['connect'],
  endpoint: ['read', 'write', 'execute'],
  http: ['request'],
};
const kinds = ['topic', 'topic', 'topic', 'topic', 'client', 'client', 'endpoint', 'http'];
const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
const zones = ['UTC', 'Europe/Kyiv', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu'];
const times = ['00:00', '00:30', '06:00', '12:15', '22:00', '23:59'];

function condition(random: Random): Condition {
  const some = <Item>(items: readonly Item[]) => {
    const chosen = items.filter(() => random.chance(0.5));
    return chosen.length > 0 ? chosen : [items[0]!];
  };
  const window = () => {
    const from = random.pick(times);
    return {
      from,
      to: random.pick([...times, '24:00'].filter((time) => time !== from)),
      days: some(days),
      timeZone: random.pick(zones),
    };
  };
  return {
    ...(random.chance(0.4) ? { timeWindows: Array.from({ length: 1 + random.below(2) }, window) } : {}),
    ...(random.chance(0.3)
      ? { sourceCidrs: some(['10.0.0.0/8', '10.1.2.0/23', '2001:db8::/33', '0.0.0.0/0', '::1/128']) }
      : {}),
    ...(random.chance(0.3) ? { protocols: some(['mqtt', 'mqtts', 'wss', 'https', 'coap'] as const) } : {}),
    ...(random.chance(0.3)
      ? { attributes: random.chance(0.5) ? { v: some(['a', 'b']) } : { v: some(['a', 'b']), w: ['1'] } }
      : {}),
    ...(random.chance(0.2) ? { retain: random.chance(0.5) } : {}),
    ...(random.chance(0.2) ? { qos: some([0, 1, 2]) } : {}),
  };
}

function statement(random: Random, id: string): Statement {
  const kind = random.pick(kinds);
  const own = actionsOf[kind]!;
  const chosen = own.filter(() => random.chance(0.6));
  const actions = random.chance(0.08) ? ['*'] : chosen.length > 0 ? chosen : [own[0]!];
  return {
    id,
    effect: random.chance(0.3) ? 'deny' : 'allow',
    actions,
    resources: [...new Set(Array.from({ length: 1 + random.below(2) }, () => resourceFor(random, kind)))],
    ...(random.chance(0.35) ? { condition: condition(random) } : {}),
  };
}

/** Random policies of a thing, valid ones. */
export function randomPolicies(random: Random): PolicyDocument[] {
  return Array.from({ length: 1 + random.below(2) }, (_, policy) => ({
    name: `p${policy}`,
    statements: Array.from({ length: 1 + random.below(4) }, (__, index) => statement(random, `s${index}`)),
  }));
}

const badTopics = [
  '',
  'a\0',
  'a+',
  'a/#/b',
  '\ud800',
  'a\udc00',
  '$share/g',
  '$share//a',
  '$share/g+/a',
  '$share/g/$share/h/a',
  '$share/g/',
  '$share',
  '#/a',
];
const goodShares = ['$share/g/a', '$share/g/#', '$share/g/+/b', '$share/g/a/#', '$share/g/$s/a'];
const paths = [
  '/',
  '/a',
  '/a?x=/b',
  '/a/x/b',
  '/a/../b',
  '/a//b',
  '/a%2fb',
  '/a%2Fx',
  '/n/x',
  '/a%20b',
  '/%c3%a9',
  '/%zz',
  '/a;b',
  '/a\\b',
  '/%2e%2e/a',
  '/a/',
  '/a%00',
  '/+',
  '/a/%2b/b',
  '/a#b',
];

function topicAsked(random: Random, action: string): string {
  if (random.chance(0.08)) return random.pick(badTopics);
  if (action === 'subscribe' && random.chance(0.2)) return random.pick(goodShares);
  return topicFilter(random, universeLevels, action === 'subscribe' || random.chance(0.03));
}

/** A random question. */
export function randomQuestion(random: Random): Asked {
  const kind = random.pick(kinds);
  const action = random.chance(0.03)
    ? random.pick(['publish', 'read', 'BAD', '*', 'fly'])
    : random.pick(actionsOf[kind]!);
  const whole = action === 'receive' && random.chance(0.4);
  const text: Record<string, () => string> = {
    topic: () => topicAsked(random, whole ? 'subscribe' : action),
    client: () => random.pick(['a', 'n', 'a:n', '', 'a/b', '+', 'b', 'x\0']),
    endpoint: () => random.pick(['a', 'b', 'n', 'Bad', '']),
    http: () => `${random.pick(['GET', 'GET', 'POST', 'get', 'M-SEARCH'])} ${random.pick(paths)}`,
  };
  return {
    account: random.pick(['a', 'b']),
    thing: {
      name: random.pick(['n', 'a']),
      ...(random.chance(0.5) ? { type: random.pick(['a', 'b', '+', '']) } : {}),
      attributes: random.chance(0.6) ? { v: random.pick(['a', 'b', '#', '..', 'a/b', '$s']) } : {},
    },
    ...(random.chance(0.5) ? { serialNumber: 'b' } : {}),
    action,
    ...(whole ? { whole } : {}),
    resource: random.chance(0.02)
      ? random.pick(['*', 'nothing', 'topic', 'thing:x', ':', ''])
      : `${kind}:${text[kind]!()}`,
    context: context(random),
    at: Date.UTC(2026, 0, 1) + random.below(365 * 86_400) * 1000,
  };
}

function context(random: Random): Asked['context'] {
  const addresses = [
    '10.1.2.3',
    '10.1.4.1',
    '::ffff:10.1.3.9',
    '2001:db8::1',
    '2001:db8:8000::1',
    '192.0.2.1',
    '10.1.2.3:51234',
    '[2001:db8::1]:4711',
    '[2001:db8:8000::1]',
    '10.1.2.3:x',
    '010.1.2.3',
    'x',
    '::1',
    '',
  ];
  return {
    ...(random.chance(0.7) ? { sourceIp: random.pick(addresses) } : {}),
    ...(random.chance(0.7) ? { protocol: random.pick(['mqtt', 'MQTTS', 'wss', 'https', 'coap', 'amqp']) } : {}),
    ...(random.chance(0.15) ? { clientId: random.pick(['a', 'n', 'a:n', '']) } : {}),
    ...(random.chance(0.5) ? { retain: random.pick([true, false, 'true', 'false'] as const) } : {}),
    ...(random.chance(0.5) ? { qos: random.pick([0, 1, 2, 3, '0', '1', '2'] as const) } : {}),
  };
}

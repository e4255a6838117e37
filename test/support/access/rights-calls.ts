import type { Permission } from '../../../src/access/permissions.js';
import { things, type World } from './rights-world.js';

/** A request of a test. */
export type Call = { method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'; path: string; body?: object; lines?: string };

export const post = (path: string, body: object = {}): Call => ({ method: 'POST', path, body });

type Chance = { pick<Item>(items: readonly Item[]): Item; chance(of: number): boolean; next(): number };

/** Ways of asking which things there are, and of doing something to many. */
const callsOfMany = ({ pick, next }: Chance): [Permission, (world: World) => Call][] => [
  ['things:write', () => post('/v1/groups', { name: `g${Math.floor(next() * 1e9)}`, query: { type: 'pump' } })],
  [
    'things:write',
    () => ({
      method: pick(['PATCH', 'PATCH', 'DELETE']),
      path: '/v1/groups/all',
      body: { query: pick(['name = "*"', 'status = active']) },
    }),
  ],
  [
    'things:write',
    () =>
      post('/v1/campaigns', {
        query: 'name = "*"',
        ...pick([
          { do: 'renew' },
          { do: 'attach', policies: ['camera'] },
          { do: 'set-attributes', attributes: { site: 'a' } },
        ]),
        ...pick([{}, { dryRun: true }]),
      }),
  ],
  [
    'things:write',
    ({ campaigns }) =>
      post(`/v1/campaigns/${pick(campaigns)}/${pick(['pause', 'resume', 'pause', 'resume', 'cancel'])}`),
  ],
  [
    'things:read',
    ({ campaigns }) => ({
      method: 'GET',
      path: pick(['/v1/groups', '/v1/campaigns', `/v1/campaigns/${pick(campaigns)}/things`, '/v1/things?group=all']),
    }),
  ],
];

/** Ways of saying what edges make of messages. */
const callsOfPipelines = ({ pick, next }: Chance): [Permission, (world: World) => Call][] => [
  ['pipelines:write', () => post('/v1/pipelines', { ...pipeline, name: `p${Math.floor(next() * 1e9)}` })],
  ['pipelines:write', () => post(`/v1/pipelines/${pick(['sensor', 'own'])}/versions`, pipeline)],
  ['pipelines:write', () => post(`/v1/pipelines/${pick(['sensor', 'own'])}/activate`, { version: pick([1, null]) })],
  ['pipelines:write', () => ({ method: 'DELETE', path: `/v1/pipelines/${pick(['camera', 'own'])}` })],
  ['pipelines:read', () => post('/v1/pipelines/lint', pipeline)],
  ['pipelines:read', () => post('/v1/pipelines/own/simulate', { messages: [] })],
  ['pipelines:read', () => ({ method: 'GET', path: pick(['/v1/pipelines', '/v1/pipelines/sensor']) })],
];

const pipeline = { match: { topics: ['#'] }, values: { a: '$.a' }, steps: [] };

/** Ways of saying who is told what happens, and of reading what they were told. */
const callsOfMonitoring = ({ pick, chance, next }: Chance): [Permission, (world: World) => Call][] => [
  [
    'webhooks:write',
    () => post('/v1/webhooks', { url: 'https://hooks.example/', types: [pick(['thing.suspended', 'audit.*'])] }),
  ],
  [
    'webhooks:write',
    ({ webhooks }) => ({
      method: pick(['PATCH', 'PATCH', 'DELETE']),
      path: `/v1/webhooks/${pick(webhooks)}`,
      body: pick([{ enabled: chance(0.5) }, { types: ['thing.suspended'] }, { url: 'https://other.example/' }]),
    }),
  ],
  ['webhooks:read', ({ webhooks }) => ({ method: 'GET', path: `/v1/webhooks/${pick(webhooks)}/deliveries` })],
  [
    'alerts:write',
    () =>
      post('/v1/alerts/channels', {
        name: `c${Math.floor(next() * 1e9)}`,
        kind: 'webhook',
        url: 'https://hooks.example/',
      }),
  ],
  [
    'alerts:write',
    () =>
      post('/v1/alerts/rules', {
        name: `r${Math.floor(next() * 1e9)}`,
        metric: 'decisions.deny',
        condition: 'greater_than',
        threshold: 10,
        severity: 'info',
        channels: [],
      }),
  ],
  ['alerts:read', () => ({ method: 'GET', path: pick(['/v1/alerts', '/v1/alerts/rules', '/v1/alerts/channels']) })],
  ['metrics:read', () => ({ method: 'GET', path: '/v1/metrics?name=edges.stale' })],
];

/** Ways of saying which things are expected. */
const callsOfExpecting = ({ pick, chance, next }: Chance): [Permission, (world: World) => Call][] => {
  const name = () => `expected-${Math.floor(next() * 20)}`;
  const row = (): object => ({
    name: name(),
    ...(chance(0.3) ? { type: pick(['a', 'b']) } : {}),
    ...(chance(0.3) ? { segment: 'dock' } : {}),
    ...(chance(0.3) ? { attributes: { site: pick(['a', 'b']) } } : {}),
    ...(chance(0.3) ? { policies: [pick(['sensor', 'gateway'])] } : {}),
  });
  return [
    [
      'enrollments:write',
      () => ({
        method: 'POST',
        path: '/v1/things/expected',
        lines: `${JSON.stringify(row())}\n${JSON.stringify(row())}\n`,
      }),
    ],
    ['enrollments:write', () => ({ method: 'DELETE', path: `/v1/things/expected/${name()}` })],
    ['enrollments:read', () => ({ method: 'GET', path: '/v1/things/expected' })],
  ];
};

/** Ways of telling devices what to do, and of taking that as an edge. */
const callsOfCommands = ({ pick, chance, next }: Chance): [Permission, (world: World) => Call][] => [
  ['commands:write', () => post(`/v1/things/${pick(things)}/commands`, { name: 'reboot' })],
  ['commands:write', () => post('/v1/command-schemas', { name: `c${Math.floor(next() * 1e9)}`, schema: chance(0.5) })],
  [
    'things:read',
    () => ({ method: 'GET', path: pick([`/v1/things/${pick(things)}/commands`, '/v1/command-schemas']) }),
  ],
  [
    'edge:follow',
    ({ proxies }) =>
      post('/v1/edge/commands/claim', {
        proxy: pick(proxies),
        incarnation: 'i',
        claim: '1f3c9a52-7d0e-4d7e-8f61-2b9f0c5de2a9',
        sessions: [{ id: `session-of-${pick(things)}` }],
      }),
  ],
];

/** Those of rooms that have calls of their own here. */
export const callsOfRooms = (chance: Chance): [Permission, (world: World) => Call][] =>
  [callsOfMany, callsOfPipelines, callsOfMonitoring, callsOfExpecting, callsOfCommands].flatMap((of) => of(chance));

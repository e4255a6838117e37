import type { Permission } from '../../../src/access/permissions.js';
import type { World } from './rights-world.js';

/** A request of a test. */
export type Call = { method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'; path: string; body?: object; lines?: string };

export const post = (path: string, body: object = {}): Call => ({ method: 'POST', path, body });

type Chance = { pick<Item>(items: readonly Item[]): Item; chance(of: number): boolean; next(): number };

/** Ways of saying who is told what happens, and of reading what they were told. */
export const callsOfMonitoring = ({ pick, chance, next }: Chance): [Permission, (world: World) => Call][] => [
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
export const callsOfExpecting = ({ pick, chance, next }: Chance): [Permission, (world: World) => Call][] => {
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

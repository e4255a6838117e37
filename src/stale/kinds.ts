import type { Permission } from '../access/permissions.js';

/** A kind of what pages show: what reading it needs, and how long it rests between two words that it changed. */
type Kind = { needs: Permission | undefined; restMs: number };

const kind = (needs: Permission | undefined, restMs = 1000): Kind => ({ needs, restMs });

/** The kinds, each with the permission of the routes that it is read by. `me` is of the person alone. */
export const kinds = {
  accounts: kind('accounts:write'),
  alerts: kind('alerts:read'),
  audit: kind('audit:read', 2000),
  aws: kind('aws:write', 2000),
  campaigns: kind('things:read'),
  certificates: kind('certificates:read', 2000),
  commands: kind('things:read'),
  decisions: kind('audit:read', 5000),
  edges: kind('revocations:read'),
  groups: kind('things:read'),
  enrollments: kind('enrollments:read', 2000),
  issuers: kind('certificates:read'),
  keys: kind('keys:read'),
  me: kind(undefined),
  metrics: kind('metrics:read', 5000),
  people: kind('people:read'),
  pipelines: kind('pipelines:read'),
  policies: kind('policies:read'),
  receipts: kind('revocations:read', 250),
  segments: kind('segments:read'),
  sessions: kind('things:read'),
  settings: kind('people:read'),
  things: kind('things:read', 2000),
  waiting: kind('enrollments:read'),
  webhooks: kind('webhooks:read'),
} as const satisfies Record<string, Kind>;

/** The name of a kind. */
export type StaleKind = keyof typeof kinds;

/** All names. */
export const kindNames = Object.keys(kinds) as [StaleKind, ...StaleKind[]];

/** The kinds that the audit says nothing of: they are compared. */
export const compared = [
  'alerts',
  'aws',
  'decisions',
  'edges',
  'issuers',
  'metrics',
  'receipts',
  'sessions',
  'webhooks',
] as const satisfies StaleKind[];

const ofActions: Record<string, StaleKind[]> = {
  account: ['accounts', 'keys'],
  alert: ['alerts'],
  'alert-channel': ['alerts'],
  'alert-rule': ['alerts'],
  'api-key': ['keys'],
  aws: ['aws'],
  campaign: ['campaigns', 'things'],
  certificate: ['certificates', 'things', 'receipts'],
  command: ['commands'],
  'command-schema': ['commands'],
  enrollment: ['enrollments', 'waiting'],
  group: ['groups'],
  issuer: ['issuers'],
  person: ['people'],
  pipeline: ['pipelines'],
  policy: ['policies', 'things'],
  proxy: ['edges'],
  segment: ['segments', 'things'],
  session: ['sessions', 'receipts'],
  'sign-in': ['settings'],
  'sign-in-provider': ['settings', 'people'],
  thing: ['things', 'certificates', 'enrollments', 'segments', 'sessions', 'receipts'],
  'token-family': ['things'],
  'token-key': ['settings'],
  waiting: ['waiting', 'things'],
  webhook: ['webhooks'],
};

/** What an entry of the audit makes stale; everything, for an action that this version does not know. */
export function kindsOfAction(action: string): readonly StaleKind[] {
  const known = ofActions[action.split('.', 1)[0]!];
  return known === undefined ? kindNames : [...known, 'audit'];
}

/** Whom a change of `me` concerns: the id of the person that an entry of the audit is about. */
export const personOf = (target: string): string | undefined =>
  target.startsWith('person:') ? target.slice('person:'.length) : undefined;

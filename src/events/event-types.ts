import type { Permission } from '../access/permissions.js';

/** The types of events, and what reading one needs. Whoever may not read something gets no webhook that tells it. */
export const eventTypes = {
  'thing.provisioned': ['things:read'],
  'thing.suspended': ['things:read'],
  'certificate.issued': ['certificates:read'],
  'certificate.renewed': ['certificates:read'],
  'certificate.revoked': ['certificates:read'],
  'certificate.expiring': ['certificates:read'],
  'enrollment.exhausted': ['enrollments:read'],
  'device.waiting': ['enrollments:read'],
  'policy.activated': ['policies:read'],
  'campaign.started': ['things:read'],
  'campaign.paused': ['things:read'],
  'campaign.resumed': ['things:read'],
  'campaign.finished': ['things:read'],
  'edge.stale': ['revocations:read'],
  'site.scale-up': ['things:read'],
  'site.scale-down': ['things:read'],
  'site.steady': ['things:read'],
  'alert.firing': ['alerts:read'],
  'alert.resolved': ['alerts:read'],
  'audit.*': ['audit:read'],
} as const satisfies Record<string, Permission[]>;

/** A type of event that a webhook can have; `audit.*` is every entry of the audit. */
export type EventType = keyof typeof eventTypes;

/** All of them. */
export const eventTypeNames = Object.keys(eventTypes) as [EventType, ...EventType[]];

/** What reading events of these types needs; the type of an entry of the audit begins with `audit.`. */
export function needsOf(types: readonly string[]): Permission[] {
  const typeOf = (type: string): EventType => (type.startsWith('audit.') ? 'audit.*' : (type as EventType));
  return [...new Set(types.flatMap((type) => eventTypes[typeOf(type)] ?? []))];
}

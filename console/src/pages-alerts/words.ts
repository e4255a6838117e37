import type { Schemas } from '../api.js';
import { spanOf, wholeSpanOf } from '../clock.js';

/** The figures that a rule can watch, as people call them. */
export const figures: Record<Schemas['MetricName'], string> = {
  'alerts.open': 'open alerts',
  'aws.age': 'how long the oldest change waits for AWS',
  'aws.drift': 'things and policies that AWS has otherwise',
  'aws.queue': 'things and policies that AWS does not have yet',
  'certificates.ending': 'certificates that end within 7 days, without a newer one',
  'certificates.renewed': 'certificates renewed in a minute',
  'certificates.revoked': 'certificates revoked or held in a minute',
  'credentials.failed': 'credentials refused in a minute',
  'decisions.allow': 'questions allowed in a minute',
  'decisions.deny': 'questions denied in a minute',
  'decisions.denyReasons': 'denials in a minute, by reason',
  'devices.waiting': 'devices that wait for approval',
  'edges.confirmed': 'edges that follow',
  'edges.lag': 'entries that the slowest edge is behind',
  'edges.silence': 'how long the most silent edge has not confirmed',
  'edges.stale': 'stale edges',
  'enrollments.nearlyUsed': 'enrollments with nine of ten uses gone',
  'enrollments.usedUp': 'enrollments with no use left',
  'events.parked': 'events and alerts that a receiver refused for a day',
  'events.waiting': 'events and alerts that wait to be told',
  'lists.age': 'age of the oldest revocation list',
  'lists.ends': 'time until the first revocation list ends',
  'lists.imported': 'lists of offline authorities past half of their life',
  'sessions.open': 'sessions of devices at edges',
  'things.provisioned': 'things that came in, in a minute',
};

/** A figure as people call it; the name of the API where this console does not know it yet. */
export const figureTitle = (metric: string): string => (figures as Record<string, string>)[metric] ?? metric;

/** How a figure is compared. */
export const conditions: Record<Schemas['Alert']['condition'], string> = {
  greater_than: 'more than',
  greater_equal: 'at least',
  less_than: 'less than',
  less_equal: 'at most',
  equals: 'exactly',
};

const ofSeconds = ['aws.age', 'edges.silence', 'lists.age', 'lists.ends'];

/** Whether a figure is a time, in seconds. */
export const isTime = (metric: string): boolean => ofSeconds.includes(metric);

/** A value of a figure as people say it. */
export const valueOf = (metric: string, value: number): string =>
  isTime(metric) ? spanOf(value) : value.toLocaleString();

/** When a rule fires, in words. */
export const whenOf = ({
  metric,
  condition,
  threshold,
}: Pick<Schemas['Alert'], 'metric' | 'condition' | 'threshold'>): string =>
  `${conditions[condition]} ${isTime(metric) ? wholeSpanOf(threshold) : threshold.toLocaleString()}`;

/** What can be told, and the permission without which the API does not tell it. */
export const eventTypes: Record<Schemas['EventType'], Schemas['Permission']> = {
  'thing.provisioned': 'things:read',
  'thing.suspended': 'things:read',
  'certificate.issued': 'certificates:read',
  'certificate.renewed': 'certificates:read',
  'certificate.revoked': 'certificates:read',
  'certificate.expiring': 'certificates:read',
  'enrollment.exhausted': 'enrollments:read',
  'device.waiting': 'enrollments:read',
  'policy.activated': 'policies:read',
  'campaign.started': 'things:read',
  'campaign.paused': 'things:read',
  'campaign.resumed': 'things:read',
  'campaign.finished': 'things:read',
  'edge.stale': 'revocations:read',
  'site.scale-up': 'things:read',
  'site.scale-down': 'things:read',
  'site.steady': 'things:read',
  'alert.firing': 'alerts:read',
  'alert.resolved': 'alerts:read',
  'audit.*': 'audit:read',
};

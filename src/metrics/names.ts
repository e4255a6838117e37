/** How a figure is read: `count` is how often something happened in a minute, `gauge` how much there is. */
export type FigureKind = 'count' | 'gauge';

/** Of several values, the one that stands for all. */
export type Fold = 'sum' | 'max' | 'min';

/** One of the figures that are kept of every account. */
export type Figure = {
  kind: FigureKind;
  unit: 'events' | 'objects' | 'seconds' | 'entries';
  /** What its parts are named by. */
  by?: 'edge' | 'reason';
  /** Of the gauges of several minutes; counts are added up. */
  fold: Fold;
  /** Where there is no row: nothing of it, or no figure. */
  absent: 'zero' | 'unknown';
  about: string;
};

const count = (about: string, by?: Figure['by']): Figure => ({
  kind: 'count',
  unit: 'events',
  fold: 'sum',
  absent: 'zero',
  about,
  ...(by === undefined ? {} : { by }),
});

const gauge = (about: string, more: Partial<Figure> = {}): Figure => ({
  kind: 'gauge',
  unit: 'objects',
  fold: 'max',
  absent: 'zero',
  about,
  ...more,
});

/** The closed list of figures: of charts, of alert rules and of docs/monitoring.md. */
export const figures = {
  'alerts.open': gauge('alerts that are not resolved'),
  'aws.age': gauge('how long the oldest change waits for AWS', { unit: 'seconds' }),
  'aws.drift': gauge('things and policies that AWS had otherwise, or has no more'),
  'aws.queue': gauge('things and policies that AWS does not have as they are here'),
  'certificates.ending': gauge('certificates of active things that end within 7 days, without a newer one'),
  'certificates.renewed': count('certificates renewed'),
  'certificates.revoked': count('certificates revoked or held', 'reason'),
  'credentials.failed': count('credentials that were refused'),
  'decisions.allow': count('questions that the server answered with allow'),
  'decisions.deny': count('denials of the server, and those that edges reported', 'edge'),
  'decisions.denyReasons': count('the same denials by their reasons', 'reason'),
  'devices.waiting': gauge('devices that wait for approval'),
  'edges.confirmed': gauge('edges that confirmed within 15 seconds'),
  'edges.lag': gauge('entries of the log that the slowest edge has not applied', { unit: 'entries', by: 'edge' }),
  'edges.silence': gauge('since the edge that is silent longest confirmed', { unit: 'seconds', by: 'edge' }),
  'edges.stale': gauge('edges that did not confirm within 15 seconds'),
  'enrollments.nearlyUsed': gauge('enrollments for several devices with nine of ten uses gone'),
  'enrollments.usedUp': gauge('enrollments for several devices with no use left'),
  'events.parked': gauge('events and alerts that a receiver refused for 24 hours'),
  'events.waiting': gauge('events and alerts that wait to be told'),
  'lists.age': gauge('since the oldest revocation list was signed', { unit: 'seconds', absent: 'unknown' }),
  'lists.ends': gauge('until the first revocation list of an issuing authority runs out', {
    unit: 'seconds',
    fold: 'min',
    absent: 'unknown',
  }),
  'lists.imported': gauge('lists of authorities whose key is elsewhere that are past half of their life'),
  'sessions.open': gauge('sessions of devices at edges', { by: 'edge' }),
  'things.provisioned': count('things that got their first certificate, and re-enrolled ones'),
} as const satisfies Record<string, Figure>;

/** The name of a figure. */
export type FigureName = keyof typeof figures;

/** All names, in the order of the list. */
export const figureNames = Object.keys(figures) as [FigureName, ...FigureName[]];

/** What is said of a figure. */
export const figureOf = (name: FigureName): Figure => figures[name];

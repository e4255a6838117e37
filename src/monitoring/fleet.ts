import type { Gauge } from 'prom-client';
import type { Clock } from '../clock.js';
import type { Database } from '../db/client.js';
import type { Door } from '../door.js';
import { readFleet, type FleetFigures, type KindFigures } from './fleet-store.js';
import { gauge, gaugeBy, setAll } from './gauges.js';

type Deps = {
  db: Database;
  clock: Clock;
  /** How far the log is applied here. */
  reader: { position(): number };
};

/** What the whole fleet is like, read from the database once a minute on every instance: the figures are the same on each. */
export function createFleetFigures({ db, clock, reader }: Deps): Door<object> {
  let readAt: number | undefined;
  const gauges = createGauges(() => (readAt === undefined ? undefined : (clock().getTime() - readAt) / 1000));
  const run = async (): Promise<void> => {
    const at = clock();
    const applied = reader.position();
    show(gauges, await readFleet(db, at), { at, applied });
    readAt = at.getTime();
  };
  return {
    verbs: {},
    routes: [],
    chores: [{ name: 'read-figures', everyMs: 60_000, atStart: true, instances: 'each', run }],
    metrics: Object.values(gauges),
  };
}

type Gauges = ReturnType<typeof createGauges>;

function createGauges(age: () => number | undefined) {
  return {
    age: gauge('thingward_figures_age_seconds', 'How long ago the figures of the fleet were read', age),
    instances: gauge('thingward_instances', 'Instances that hold their lease'),
    lag: gauge('thingward_log_lag_entries', 'Entries of the log that this instance had not applied'),
    listAge: gaugeBy('thingward_list_age_seconds', 'Since the oldest list was signed, by kind of authority', 'kind'),
    listEnd: gaugeBy('thingward_list_end_seconds', 'Until the first list runs out, by kind of authority', 'kind'),
    authorityEnd: gaugeBy('thingward_authority_end_seconds', 'Until the first authority expires, by kind', 'kind'),
    ending: gaugeBy('thingward_certificates_ending', 'Certificates that expire soon without a newer one', 'within'),
    enrollments: gaugeBy('thingward_enrollments', 'Enrollments for several devices, by what is left of them', 'state'),
    edges: gaugeBy('thingward_edges', 'Registered edges, by whether they confirmed recently', 'state'),
    edgesLag: gauge('thingward_edges_lag_entries', 'Entries of the log that the slowest edge has not applied'),
  };
}

function show(gauges: Gauges, figures: FleetFigures, { at, applied }: { at: Date; applied: number }): void {
  const { enrollments, edges } = figures;
  gauges.instances.set(figures.instances);
  gauges.lag.set(Math.max(0, figures.head - applied));
  showKinds(gauges.listAge, figures.kinds, ({ signedAt }) => secondsTo(signedAt && at, signedAt));
  showKinds(gauges.listEnd, figures.kinds, ({ listEnds }) => secondsTo(listEnds, at));
  showKinds(gauges.authorityEnd, figures.kinds, ({ authorityEnds }) => secondsTo(authorityEnds, at));
  setAll(gauges.ending, 'within', { '7d': figures.endingIn7Days, '30d': figures.endingIn30Days });
  setAll(gauges.enrollments, 'state', {
    open: enrollments.open,
    'nearly-used': enrollments.nearlyUsed,
    'used-up': enrollments.usedUp,
  });
  setAll(gauges.edges, 'state', { confirmed: edges.confirmed, stale: edges.stale });
  gauges.edgesLag.set(edges.lag);
}

/** A kind that has gone has no figure, rather than the last one that it had. */
function showKinds(of: Gauge<'kind'>, kinds: KindFigures[], read: (kind: KindFigures) => number | undefined): void {
  of.reset();
  for (const each of kinds) {
    const figure = read(each);
    if (figure !== undefined) of.set({ kind: each.kind }, figure);
  }
}

function secondsTo(end: Date | null, from: Date | null): number | undefined {
  return end && from ? (end.getTime() - from.getTime()) / 1000 : undefined;
}

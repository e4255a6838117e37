import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import type { Trust } from '../../edge/gate.js';

/** The figures of a reaper. */
export type Meters = ReturnType<typeof createMeters>;

/** What is read of a broker when somebody asks. */
export type BrokerFigures = {
  name: string;
  isReachable(): boolean;
  sessions(): number;
  things(): number;
  pending(): number;
};

const trusts = ['starting', 'live', 'dark', 'spent', 'refused'] as const;
const secondsBuckets = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

/** Makes the figures, in Prometheus' form. */
export function createMeters(brokers: () => readonly BrokerFigures[], trust: () => Trust) {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  // Gauges with a counter's name, which Prometheus' own check refuses; the same figures by type stay.
  for (const what of ['handles', 'requests', 'resources']) registry.removeSingleMetric(`nodejs_active_${what}_total`);
  const registers = [registry];
  const ofBrokers = (name: string, help: string, read: (broker: BrokerFigures) => number): void => {
    const gauge: Gauge<'broker'> = new Gauge({
      name,
      help,
      registers,
      labelNames: ['broker'] as const,
      collect: () => brokers().forEach((broker) => gauge.set({ broker: broker.name }, read(broker))),
    });
  };
  ofBrokers('thingward_reaper_broker_up', '1 while the broker answers', (each) => (each.isReachable() ? 1 : 0));
  ofBrokers('thingward_reaper_sessions', 'Live sessions when they were looked at last', (each) => each.sessions());
  ofBrokers('thingward_reaper_things', 'Things whose sessions are known, with what they were given', (each) =>
    each.things(),
  );
  ofBrokers('thingward_reaper_pending', 'Changes that are not enforced yet', (each) => each.pending());
  for (const state of trusts) {
    const gauge: Gauge = new Gauge({
      name: `thingward_reaper_trust_${state}`,
      help: `1 while what is known of the control plane is: ${state}`,
      registers,
      collect: () => gauge.set(trust() === state ? 1 : 0),
    });
  }
  return {
    registry,
    endedSessions: new Counter({
      name: 'thingward_reaper_ended_sessions_total',
      help: 'Sessions that are gone, by broker and reason',
      labelNames: ['broker', 'why'] as const,
      registers,
    }),
    failures: new Counter({
      name: 'thingward_reaper_failures_total',
      help: 'Questions and orders that a broker did not answer as it should',
      labelNames: ['broker'] as const,
      registers,
    }),
    seconds: new Histogram({
      name: 'thingward_reaper_ended_seconds',
      help: 'Time from hearing of a change until a session was seen to be gone',
      labelNames: ['broker'] as const,
      buckets: secondsBuckets,
      registers,
    }),
  };
}

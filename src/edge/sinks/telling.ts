import { Counter, Gauge, type Registry } from 'prom-client';
import type { Tell } from '../proxy/log.js';
import type { Troubles } from '../proxy/troubles.js';
import type { SinkEvents } from './open.js';
import type { SinkCounts, Sinks } from './sinks.js';

/** Says in the log of the edge what happens to sinks. */
export function tellOfSinks(tell: Tell, troubles: Pick<Troubles, 'failed' | 'works'>): SinkEvents {
  return {
    failed: (sink, error) => troubles.failed(error, `sink ${sink}`),
    works(sink) {
      troubles.works(`sink ${sink}`);
      troubles.works(`full ${sink}`);
    },
    dropped: (sink, messages) => troubles.failed(new Error(`${messages} more were dropped`), `full ${sink}`),
    refused: (sink, { id, topic }, error) =>
      tell.warn({ sink, id, topic, why: error?.message }, 'a sink refused a message permanently'),
    forgotten: (sinks) => tell.warn({ sinks }, 'messages are kept for sinks that are not in the settings any longer'),
  };
}

type Figure = { name: string; help: string; of(counts: SinkCounts, now: number): number };

const gauges: readonly Figure[] = [
  { name: 'kept', help: 'Messages in the queue of a sink', of: ({ kept }) => kept },
  { name: 'bytes', help: 'Octets that the queue of a sink has on the disk', of: ({ bytes }) => bytes },
  { name: 'connected', help: '1 while the connection to a sink stands', of: ({ connected }) => Number(connected) },
  {
    name: 'oldest_seconds',
    help: 'Age of the oldest message in the queue of a sink',
    of: ({ oldestAt }, now) => (oldestAt === undefined ? 0 : Math.max(0, (now - oldestAt) / 1000)),
  },
];

const counters: readonly Figure[] = [
  { name: 'delivered', help: 'Messages that a sink acknowledged', of: ({ delivered }) => delivered },
  {
    name: 'dropped',
    help: 'Messages that were given up for lack of room, or as too old',
    of: ({ dropped }) => dropped,
  },
  { name: 'refused', help: 'Messages that a sink refused permanently', of: ({ refused }) => refused },
  { name: 'damaged', help: 'Messages that a damaged disk has lost', of: ({ damaged }) => damaged },
];

/** Adds the figures of sinks to those of the edge. `now` is in milliseconds since 1970. */
export function addSinkFigures(registry: Registry, sinks: Pick<Sinks, 'counts'>, now: () => number): void {
  const registers = [registry];
  const labelNames = ['sink'];
  for (const { name, help, of } of gauges)
    new Gauge({
      name: `thingward_edge_sink_${name}`,
      help,
      labelNames,
      registers,
      collect() {
        const gauge = registry.getSingleMetric(`thingward_edge_sink_${name}`) as Gauge;
        for (const [sink, counts] of Object.entries(sinks.counts())) gauge.set({ sink }, of(counts, now()));
      },
    });
  for (const { name, help, of } of counters)
    new Counter({
      name: `thingward_edge_sink_${name}_total`,
      help,
      labelNames,
      registers,
      collect() {
        const counter = registry.getSingleMetric(`thingward_edge_sink_${name}_total`) as Counter;
        counter.reset();
        for (const [sink, counts] of Object.entries(sinks.counts())) counter.inc({ sink }, of(counts, now()));
      },
    });
}

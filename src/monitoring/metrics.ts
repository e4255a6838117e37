import { Counter, Histogram, Registry, collectDefaultMetrics, type Metric } from 'prom-client';
import { problems } from '../problem-kinds.js';

/** The metrics of one server, Prometheus' way: those of the process and of requests, and those that rooms bring. */
export type Metrics = ReturnType<typeof createMetrics>;

/** The registry of metrics: those of the process, of requests, and of the rooms. */
export function createMetrics(ofRooms: Metric[]) {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  // Gauges with a counter's name, which Prometheus' own check refuses; the same figures by type stay.
  for (const what of ['handles', 'requests', 'resources']) registry.removeSingleMetric(`nodejs_active_${what}_total`);
  // Without the status: eleven buckets for each of them would make an answer of a megabyte.
  const durations = new Histogram({
    name: 'thingward_http_request_duration_seconds',
    help: 'Time to answer a request, by route',
    labelNames: ['method', 'route'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
    registers: [registry],
  });
  const answers = new Counter({
    name: 'thingward_http_requests_total',
    help: 'Requests that were answered, by route and status',
    labelNames: ['method', 'route', 'status'],
    registers: [registry],
  });
  const refusals = new Counter({
    name: 'thingward_problems_total',
    help: 'Requests that were refused, by the code of the problem',
    labelNames: ['code'],
    registers: [registry],
  });
  // A rate needs a first value to rise from.
  for (const code of Object.keys(problems)) refusals.inc({ code }, 0);
  for (const metric of ofRooms) registry.registerMetric(metric);
  /** Those of Thingward's own, without the process's. */
  const all: Metric[] = [durations, answers, refusals, ...ofRooms];
  return { registry, durations, answers, refusals, all };
}

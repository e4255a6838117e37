import type { FastifyRequest } from 'fastify';
import { createHash, timingSafeEqual } from 'node:crypto';
import { Counter, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import { DomainError } from '../errors.js';
import { isLoopback } from '../http/client-address.js';
import type { App } from '../http/route.js';
import { z } from 'zod';

/** The metrics of one server, Prometheus' way. */
export type Metrics = ReturnType<typeof createMetrics>;

export function createMetrics() {
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
  const provisions = new Counter({
    name: 'thingward_provisions_total',
    help: 'First boots by result',
    labelNames: ['result'],
    registers: [registry],
  });
  return { registry, durations, answers, provisions };
}

const tags = ['operations'];
const status = z.object({ status: z.literal('ok') });
const ready = status.extend({
  zoneData: z.string().describe('The release of the IANA time zone database that policies use'),
});

type Deps = {
  metrics: Metrics;
  checkReady(): Promise<void>;
  zoneData: string;
  metricsToken: string | undefined;
};

export function healthRoutes({ metrics, checkReady, zoneData, metricsToken }: Deps) {
  return async (app: App) => {
    app.get(
      '/healthz',
      {
        config: { access: 'public', cost: 'free' },
        logLevel: 'warn',
        schema: { summary: 'The process answers', tags, response: { 200: status } },
      },
      async () => ({ status: 'ok' as const }),
    );

    app.get(
      '/readyz',
      {
        config: { access: 'public', cost: 'free' },
        logLevel: 'warn',
        schema: { summary: 'The server can do its work', tags, response: { 200: ready } },
      },
      async (request) => {
        try {
          await checkReady();
        } catch (error) {
          request.log.warn({ err: error, reqId: request.id }, 'not ready');
          // What the database says may name its address: only Thingward's own words are shown.
          if (error instanceof DomainError) throw error;
          throw new DomainError('not-ready', 'the database does not answer: try again', { retryAfter: 1 });
        }
        return { status: 'ok' as const, zoneData };
      },
    );

    app.get(
      '/metrics',
      {
        config: { access: 'public', cost: 'free' },
        logLevel: 'warn',
        schema: { summary: 'Metrics for Prometheus', tags },
      },
      async (request, reply) => {
        requireReader(request, metricsToken);
        return reply.type(metrics.registry.contentType).send(await metrics.registry.metrics());
      },
    );
  };
}

/** Figures are for this machine, and for whoever holds the token. */
function requireReader({ headers, ip }: FastifyRequest, token: string | undefined): void {
  const sent = /^bearer +(\S{1,256})$/i.exec(headers.authorization ?? '')?.[1];
  if (token !== undefined && sent !== undefined && timingSafeEqual(digest(sent), digest(token))) return;
  // A proxy on this machine that is not among the trusted ones passes on what strangers ask.
  const isPassedOn = headers['x-forwarded-for'] !== undefined || headers['forwarded'] !== undefined;
  if (isLoopback(ip) && (!isPassedOn || headers['x-forwarded-for'] === ip)) return;
  throw new DomainError(
    'missing-credential',
    'read the metrics on the machine itself, or send THINGWARD_METRICS_TOKEN as bearer token',
  );
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

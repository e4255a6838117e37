import type { FastifyRequest } from 'fastify';
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Registry } from 'prom-client';
import { DomainError } from '../errors.js';
import { isLoopback } from '../http/client-address.js';
import type { App } from '../http/route.js';
import { z } from 'zod';
import { named } from '../api/named.js';
import { createReadinessNotes } from './readiness.js';

const tags = ['operations'];
const ok = { status: z.literal('ok').describe('It answers') };
const status = named('Health', 'The process answers', z.object(ok));
const ready = named(
  'Readiness',
  'The server can do its work',
  z.object({
    ...ok,
    zoneData: z.string().describe('The release of the IANA time zone database that policies use'),
  }),
);

type Deps = {
  registry: Registry;
  checkReady(): Promise<void>;
  zoneData: string;
  metricsToken: string | undefined;
};

/** The routes `/healthz`, `/readyz` and `/metrics`. */
export function healthRoutes({ registry, checkReady, zoneData, metricsToken }: Deps) {
  return async (app: App) => {
    const notes = createReadinessNotes(app.log);
    app.get(
      '/healthz',
      {
        config: { access: 'public', cost: 'free' },
        schema: { operationId: 'getHealth', summary: 'The process answers', tags, response: { 200: status } },
      },
      async () => ({ status: 'ok' as const }),
    );

    app.get(
      '/readyz',
      {
        config: { access: 'public', cost: 'free' },
        schema: { operationId: 'getReadiness', summary: 'The server can do its work', tags, response: { 200: ready } },
      },
      async () => {
        try {
          await checkReady();
          notes.ready();
        } catch (error) {
          notes.notReady(error);
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
        config: { access: 'public', cost: 'free', sends: { type: 'text/plain', about: 'Metrics for Prometheus' } },
        schema: { operationId: 'getMetrics', summary: 'Metrics for Prometheus', tags },
      },
      async (request, reply) => {
        requireReader(request, metricsToken);
        return reply.type(registry.contentType).send(await registry.metrics());
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

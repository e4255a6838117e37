import cookies from '@fastify/cookie';
import fastify, { LogController, type FastifyBaseLogger } from 'fastify';
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod';
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { TlsOptions } from 'node:tls';
import { readFileSync } from 'node:fs';
import { createWays } from './access/ways.js';
import { programVersion } from './cli/version.js';
import type { Clock } from './clock.js';
import type { Config } from './config.js';
import { noteMethods } from './http/allowed-methods.js';
import { readBodies } from './http/bodies.js';
import { installCallers } from './http/callers.js';
import { guardPeople } from './http/people/guard.js';
import { readForwardedAddresses } from './http/client-address.js';
import { docsRoutes, installDocs } from './api/docs.js';
import { refuseDoubtfulFraming } from './http/framing.js';
import { installIdempotency } from './api/idempotency.js';
import { createRateLimiter } from './http/rate-limiter.js';
import { limitBodyTime } from './http/body-time.js';
import { answerBrokenRequest, installProblems, sendUnroutable } from './http/problems.js';
import { installPreconditions } from './api/preconditions.js';
import type { App } from './http/route.js';
import { refuseWhileStopping } from './http/stopping.js';
import { createTurns } from './http/turns.js';
import { installWebSockets } from './http/streams/web-sockets.js';
import type { Services } from './services.js';
import { withoutTickets } from './settings/tls-files.js';
import type { Tracing } from './http/tracing.js';

/** What the routes are mounted on. */
export type AppResources = {
  config: Config;
  services: Services;
  clock: Clock;
  /** Gets a line for every request. */
  logger?: FastifyBaseLogger | undefined;
  /** Traces requests, where somebody wants to see them. */
  tracing?: Tracing | undefined;
};

const bodyLimit = 64 * 1024;
const maxParamLength = 512;

/** What traces requests, if the settings want it. It is read only then: nobody else pays for it. */
export async function openTraces({ traces }: Config): Promise<Tracing | undefined> {
  return traces ? (await import('./http/tracing.js')).openTracing(programVersion()) : undefined;
}

/** The HTTP server with every feature mounted, not yet listening. */
export async function buildApp(resources: AppResources): Promise<App> {
  const { services, config } = resources;
  const app = createApp(resources, { tls: config.tls, elsewhere: '/docs lists what does' });
  await app.register(cookies, { hook: false });
  await installDocs(app, programVersion());
  installWebSockets(app);
  for (const routes of services.routes) await app.register(routes);
  await app.register(docsRoutes(programVersion()));
  return app;
}

/** A server without TLS, for what relying parties fetch: they could not check its certificate without what they fetch. */
export async function buildPkiApp(resources: AppResources): Promise<App> {
  const elsewhere = `this port has only lists, OCSP and the certificates of issuers. The API is at ${resources.config.publicUrl}`;
  const app = createApp(resources, { tls: undefined, elsewhere });
  await app.register(cookies, { hook: false });
  for (const routes of resources.services.pkiRoutes) await app.register(routes);
  return app;
}

/**
 * A server for EST, which asks for client certificates and leaves it to its routes to judge them. Nobody resumes a session, so every
 * handshake is a full one: what binds a request to its connection is defined for those alone.
 */
export async function buildEstApp(resources: AppResources, tls: NonNullable<Config['tls']>): Promise<App> {
  const more = { ...withoutTickets, requestCert: true, rejectUnauthorized: false };
  const app = createApp(resources, { tls, more, elsewhere: `the API is at ${resources.config.publicUrl}` });
  await app.register(cookies, { hook: false });
  for (const routes of resources.services.estRoutes) await app.register(routes);
  return app;
}

type Listener = {
  tls: Config['tls'];
  /** What its TLS has beside a certificate. */
  more?: TlsOptions;
  /** Where to look for what this listener does not have. */
  elsewhere: string;
};

/** What every request passes, without routes. */
function createApp(
  { config, services, clock, logger, tracing }: AppResources,
  { tls, more, elsewhere }: Listener,
): App {
  const app: App = fastify({
    ...(tls ? { https: { ...more, cert: readFileSync(tls.certFile), key: readFileSync(tls.keyFile) } } : {}),
    ...(logger ? { loggerInstance: logger } : {}),
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: () => randomUUID(),
    // The lines of a request carry its id themselves: a child logger for each costs more than the line.
    childLoggerFactory: (parent) => parent,
    trustProxy: config.trustedProxies.length > 0 ? config.trustedProxies : false,
    bodyLimit,
    // Each route limits the time of its bodies (limitBodyTime).
    requestTimeout: 0,
    connectionTimeout: 60_000,
    keepAliveTimeout: 72_000,
    routerOptions: { maxParamLength },
    forceCloseConnections: 'idle',
    // Fastify would say so itself, to brokers too, and not as a problem document.
    return503OnClosing: false,
    frameworkErrors: sendUnroutable,
    clientErrorHandler: answerBrokenRequest,
  });
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.server.headersTimeout = 30_000;
  limitBodyTime(app);
  tracing?.observe(app);
  refuseWhileStopping(app);
  refuseDoubtfulFraming(app);
  readForwardedAddresses(app);
  readBodies(app);
  endUnusedConnections(app);
  installProblems(app, noteMethods(app, maxParamLength), elsewhere);
  services.observe(app);
  installCallers(app, createWays(services), services.failures, {
    rates: createRateLimiter(config.requestsPerSecond, clock),
    turns: createTurns(),
  });
  guardPeople(app, services.site, clock);
  installPreconditions(app);
  installIdempotency(app, services.idempotency);
  return app;
}

/** Connections that never asked anything count as busy to node:http: a server that stops would wait a minute for each. */
function endUnusedConnections(app: App): void {
  const unused = new Set<Socket>();
  const known = new WeakSet<Socket>();
  app.server.on('connection', (socket) => {
    // A connection that wanted an upgrade begins again.
    if (known.has(socket)) return;
    known.add(socket);
    unused.add(socket);
    socket.once('close', () => unused.delete(socket));
  });
  const use = ({ socket }: IncomingMessage) => void unused.delete(socket);
  app.server.on('request', use).on('upgrade', use);
  app.addHook('preClose', (done) => {
    for (const socket of unused) socket.destroy();
    done();
  });
}

import fastify, { LogController, type FastifyBaseLogger } from 'fastify';
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod';
import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import { readFileSync } from 'node:fs';
import { createWays } from './access/ways.js';
import { accountRoutes } from './accounts/routes.js';
import { apiKeyRoutes } from './api-keys/routes.js';
import { auditRoutes } from './audit/routes.js';
import { awsAuthorizerRoutes } from './authorize/dialects/aws-authorizer-routes.js';
import { authzenRoutes } from './authorize/dialects/authzen-routes.js';
import { decisionRoutes } from './decisions/routes.js';
import { authorizeRoutes } from './authorize/routes.js';
import { importRoutes } from './aws/import/routes.js';
import { reconcileRoutes } from './aws/reconcile/routes.js';
import { awsRoutes } from './aws/routes.js';
import { certificateRoutes } from './certificates/routes.js';
import { numericDate, type Clock } from './clock.js';
import type { Config } from './config.js';
import { noteMethods } from './http/allowed-methods.js';
import { readBodies } from './http/bodies.js';
import { installCallers } from './http/callers.js';
import { readForwardedAddresses } from './http/client-address.js';
import { docsRoutes, installDocs } from './http/docs.js';
import { createFailureLimiter } from './http/failure-limiter.js';
import { refuseDoubtfulFraming } from './http/framing.js';
import { answeredId } from './http/request-id.js';
import { createRateLimiter } from './http/rate-limiter.js';
import { createMetrics, healthRoutes } from './monitoring/health.js';
import { addMirrorMetrics } from './monitoring/mirror-metrics.js';
import { answerBrokenRequest, installProblems, sendFailure } from './http/problems.js';
import type { App } from './http/route.js';
import { createTurns } from './http/turns.js';
import { issuerRoutes } from './issuers/routes.js';
import { policyRoutes } from './policies/routes.js';
import { zoneDataVersion } from './policy/time/zone.js';
import { enrollmentRoutes } from './enrollments/routes.js';
import { provisioningRoutes } from './provisioning/routes.js';
import { bulkRoutes } from './revocation/bulk/routes.js';
import { compactRoutes } from './lists/compact-routes.js';
import { feedRoutes } from './feed/routes.js';
import { ocspRoutes } from './ocsp/routes.js';
import { proxyRoutes } from './feed/proxy-routes.js';
import { revokeRoutes } from './revocation/routes.js';
import { snapshotRoutes } from './feed/snapshot-routes.js';
import { pkiRoutes } from './lists/routes.js';
import { segmentRoutes } from './segments/routes.js';
import type { Services } from './services.js';
import { selfRoutes, thingRoutes } from './things/routes.js';
import { jwksMaxAgeSeconds } from './tokens/keys.js';
import { createMetadata } from './tokens/metadata.js';
import { tokenRoutes } from './tokens/routes.js';

type AppResources = {
  config: Config;
  services: Services;
  clock: Clock;
  checkReady(): Promise<void>;
  logger?: FastifyBaseLogger;
};

export const version = (
  JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
).version;

const bodyLimit = 64 * 1024;
const maxParamLength = 512;

/** The HTTP server with every feature mounted, not yet listening. */
export async function buildApp(resources: AppResources): Promise<App> {
  const { config } = resources;
  const app: App = fastify({
    ...(config.tls
      ? { https: { cert: readFileSync(config.tls.certFile), key: readFileSync(config.tls.keyFile) } }
      : {}),
    ...(resources.logger ? { loggerInstance: resources.logger } : {}),
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: () => randomUUID(),
    // The lines of a request carry its id themselves: a child logger for each costs more than the line.
    childLoggerFactory: (logger) => logger,
    trustProxy: config.trustedProxies.length > 0 ? config.trustedProxies : false,
    bodyLimit,
    requestTimeout: 30_000,
    connectionTimeout: 60_000,
    keepAliveTimeout: 72_000,
    routerOptions: { maxParamLength },
    forceCloseConnections: 'idle',
    frameworkErrors: sendFailure,
    clientErrorHandler: answerBrokenRequest,
  });
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  refuseDoubtfulFraming(app);
  readForwardedAddresses(app);
  readBodies(app);
  endUnusedConnections(app);
  installProblems(app, noteMethods(app, maxParamLength));
  const metrics = createMetrics();
  const { mirror, mirrorQueue } = resources.services;
  addMirrorMetrics(metrics.registry, { queue: () => mirrorQueue(), counts: mirror.counts }, resources.clock);
  observeRequests(app, metrics);
  const failures = createFailureLimiter(config.failedCredentialsPerMinute, resources.clock);
  installCallers(app, createWays(resources.services), failures, {
    rates: createRateLimiter(config.requestsPerSecond, resources.clock),
    turns: createTurns(),
  });
  await installDocs(app, version);
  await mountFeatures(app, resources, { metrics, failures });
  return app;
}

type Shared = { metrics: ReturnType<typeof createMetrics>; failures: ReturnType<typeof createFailureLimiter> };

async function mountFeatures(
  app: App,
  { config, services, clock, checkReady }: AppResources,
  { metrics, failures }: Shared,
): Promise<void> {
  const {
    accounts,
    apiKeys,
    audit,
    authorize,
    authzen,
    aws,
    awsAuthorizer,
    bulk,
    certificates,
    compactLists,
    enrollments,
    importer,
    issuers,
    listPem,
    log,
    policies,
    presenter,
    preview,
    provisioning,
    proxies,
    publisher,
    reconciler,
    records,
    renewByProof,
    responder,
    revoking,
    revokeSelf,
    segments,
    signedSnapshots,
    stream,
    feed,
    things,
    tokens,
  } = services;
  await app.register(accountRoutes(accounts));
  await app.register(apiKeyRoutes(apiKeys));
  await app.register(enrollmentRoutes(enrollments));
  await app.register(
    provisioningRoutes({
      provision: provisioning.provision,
      present: presenter.provisioned,
      async renew(request, origin) {
        const { created, thing, certificate } = await renewByProof(request, origin);
        return { created, answer: await presenter.identity(thing, certificate) };
      },
      failures,
      isRemembered: enrollments.isRemembered,
      recognises: tokens.recognises,
      count: (result) => metrics.provisions.inc({ result }),
    }),
  );
  await app.register(
    tokenRoutes({
      ...{ service: tokens, failures, jwksMaxAgeSeconds, isLive: authorize.isLive },
      metadata: createMetadata(config.publicUrl, config.tokenAlgorithm),
      introspectedUntil: () => numericDate(clock()) + config.introspectionSeconds,
    }),
  );
  await app.register(thingRoutes(things, aws.statusesOf));
  await app.register(
    selfRoutes(async ({ certificate }) => {
      const { thing } = certificate;
      const identity = await presenter.identity(thing, certificate);
      return { ...identity, thing: { ...identity.thing, policies: thing.policies } };
    }),
  );
  await app.register(certificateRoutes(certificates));
  await app.register(auditRoutes(audit.list));
  await app.register(issuerRoutes(issuers));
  await app.register(policyRoutes({ service: policies, preview, cursor: log.cursor }));
  await app.register(segmentRoutes(segments));
  await app.register(authorizeRoutes({ service: authorize }));
  await app.register(authzenRoutes({ ...authzen, publicUrl: config.publicUrl }));
  await app.register(awsAuthorizerRoutes(awsAuthorizer));
  await app.register(ocspRoutes(responder));
  await app.register(
    revokeRoutes({
      ...{ service: revoking, revokeSelf, failures, recognises: tokens.recognises },
      ...{ cursor: log.cursor, inAws: aws.follows },
    }),
  );
  const { sign } = signedSnapshots;
  await app.register(feedRoutes({ service: feed, signed: sign }));
  await app.register(snapshotRoutes(signedSnapshots));
  app.addHook('preClose', async () => stream.endAll());
  await app.register(bulkRoutes({ service: bulk, cursorAt: log.cursorAt }));
  await app.register(proxyRoutes({ proxies, cursorAt: log.cursorAt }));
  await app.register(compactRoutes(compactLists));
  await app.register(awsRoutes(aws));
  await app.register(importRoutes({ ...importer, requireMirror: aws.requireMirror }));
  await app.register(reconcileRoutes({ ...reconciler, requireMirror: aws.requireMirror }));
  await app.register(decisionRoutes(records.list));
  await app.register(
    pkiRoutes({
      clock,
      ...publisher,
      chainPem: issuers.chainPem,
      encodePem: listPem,
    }),
  );
  await app.register(
    healthRoutes({ metrics, checkReady, zoneData: zoneDataVersion(), metricsToken: config.metricsToken }),
  );
  await app.register(docsRoutes());
}

/** Connections that never asked anything count as busy to node:http: a server that stops would wait a minute for each. */
function endUnusedConnections(app: App): void {
  const unused = new Set<Socket>();
  app.server.on('connection', (socket) => {
    unused.add(socket);
    socket.once('close', () => unused.delete(socket));
  });
  app.server.on('request', ({ socket }) => unused.delete(socket));
  app.addHook('preClose', (done) => {
    for (const socket of unused) socket.destroy();
    done();
  });
}

/** One log line and one measurement for each request, and its id in the answer. */
function observeRequests(app: App, metrics: Shared['metrics']): void {
  app.addHook('onRequest', (request, reply, done) => {
    // Nothing is kept by caches on the way unless its route says so: most answers are secrets or rights.
    void reply.header('x-request-id', answeredId(request)).header('cache-control', 'no-store');
    done();
  });
  app.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'none';
    metrics.durations.observe({ method: request.method, route }, reply.elapsedTime / 1000);
    metrics.answers.inc({ method: request.method, route, status: reply.statusCode });
    request.log.info(
      {
        reqId: request.id,
        method: request.method,
        route,
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime * 10) / 10,
        ip: request.ip,
      },
      'answered',
    );
    done();
  });
}

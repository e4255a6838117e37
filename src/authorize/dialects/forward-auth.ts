import type { FastifyRequest } from 'fastify';
import { METHODS } from 'node:http';
import { z } from 'zod';
import type { Grantee } from '../../access/grantee.js';
import { DomainError } from '../../errors.js';
import type { App } from '../../http/route.js';
import type { Refusal } from '../judge.js';
import type { AuthorizeService, DeviceQuestion, DeviceVerdicts, PresentedDevice } from '../service.js';
import { addressIn, deviceBy, filled, hasHeader, headerOf, secondsOf, tokenIn } from './device.js';
import { type Answer, mountDialect, refusalOf } from './dialect.js';
import { readForwardedCert } from './xfcc.js';

/** What a proxy asks about one request of a client. */
type AskedRequest = { device: PresentedDevice; question: DeviceQuestion };

/** The proxies that ask by one more request, each with its own headers. */
type Proxy = 'nginx' | 'traefik' | 'caddy' | 'haproxy';

/** One word for the target of the original request, or two that say the same. */
type Original = { method: string; targets: string[] };

const forwarded: Original = { method: 'x-forwarded-method', targets: ['x-forwarded-uri'] };
const originals: Record<Proxy, Original> = {
  // The ingress controller writes the whole URL.
  nginx: { method: 'x-original-method', targets: ['x-original-uri', 'x-original-url'] },
  traefik: forwarded,
  caddy: forwarded,
  haproxy: { method: 'x-original-method', targets: ['x-original-uri'] },
};
const everyOriginal = [
  'x-original-method',
  'x-original-uri',
  'x-original-url',
  'x-forwarded-method',
  'x-forwarded-uri',
];

/**
 * The request that a proxy asks about. HAZARD: proxies pass on the headers of their clients, so a header that this proxy
 * does not write itself is a client's, and one that it writes must stand there once.
 * @throws DomainError `invalid-request`
 */
function askedBy(proxy: Proxy, request: FastifyRequest): AskedRequest {
  const { method, targets } = originals[proxy];
  const foreign = everyOriginal.find((name) => name !== method && !targets.includes(name) && hasHeader(request, name));
  if (foreign !== undefined) throw unfit(proxy, `${foreign} is the header of another proxy: a client added it`);
  const verb = headerOf(request, method);
  const written = targets.flatMap((name) => headerOf(request, name) ?? []).map(targetOf);
  if (verb === undefined || written.length === 0) throw unfit(proxy, `${method} and ${targets[0]} are needed`);
  if (new Set(written).size > 1) throw unfit(proxy, `${targets.join(' and ')} differ: a client added one`);
  const certificate = certificateOf[proxy](request);
  const device = deviceBy({ password: tokenIn(request), certificate });
  return { device, question: questionAbout(verb, written[0]!, sourceOf(proxy, request)) };
}

/** The question about one HTTP request. */
function questionAbout(method: string, target: string, context: DeviceQuestion['context']): DeviceQuestion {
  return { action: 'request', resource: `http:${method} ${target}`, context };
}

function unfit(proxy: Proxy, why: string): DomainError {
  return new DomainError('invalid-request', `${why}; see docs/integrations/${proxy}.md`);
}

/** A URL without its scheme and host; anything else as it is. */
function targetOf(written: string): string {
  const scheme = /^https?:\/\//i.exec(written)?.[0];
  if (scheme === undefined) return written;
  const rest = written.slice(scheme.length);
  const end = rest.search(/[/?#]/);
  return end < 0 ? '/' : rest[end] === '/' ? rest.slice(end) : `/${rest.slice(end)}`;
}

/** Only what the proxy itself verified. */
const certificateOf: Record<Proxy, (request: FastifyRequest) => string | undefined> = {
  nginx: (request) =>
    headerOf(request, 'x-ssl-client-verify') === 'SUCCESS' ? headerOf(request, 'x-ssl-client-escaped-cert') : undefined,
  traefik: (request) => headerOf(request, 'x-forwarded-tls-client-cert'),
  caddy: (request) => headerOf(request, 'x-ssl-client-der'),
  haproxy: (request) =>
    (headerOf(request, 'x-ssl-client-verify') ?? '0') === '0' ? headerOf(request, 'x-ssl-client-der') : undefined,
};

function sourceOf(proxy: Proxy, request: FastifyRequest): DeviceQuestion['context'] {
  const ownAddress = proxy === 'nginx' || proxy === 'haproxy';
  const sourceIp = ownAddress ? headerOf(request, 'x-real-ip') : addressIn(request);
  return { sourceIp, protocol: protocolIn(request) };
}

/** How the client came to the proxy. */
function protocolIn(request: FastifyRequest): string | undefined {
  return (
    headerOf(request, 'x-forwarded-proto') ?? filled(/^(https?):/i.exec(headerOf(request, 'x-original-url') ?? '')?.[1])
  );
}

const unknown: ReadonlySet<Refusal> = new Set([
  'unknown-principal',
  'token-invalid',
  'token-expired',
  'token-revoked',
  'certificate-expired',
]);

/** What a request was decided, with the request itself. */
type DecidedRequest = DeviceVerdicts & { request: FastifyRequest };

/** The decision as a status: 401 for whoever nobody knows, 403 for what is denied. `allow` is 204, or 200 for those that know no other. */
function statusOf({ subject, verdicts, at, request }: DecidedRequest, allow: 200 | 204): Answer {
  const verdict = verdicts[0]!;
  const who =
    typeof subject === 'string' ? {} : { 'x-thingward-thing': subject.name, 'x-thingward-account': subject.account };
  const headers = { ...who, 'cache-control': `max-age=${secondsOf(verdicts, at)}` };
  if (verdict.allowed) return { status: allow, headers, body: '' };
  const reason = verdict.refusal ?? verdict.statement!.id;
  const isUnknown = typeof subject === 'string' && unknown.has(subject);
  const refusal = isUnknown ? refusalOf(unrecognised, request, 401) : refusalOf(denied, request);
  const challenge: Record<string, string> = isUnknown ? { 'www-authenticate': 'Bearer realm="thingward"' } : {};
  return { ...refusal, headers: { ...refusal.headers, ...headers, ...challenge, 'x-thingward-reason': reason } };
}

const unrecognised = new DomainError(
  'invalid-credential',
  'the device is not recognised: send a valid access token, or use a valid certificate',
);
const denied = new DomainError('forbidden', 'the device may not do this now; x-thingward-reason says why');

const tags = ['integrations'];
const proxies: Proxy[] = ['nginx', 'traefik', 'caddy', 'haproxy'];
const envoy = '/integrations/envoy';
// A tunnel is no request.
const methods = METHODS.filter((method) => method !== 'CONNECT');

/** What asks, by one more request, about each request of a client: the status of the answer is the decision. */
export function forwardAuthRoutes(judgeDevice: AuthorizeService['judgeDevice']) {
  return async (app: App) => {
    await app.register(async (scope: App) => {
      acceptAnything(scope);
      for (const proxy of proxies)
        mountAny(scope, judgeDevice, {
          url: `/integrations/forward-auth/${proxy}`,
          operationId: `authorizeRequestOf${proxy[0]!.toUpperCase()}${proxy.slice(1)}`,
          summary: `May this request pass? For ${proxy}, any method: 204, 401 or 403`,
          allow: 204,
          questionOf: (request) => askedBy(proxy, request),
        });
      mountAny(scope, judgeDevice, {
        url: `${envoy}/*`,
        operationId: 'authorizeRequestOfEnvoy',
        params: z.object({ '*': z.string().describe('The path of the request, as its client wrote it') }),
        summary: 'May this request pass? For ext_authz of Envoy, any method: 200, 401 or 403',
        allow: 200,
        questionOf: askedByEnvoy,
      });
    });
  };
}

/** Proxies pass on the method and the content type of their clients, with no body or one that nobody asked for. */
function acceptAnything(scope: App): void {
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, _body, done) => done(null, undefined));
  for (const method of methods) if (!scope.supportedMethods.includes(method)) scope.addHttpMethod(method);
}

type Asking = {
  url: string;
  operationId: string;
  params?: z.ZodType;
  summary: string;
  allow: 200 | 204;
  questionOf(request: FastifyRequest): AskedRequest;
};

function mountAny(
  scope: App,
  judgeDevice: AuthorizeService['judgeDevice'],
  { url, operationId, summary, params, allow, questionOf }: Asking,
): void {
  const common = {
    url,
    access: 'authorize:query' as const,
    sends: { type: 'text/plain', about: 'The request may pass; there is no body' },
    questionOf: (_body: unknown, request: FastifyRequest) => ({ ...questionOf(request), request }),
    decide: async (asker: Grantee, { device, question, request }: AskedRequest & { request: FastifyRequest }) => ({
      ...(await judgeDevice(asker, device, [question])),
      request,
    }),
    answerOf: (decided: DecidedRequest) => statusOf(decided, allow),
    failureOf: refusalOf,
  };
  mountDialect(scope, {
    ...common,
    method: 'GET',
    schema: { operationId, summary, tags, ...(params ? { params } : {}) },
  });
  // The others answer the same; one of them is enough to read.
  mountDialect(scope, {
    ...common,
    method: methods.filter((method) => !['GET', 'HEAD'].includes(method)),
    schema: { hide: true },
  });
}

/** Envoy keeps the method, and puts the path behind its prefix. */
function askedByEnvoy(request: FastifyRequest): AskedRequest {
  const target = request.raw.url!.slice(envoy.length);
  const shown = headerOf(request, 'x-forwarded-client-cert');
  const device = deviceBy({ password: tokenIn(request), ...(shown === undefined ? {} : readForwardedCert(shown)) });
  // Envoy adds its own address to the X-Forwarded-For of its questions.
  const context = { sourceIp: headerOf(request, 'x-real-ip'), protocol: protocolIn(request) };
  return { device, question: questionAbout(request.method, target, context) };
}

import type { FastifyInstance, FastifyRequest, HookHandlerDoneFunction } from 'fastify';
import { admit, admitFromUrl, type Access } from '../access/admission.js';
import type { Caller, Way } from '../access/caller.js';
import type { Permission } from '../access/permissions.js';
import { DomainError } from '../errors.js';
import { missing, requireCredential, requireSecret, showsInHead, type Shown } from './credentials.js';
import type { FailureLimiter } from './failure-limiter.js';
import { hasProof, showsToken } from './est/proofs.js';
import type { Cost, RateLimiter } from './rate-limiter.js';
import type { Answering, Load, Turn, Turns } from './turns.js';

/** A media type, and what it holds; `protocol` where the connection changes to another one. */
export type Media = { type: string; about: string; protocol?: 'websocket' };

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Bodies that name a member of an object twice are refused. */
    distinctMembers?: true;
    access?: Access;
    /** In the documentation: what a route answers that sends no JSON. */
    sends?: Media;
    /** In the documentation: what a route reads that reads no JSON. */
    takes?: Media;
    /** In the documentation: failures are said in the words of OAuth (RFC 6749 §5.2). */
    refusesAs?: 'oauth';
    /** Further permissions that the route needs. */
    needs?: Permission[];
    /** Whoever has no enrollment token may prove a certificate of a manufacturer: the route judges it. */
    provesItself?: boolean;
    /** The credential may come as `client_secret` in the body too, as OAuth clients send it (RFC 6749 §2.3.1). */
    secretInBody?: boolean;
    /** What a request costs; by default `read` for GET and `write` for the others. Of public routes, only `free` ones are not limited by address. */
    cost?: Cost;
    /** What it holds up while it is under way, where that does not follow from the cost and the size of a page. */
    load?: Load;
  }
  interface FastifyInstance {
    /** Runs one question more of a caller when it is its turn. @throws DomainError `too-many-requests` */
    enterTurn(caller: Caller, answer: Answering, work: () => void): void;
  }
  interface FastifyRequest {
    caller: Caller | null;
    /** How the caller became one, and what was known of such credentials then. */
    way: Way | null;
    mark: number | undefined;
  }
}

const docsPrefix = '/docs';

/**
 * Resolves the caller of every request before its body is read, and refuses those that a route does not admit.
 * The server does not start when a route says nothing about its callers.
 */
export function installCallers(
  app: FastifyInstance,
  ways: readonly Way[],
  failures: FailureLimiter,
  { rates, turns }: { rates: RateLimiter; turns: Turns },
): void {
  app.decorate('enterTurn', (caller, answer, work) => turns.enter(turnOf(caller), 'question', answer, work));
  app.decorateRequest('caller', null);
  app.decorateRequest('way', null);
  app.decorateRequest('mark', undefined);
  app.addHook('onRoute', (route) => {
    // The documentation page brings its routes with it, undeclared; they show what openapi.json shows.
    if (route.url.startsWith(docsPrefix)) route.config = { ...route.config, access: 'public' };
    if (route.config?.access === undefined) {
      throw new Error(`route ${String(route.method)} ${route.url} declares no access: the server does not start`);
    }
  });
  const identify = (
    request: FastifyRequest,
    answer: Answering,
    access: Exclude<Access, 'public'>,
    { credential, fromUrl }: Shown,
    done: HookHandlerDoneFunction,
  ): void => {
    const { needs = [], cost = costOf(request.method) } = request.routeOptions.config;
    const way = ways.find(({ takes }) => takes(credential))!;
    // Over the limit of its address, a credential that is not remembered is refused before it is looked up.
    if (!failures.isQuiet() && !way.isRemembered(credential)) failures.requireRoom(request.ip);
    const isFirst = request.caller === null;
    request.way = way;
    request.mark = way.mark?.();
    const enter = (found: Caller | undefined): void => {
      const caller = (request.caller = found ?? refuseUnknown(request, failures));
      if (fromUrl) admitFromUrl(caller);
      admit(caller, access, needs);
      if (!isFirst) return done();
      if (caller.kind === 'grantee') rates.take(caller, cost);
      turns.enter(turnOf(caller), loadOf(request, cost), answer, done);
    };
    const caller = way.find(credential);
    if (caller instanceof Promise) caller.then(enter).catch(done);
    else enter(caller);
  };

  // Not async: the caller of nearly every request is known at once, and a promise costs more than the check.
  app.addHook('onRequest', (request, { raw }, done) => {
    const { access, secretInBody, cost, provesItself } = request.routeOptions.config;
    if (provesItself && !showsToken(request)) {
      rates.takeAnonymous(request.ip);
      return done();
    }
    if (access === 'public' && cost !== 'free') rates.takeAnonymous(request.ip);
    if (access === undefined || access === 'public') return done();
    if (secretInBody && !showsInHead(request)) return done();
    identify(request, raw, access, requireCredential(request), done);
  });
  app.addHook('preValidation', (request, { raw }, done) => {
    const { access, secretInBody, provesItself } = request.routeOptions.config;
    if (access === undefined || access === 'public') return done();
    const { caller, way, mark } = request;
    if (provesItself && caller === null) return done(hasProof(request) ? undefined : missing());
    // A body may take its time: what became of the key meanwhile counts, or a deleted one could still make another.
    if (caller !== null && (!way?.isUnchanged || way.isUnchanged(caller, mark))) return done();
    if (caller !== null) return identify(request, raw, access, requireCredential(request), done);
    if (!secretInBody) return done();
    identify(request, raw, access, requireSecret(request), done);
  });
}

const costOf = (method: string): Cost => (method === 'GET' || method === 'HEAD' ? 'read' : 'write');

const mostOfSmallPage = 100;

function loadOf({ query, routeOptions: { config } }: FastifyRequest, cost: Cost): Load {
  if (config.load !== undefined) return config.load;
  if (cost !== 'read') return cost === 'free' ? 'question' : cost;
  return Number((query as { limit?: unknown }).limit) > mostOfSmallPage ? 'page' : 'read';
}

/** Each credential with permissions has its own line; the devices of an account share one. */
function turnOf(caller: Caller): Turn {
  return { account: caller.account, id: caller.kind === 'grantee' ? caller.id : '' };
}

function refuseUnknown(request: FastifyRequest, failures: FailureLimiter): never {
  failures.count(request.ip);
  throw new DomainError('invalid-credential', 'the credential is unknown or has expired: get a new one');
}

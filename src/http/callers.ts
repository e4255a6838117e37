import type { FastifyInstance, FastifyRequest, HookHandlerDoneFunction } from 'fastify';
import { DomainError } from '../errors.js';
import type { Origin } from '../origin.js';
import type { HeldCertificate } from '../registry.js';
import type { FailureLimiter } from './failure-limiter.js';
import type { Cost, RateLimiter } from './rate-limiter.js';
import type { Permission, Role } from '../access/permissions.js';
import type { Answering, Load, Turn, Turns } from './turns.js';

/** An admin, an operator, a proxy: whoever holds an API key. */
export type KeyCaller = {
  kind: 'key';
  id: string;
  account: string;
  /** Absent for a key with a list of permissions. */
  role: Role | null;
  permissions: ReadonlySet<Permission>;
  expiresAt: Date | null;
  /** Sees no client certificates: a token alone will do. */
  bearer: boolean;
  /** Refuses revoked certificates itself: a thing's name alone will do. */
  enforcesCrl: boolean;
  /** Drops what an entry of the feed names, so its answers last longer. */
  followsFeed: boolean;
  /** May stand in a URL, where nothing else can carry it. */
  inUrl: boolean;
};

/** A device before its first boot is done: it holds an enrollment token, looked up by `tokenHash`. */
export type EnrollmentCaller = { kind: 'enrollment'; id: string; account: string; tokenHash: Buffer };

/** A device with an access token. */
export type ThingCaller = { kind: 'thing'; certificate: HeldCertificate };

export type Caller = KeyCaller | EnrollmentCaller | ThingCaller;

/** What a route asks of its caller: a permission of an API key, one of the other credentials, or nothing. */
export type Access = Permission | 'enrollment' | 'thing' | 'public';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Bodies that name a member of an object twice are refused. */
    distinctMembers?: true;
    access?: Access;
    /** Permissions of an API key that the route needs besides. */
    needs?: Permission[];
    /** The API key may come as `client_secret` in the body too, as OAuth clients send it (RFC 6749 §2.3.1). */
    secretInBody?: boolean;
    /** What a request costs; by default `read` for GET and `write` for the others. Of public routes, only `free` ones are not limited by address. */
    cost?: Cost;
    /** What it holds up while it is under way, where that does not follow from the cost and the size of a page. */
    load?: Load;
  }
  interface FastifyRequest {
    caller: Caller | null;
    /** What was known of API keys when the caller was found. */
    keysMark: number | undefined;
  }
}

const docsPrefix = '/docs';

/** Finds who holds a credential; undefined when nobody does. */
export type CallerLookup = {
  /** Whether a credential was good lately, without a look-up. */
  isRemembered(credential: string): boolean;
  /** At once for a key that was used lately. */
  apiKey(key: string): KeyCaller | undefined | Promise<KeyCaller | undefined>;
  /** A mark for `isUnchanged`. */
  markKeys(): number | undefined;
  /** Whether a key is certainly as it was when the mark was taken. */
  isUnchanged(caller: KeyCaller, mark: number | undefined): boolean;
  enrollment(token: string): Promise<EnrollmentCaller | undefined>;
  accessToken(token: string): Promise<ThingCaller | undefined>;
};

/**
 * Resolves the caller of every request before its body is read, and refuses those that a route does not admit.
 * The server does not start when a route says nothing about its callers.
 */
export function installCallers(
  app: FastifyInstance,
  lookup: CallerLookup,
  failures: FailureLimiter,
  { rates, turns }: { rates: RateLimiter; turns: Turns },
): void {
  app.decorateRequest('caller', null);
  app.decorateRequest('keysMark', undefined);
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
    { credential, fromUrl }: Credential,
    done: HookHandlerDoneFunction,
  ): void => {
    const { needs = [], cost = costOf(request.method) } = request.routeOptions.config;
    // Over the limit of its address, a credential that is not remembered is refused before it is looked up.
    if (!failures.isQuiet() && !lookup.isRemembered(credential)) failures.requireRoom(request.ip);
    const isFirst = request.caller === null;
    request.keysMark = lookup.markKeys();
    const enter = (caller: Caller | undefined): void => {
      request.caller = caller ?? refuseUnknown(request, failures);
      if (fromUrl) admitFromUrl(request.caller);
      admit(request.caller, access);
      if (needs.length > 0) requirePermissions(keyCaller(request), needs);
      if (!isFirst) return done();
      if (request.caller.kind === 'key') rates.take(request.caller, cost);
      turns.enter(turnOf(request.caller), loadOf(request, cost), answer, done);
    };
    const caller = resolve(credential, lookup);
    if (caller instanceof Promise) caller.then(enter).catch(done);
    else enter(caller);
  };

  // Not async: the caller of nearly every request is known at once, and a promise costs more than the check.
  app.addHook('onRequest', (request, { raw }, done) => {
    const { access, secretInBody, cost } = request.routeOptions.config;
    if (access === 'public' && cost !== 'free') rates.takeAnonymous(request.ip);
    if (access === undefined || access === 'public') return done();
    if (secretInBody && request.headers.authorization === undefined) return done();
    identify(request, raw, access, requireCredential(request), done);
  });
  app.addHook('preValidation', (request, { raw }, done) => {
    const { access, secretInBody } = request.routeOptions.config;
    if (access === undefined || access === 'public') return done();
    const { caller, keysMark } = request;
    // A body may take its time: what became of the key meanwhile counts, or a deleted one could still make another.
    if (caller !== null && (caller.kind !== 'key' || lookup.isUnchanged(caller, keysMark))) return done();
    if (caller !== null) return identify(request, raw, access, requireCredential(request), done);
    if (!secretInBody) return done();
    const { client_secret: secret } = (request.body ?? {}) as { client_secret?: unknown };
    identify(
      request,
      raw,
      access,
      { credential: typeof secret === 'string' ? secret : missing(), fromUrl: false },
      done,
    );
  });
}

const costOf = (method: string): Cost => (method === 'GET' || method === 'HEAD' ? 'read' : 'write');

const mostOfSmallPage = 100;

function loadOf({ query, routeOptions: { config } }: FastifyRequest, cost: Cost): Load {
  if (config.load !== undefined) return config.load;
  if (cost !== 'read') return cost === 'free' ? 'question' : cost;
  return Number((query as { limit?: unknown }).limit) > mostOfSmallPage ? 'page' : 'read';
}

/** Each key has a line of its own; the devices of an account are one. */
function turnOf(caller: Caller): Turn {
  if (caller.kind === 'key') return { account: caller.account, id: caller.id };
  return { account: caller.kind === 'thing' ? caller.certificate.thing.account : caller.account, id: '' };
}

type Credential = { credential: string; fromUrl: boolean };

function requireCredential(request: FastifyRequest): Credential {
  const sent = readCredential(request.headers.authorization);
  const inUrl = sent === undefined ? keyInUrl(request) : undefined;
  const credential = sent ?? inUrl;
  if (credential === undefined) missing();
  return { credential, fromUrl: inUrl !== undefined };
}

function missing(): never {
  throw new DomainError('missing-credential', 'send Authorization: Bearer with an API key, enrollment or access token');
}

/** `?key=` of the routes that other people's programs call, some of which can set no header. */
function keyInUrl({ routeOptions, query }: FastifyRequest): string | undefined {
  if (!routeOptions.url?.startsWith('/integrations/')) return undefined;
  const { key } = query as { key?: unknown };
  return typeof key === 'string' && key.startsWith('twk_') ? key : undefined;
}

/** URLs are logged by whatever they pass: only keys that can do little, and were made for it. */
function admitFromUrl(caller: Caller): void {
  const isMade = caller.kind === 'key' && caller.inUrl;
  if (isMade && caller.permissions.size === 1 && caller.permissions.has('authorize:query')) return;
  throw new DomainError(
    'forbidden',
    'only a key made with inUrl, whose sole permission is authorize:query, may stand in a URL: send it in a header',
  );
}

function refuseUnknown(request: FastifyRequest, failures: FailureLimiter): never {
  failures.count(request.ip);
  throw new DomainError('invalid-credential', 'the credential is not known or has expired: ask for a new one');
}

function resolve(credential: string, lookup: CallerLookup): Caller | undefined | Promise<Caller | undefined> {
  if (credential.startsWith('twk_')) return lookup.apiKey(credential);
  if (credential.startsWith('twe_')) return lookup.enrollment(credential);
  return lookup.accessToken(credential);
}

/** The bearer token, or the password of Basic for those that cannot send one. */
function readCredential(header: string | undefined): string | undefined {
  const match = /^(bearer|basic) +([!-~]+)$/i.exec(header ?? '');
  if (!match) return undefined;
  if (match[1]!.toLowerCase() === 'bearer') return match[2];
  const decoded = Buffer.from(match[2]!, 'base64').toString('utf8');
  return decodeForm(decoded.slice(decoded.indexOf(':') + 1));
}

/** OAuth clients write Basic in form encoding (RFC 6749 §2.3.1). Our credentials have nothing in them that this changes. */
function decodeForm(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
}

function admit(caller: Caller, access: Exclude<Access, 'public'>): void {
  if (access === 'enrollment' || access === 'thing') {
    if (caller.kind !== access) throw new DomainError('forbidden', `this needs ${credentialOf(access)}`);
    return;
  }
  if (caller.kind !== 'key') throw new DomainError('forbidden', `this needs an API key with ${access}`);
  requirePermissions(caller, [access]);
}

/**
 * Refuses a caller that lacks a permission: what a request would do needs the same permissions by whatever route
 * it is asked for. @throws DomainError `forbidden`, which names what is lacking, and says `why` it is needed
 */
export function requirePermissions(caller: KeyCaller, wanted: Permission[], why?: string): void {
  const lacking = wanted.filter((permission) => !caller.permissions.has(permission));
  if (lacking.length === 0) return;
  const said = `the API key lacks ${lacking.join(', ')}`;
  throw new DomainError(
    'forbidden',
    `${said}${why === undefined ? '' : `, which ${why} needs`}: use a key that has it`,
  );
}

function credentialOf(access: 'enrollment' | 'thing'): string {
  return access === 'enrollment' ? 'an enrollment token (twe_...)' : "a device's access token";
}

/** The API key behind a request whose route asks for a permission. */
export function keyCaller(request: FastifyRequest): KeyCaller {
  if (request.caller?.kind !== 'key') throw new Error('the route admits no API keys');
  return request.caller;
}

/** The enrollment token behind a request whose route asks for one. */
export function enrollmentCaller(request: FastifyRequest): EnrollmentCaller {
  if (request.caller?.kind !== 'enrollment') throw new Error('the route admits no enrollment tokens');
  return request.caller;
}

/** The device behind a request whose route asks for an access token. */
export function thingCaller(request: FastifyRequest): ThingCaller {
  if (request.caller?.kind !== 'thing') throw new Error('the route admits no access tokens');
  return request.caller;
}

/** Who to name in the audit for this request. */
export function originOf(request: FastifyRequest): Origin {
  return { actor: actorOf(request.caller), requestId: request.id, sourceIp: request.ip };
}

function actorOf(caller: Caller | null): string {
  switch (caller?.kind) {
    case 'key':
      return `key:${caller.id}`;
    case 'enrollment':
      return `enrollment:${caller.id}`;
    case 'thing':
      return `thing:${caller.certificate.thing.name}`;
    case undefined:
      return 'anonymous';
  }
}

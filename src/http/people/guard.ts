import type { FastifyInstance, FastifyRequest } from 'fastify';
import { requireStepUp, type Grantee } from '../../access/grantee.js';
import type { Clock } from '../../clock.js';
import { DomainError } from '../../errors.js';
import type { Site } from './site.js';

declare module 'fastify' {
  interface FastifyInstance {
    /** Absent where no people come. */
    site?: Site;
  }
  interface FastifyContextConfig {
    /** Browsers call it without a credential: it is held to what requests of people are held to. */
    browser?: true;
    /** People need a fresh factor for it: always, or where the body asks for what needs one. */
    stepUp?: true | ((body: unknown) => boolean);
  }
}

const safe = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Holds requests of people to what browsers can prove: what changes something comes from a page of this site, as JSON. (A cookie goes
 * with every request, whoever made the browser send it; a key does not.) And notes when a person does something.
 */
export function guardPeople(app: FastifyInstance, site: Site, clock: Clock): void {
  app.decorate('site', site);
  app.addHook('onRequest', (request, _reply, done) => {
    const { method, routeOptions } = request;
    const person = personOf(request);
    if (!safe.has(method) && (person || routeOptions.config.browser)) {
      requireSameOrigin(request, site);
      requireJson(request);
    }
    if (person && isActive(request)) person.session.touch(clock());
    done();
  });
  app.addHook('preHandler', (request, _reply, done) => {
    const { stepUp } = request.routeOptions.config;
    const person = stepUp === undefined ? undefined : personOf(request);
    if (person && (stepUp === true || stepUp!(request.body))) requireStepUp(person, clock());
    done();
  });
}

type Person = Grantee & { session: NonNullable<Grantee['session']> };

function personOf({ caller }: FastifyRequest): Person | undefined {
  return caller?.kind === 'grantee' && caller.session ? (caller as Person) : undefined;
}

/** Fetch metadata where the browser sends it, which it does over TLS and on this machine; otherwise where the page came from. */
function requireSameOrigin({ headers }: FastifyRequest, { origin, secure }: Site): void {
  const { 'sec-fetch-site': fetchSite, origin: from, host } = headers;
  if (fetchSite !== undefined && fetchSite !== 'same-origin') throw crossSite();
  if (fetchSite === 'same-origin' || from === origin) return;
  if (from === undefined || from !== `${secure ? 'https' : 'http'}://${host}`) throw crossSite();
}

function crossSite(): DomainError {
  return new DomainError(
    'cross-site',
    'requests of people need Sec-Fetch-Site: same-origin, or an Origin that is this server: send them from its own pages',
  );
}

function requireJson({ headers }: FastifyRequest): void {
  const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
  if (!hasBody || /^application\/(merge-patch\+)?json *(;|$)/i.test(headers['content-type'] ?? '')) return;
  throw new DomainError('unsupported-media-type', 'content-type: people send application/json');
}

/** A page that only looks again, by itself, keeps nobody signed in. */
function isActive({ headers }: FastifyRequest): boolean {
  return headers['thingward-background'] === undefined && !(headers.accept ?? '').includes('text/event-stream');
}

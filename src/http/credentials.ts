import type { FastifyRequest } from 'fastify';
import { DomainError } from '../errors.js';
import { readCookie } from './people/cookies.js';

/** What a request shows, and whether it stood in the URL. */
export type Shown = { credential: string; fromUrl: boolean };

/** The credential of a request, from its head. @throws DomainError `missing-credential`, `invalid-credential` */
export function requireCredential(request: FastifyRequest): Shown {
  const key = isForBrokers(request) ? keyOfBroker(request) : undefined;
  const credential = key?.credential ?? notOfCookie(readHeader(request.headers.authorization)) ?? sessionOf(request);
  if (credential === undefined) throw missing();
  return key ?? { credential, fromUrl: false };
}

/** Whether the head of a request shows a credential, so that none is looked for in its body. */
export function showsInHead(request: FastifyRequest): boolean {
  return request.headers.authorization !== undefined || sessionOf(request) !== undefined;
}

/** `client_secret` of a body, as OAuth clients send it (RFC 6749 §2.3.1). @throws DomainError `missing-credential` */
export function requireSecret({ body }: FastifyRequest): Shown {
  const { client_secret: secret } = (body ?? {}) as { client_secret?: unknown };
  if (typeof secret !== 'string') throw missing();
  return { credential: notOfCookie(secret)!, fromUrl: false };
}

const ofSession = 'tws_';

/** The session of a person, when the request names no other credential. Cookies at routes for brokers are those of their clients. */
function sessionOf(request: FastifyRequest): string | undefined {
  if (isForBrokers(request)) return undefined;
  const value = readCookie(request, 'session');
  return value?.startsWith(ofSession) ? value : undefined;
}

/** What a cookie holds comes as a cookie alone, or the rules for requests of people would not meet it. @throws DomainError `invalid-credential` */
function notOfCookie(credential: string | undefined): string | undefined {
  if (!credential?.startsWith(ofSession)) return credential;
  throw new DomainError('invalid-credential', 'a session is shown by its cookie alone: programs use an API key');
}

/** Says what to send. */
export function missing(): DomainError {
  return new DomainError(
    'missing-credential',
    'send Authorization: Bearer with an API key, enrollment or access token',
  );
}

/** Routes that other people's programs call: some can set no header, and some pass on the headers of their clients. */
export const isForBrokers = ({ routeOptions }: FastifyRequest): boolean =>
  routeOptions.url?.startsWith('/integrations/') ?? false;

const isKey = (text: unknown): text is string => typeof text === 'string' && text.startsWith('twk_');

/**
 * The one API key that a broker or proxy shows: as Authorization, in X-Thingward-Key, or as `?key=`. Beside the last two,
 * Authorization may be that of the device. HAZARD: where clients' headers or queries are passed on, a client can add a
 * key of another account, whose devices it makes itself: several keys are none.
 * @throws DomainError `invalid-credential`
 */
function keyOfBroker({ headers, query }: FastifyRequest): Shown | undefined {
  const { key } = query as { key?: unknown };
  // RabbitMQ appends its query to the one that stands in its settings.
  const inUrl = [key].flat().flatMap((each) => (typeof each === 'string' ? each.split('?')[0]! : []));
  const inHeaders = [readHeader(headers.authorization), ...String(headers['x-thingward-key'] ?? '').split(/, */)];
  const [fromHeader, fromUrl] = [inHeaders.filter(isKey), inUrl.filter(isKey)];
  if (new Set([...fromHeader, ...fromUrl]).size > 1)
    throw new DomainError('invalid-credential', 'the request shows several API keys: a client of the proxy added one');
  const credential = fromHeader[0] ?? fromUrl[0];
  return credential === undefined ? undefined : { credential, fromUrl: fromHeader.length === 0 };
}

/** The bearer token, or the password of Basic for those that cannot send one. */
function readHeader(header: string | undefined): string | undefined {
  const match = /^(bearer|basic) +([!-~]+)$/i.exec(header ?? '');
  if (!match) return undefined;
  if (match[1]!.toLowerCase() === 'bearer') return match[2];
  const decoded = Buffer.from(match[2]!, 'base64').toString('utf8');
  return decodeForm(decoded.slice(decoded.indexOf(':') + 1));
}

/** OAuth clients write Basic in form encoding (RFC 6749 §2.3.1). Thingward's credentials have nothing in them that this changes. */
function decodeForm(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
}

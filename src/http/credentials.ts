import type { FastifyRequest } from 'fastify';
import { DomainError } from '../errors.js';
import { readCookie } from './people/cookies.js';

/** What a request shows, and whether it stood in the URL. */
export type Shown = { credential: string; fromUrl: boolean };

/** The credential of a request, from its head. @throws DomainError `missing-credential` */
export function requireCredential(request: FastifyRequest): Shown {
  const sent = notOfCookie(readHeader(request.headers.authorization));
  const inUrl = sent === undefined ? keyInUrl(request) : undefined;
  const credential = sent ?? inUrl ?? sessionOf(request);
  if (credential === undefined) throw missing();
  return { credential, fromUrl: inUrl !== undefined };
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

/** The session of a person, when the request names no other credential. */
function sessionOf(request: FastifyRequest): string | undefined {
  const value = readCookie(request, 'session');
  return value?.startsWith(ofSession) ? value : undefined;
}

/** What a cookie holds comes as a cookie alone, or the rules for requests of people would not meet it. @throws DomainError `invalid-credential` */
function notOfCookie(credential: string | undefined): string | undefined {
  if (!credential?.startsWith(ofSession)) return credential;
  throw new DomainError('invalid-credential', 'a session is shown by its cookie alone: programs use an API key');
}

function missing(): DomainError {
  return new DomainError(
    'missing-credential',
    'send Authorization: Bearer with an API key, enrollment or access token',
  );
}

/** `?key=` of the routes that other people's programs call, some of which can set no header. */
function keyInUrl({ routeOptions, query }: FastifyRequest): string | undefined {
  if (!routeOptions.url?.startsWith('/integrations/')) return undefined;
  const { key } = query as { key?: unknown };
  return typeof key === 'string' && key.startsWith('twk_') ? key : undefined;
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

import { parseUnique } from './strict-json.js';

/** A JWT as its sender wrote it. No signature is checked yet. */
export type ReadJwt = { header: Record<string, unknown>; claims: Record<string, unknown> };

// Keys of the sender's choosing, and extensions that Thingward would have to understand (RFC 7515 §4.1).
const refusedHeaders = ['jwk', 'jku', 'x5c', 'x5u', 'crit'];

/**
 * Reads a compact JWS that can be read in one way only: canonical base64url (RFC 7515 §2), UTF-8, objects without
 * repeated members, and no header that brings a key or an extension along but those in `judged`, which the caller judges.
 * @throws Error that says what is wrong
 */
export function readStrictJwt(jwt: string, judged: readonly 'x5c'[] = []): ReadJwt {
  const segments = jwt.split('.');
  if (segments.length !== 3 || !segments.every(isCanonical)) throw new Error('it is not a JWT in canonical base64url');
  const header = parseObject(segments[0]!);
  const refused = refusedHeaders.find((name) => Object.hasOwn(header, name) && !judged.includes(name as 'x5c'));
  if (refused !== undefined) throw new Error(`its header must not have ${refused}`);
  return { header, claims: parseObject(segments[1]!) };
}

/** Whether a token is three segments of base64url without padding, each the only way to write its octets. */
export function isCanonicalJwt(token: string): boolean {
  const segments = token.split('.');
  return segments.length === 3 && segments.every(isCanonical);
}

function isCanonical(segment: string): boolean {
  return segment.length > 0 && Buffer.from(segment, 'base64url').toString('base64url') === segment;
}

function parseObject(segment: string): Record<string, unknown> {
  const value = parseUnique(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(segment, 'base64url')));
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error('its header and claims must be JSON objects');
  return value as Record<string, unknown>;
}

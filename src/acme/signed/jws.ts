import { createHmac, timingSafeEqual, verify } from 'node:crypto';
import { parseUnique } from '../../pki/strict-json.js';
import { decodeBase64url } from './base64url.js';
import { algorithmOf, type AccountKey } from './jwk.js';
import { refusal } from '../problem.js';

/** A JWS in flattened JSON (RFC 7515 §7.2.2). Nothing of it is believed before its signature is checked. */
export type Jws = {
  header: Record<string, unknown>;
  payload: Buffer;
  /** What was signed. */
  input: Buffer;
  signature: Buffer;
};

/** Signature algorithms that ACME requests may have (RFC 8555 §6.2). */
export const algorithms: readonly string[] = Object.values(algorithmOf);

const macs: Record<string, string> = { HS256: 'sha256', HS384: 'sha384', HS512: 'sha512' };

/** The object of a JSON text that can be read in one way only. @throws DomainError `malformed`, which names `what` */
export function readObject(text: string, what: string): Record<string, unknown> {
  return asObject(parse(text, what), what);
}

/** A JSON text of UTF-8 octets. @throws DomainError `malformed` */
export function readOctets(octets: Buffer, what: string): Record<string, unknown> {
  return readObject(decodeUtf8(octets, what), what);
}

/** Reads a flattened JWS with protected headers alone. @throws DomainError `malformed` */
export function readJws(value: unknown, what = 'the body'): Jws {
  const jws = asObject(value, what);
  if ('header' in jws || 'signatures' in jws)
    throw refusal('malformed', `${what} has header or signatures: ACME takes protected, payload and signature alone`);
  const octets = (name: string) => decodeBase64url(jws[name], `${name} of ${what}`);
  const header = readOctets(octets('protected'), `protected of ${what}`);
  if ('crit' in header || 'b64' in header)
    throw refusal('malformed', `protected of ${what} has an extension that is not known here: leave crit and b64 out`);
  const input = Buffer.from(`${jws['protected'] as string}.${jws['payload'] as string}`);
  return { header, payload: octets('payload'), input, signature: octets('signature') };
}

/** @throws DomainError `badSignatureAlgorithm` unless `alg` is one that accounts may sign with */
export function requireAlgorithm({ header: { alg } }: Jws): void {
  if (typeof alg === 'string' && algorithms.includes(alg)) return;
  throw refusal('badSignatureAlgorithm', `alg has to be one of ${algorithms.join(', ')}`, { algorithms });
}

/** Whether a key signed a JWS with its algorithm. */
export function isSignedBy({ header, input, signature }: Jws, { family, key }: AccountKey): boolean {
  if (header['alg'] !== algorithmOf[family]) return false;
  const digest = family === 'ed25519' ? null : family === 'ec-p384' ? 'sha384' : 'sha256';
  return verify(digest, input, { key, dsaEncoding: 'ieee-p1363' }, signature);
}

/** Whether a JWS has the MAC of a shared key (RFC 7518 §3.2). */
export function isAuthenticatedBy({ header: { alg }, input, signature }: Jws, key: Buffer): boolean {
  if (typeof alg !== 'string' || !Object.hasOwn(macs, alg)) return false;
  const mac = createHmac(macs[alg]!, key).update(input).digest();
  return mac.length === signature.length && timingSafeEqual(mac, signature);
}

function parse(text: string, what: string): unknown {
  try {
    return parseUnique(text);
  } catch {
    throw refusal('malformed', `${what} is not JSON, or names a member of an object twice: write each once`);
  }
}

function decodeUtf8(octets: Buffer, what: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(octets);
  } catch {
    throw refusal('malformed', `${what} is not UTF-8: encode it again`);
  }
}

function asObject(value: unknown, what: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw refusal('malformed', `${what} is not a JSON object: see RFC 8555 §6.2`);
}

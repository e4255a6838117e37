import { createPublicKey, hash, type JsonWebKey } from 'node:crypto';
import { DomainError } from '../../errors.js';
import { parsePublicKey, publicKeyOf, type KeyFamily, type PublicKey } from '../../pki/public-key.js';
import { refusal } from '../problem.js';

/** The one signature algorithm of each kind of key (RFC 7518 §3.1, RFC 8037): a key decides it, never a message. */
export const algorithmOf: Record<KeyFamily, string> = {
  'ec-p256': 'ES256',
  'ec-p384': 'ES384',
  ed25519: 'EdDSA',
  rsa: 'RS256',
};

const membersOf: Record<string, string[]> = { EC: ['crv', 'x', 'y'], OKP: ['crv', 'x'], RSA: ['n', 'e'] };
// A modulus of 4096 bits has 683.
const longest = 700;

/** The key of an account, and the SHA-256 of its SubjectPublicKeyInfo, by which it is found. */
export type AccountKey = PublicKey & { spkiSha256: Buffer };

/**
 * Reads a JWK (RFC 7517) of P-256, P-384, Ed25519 or RSA (2048 to 4096 bits, e = 65537).
 * @throws DomainError `badPublicKey`
 */
export function readJwk(jwk: unknown): AccountKey {
  const key = importJwk(publicMembers(jwk));
  return accountKeyOf(publicKeyOf(key).spki);
}

/** The key of a SubjectPublicKeyInfo. @throws DomainError `badPublicKey` */
export function accountKeyOf(spki: Buffer): AccountKey {
  try {
    return { ...parsePublicKey(spki), spkiSha256: hash('sha256', spki, 'buffer') };
  } catch (error) {
    if (error instanceof DomainError) throw refusal('badPublicKey', error.message);
    throw error;
  }
}

/** Nothing but what the key is made of: whatever else a JWK says is no business of its reader. */
function publicMembers(jwk: unknown): JsonWebKey {
  if (typeof jwk !== 'object' || jwk === null) throw notAKey();
  const given = jwk as Record<string, unknown>;
  const kty = given['kty'];
  const names = typeof kty === 'string' && Object.hasOwn(membersOf, kty) ? membersOf[kty]! : undefined;
  if (!names) throw notAKey();
  if ('d' in given || 'k' in given)
    throw refusal('badPublicKey', 'the jwk holds a private key: make a new one, and send its public half alone');
  const members = names.map((name) => [name, given[name]] as const);
  if (members.some(([, value]) => typeof value !== 'string' || value.length > longest)) throw notAKey();
  return { kty, ...Object.fromEntries(members) } as JsonWebKey;
}

function importJwk(key: JsonWebKey) {
  const isKnown = key.kty === 'RSA' || ['P-256', 'P-384', 'Ed25519'].includes(key.crv!);
  if (!isKnown) throw notAKey();
  try {
    return createPublicKey({ key, format: 'jwk' });
  } catch {
    throw notAKey();
  }
}

function notAKey(): DomainError {
  return refusal(
    'badPublicKey',
    'the jwk is no key that is accepted: use P-256, P-384, Ed25519 or RSA of 2048 to 4096 bits',
  );
}

import {
  createHash,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  type JsonWebKey,
  type KeyObject,
} from 'node:crypto';
import type { KeyAlgorithm } from '../settings/settings.js';
import { sealedAs, type Sealer } from '../sealing.js';
import type { StoredTokenKey } from './key-store.js';

/** A new key that signs access tokens from `signsFrom` on, ready to be stored. */
export function createAccessKey(
  sealer: Sealer,
  algorithm: KeyAlgorithm,
  createdAt: Date,
  signsFrom: Date,
): StoredTokenKey {
  const privateKey = generateAccessKey(algorithm);
  const publicJwk = createPublicKey(privateKey).export({ format: 'jwk' });
  const kid = jwkThumbprint(publicJwk);
  const sealed = sealer.seal(privateKey.export({ type: 'pkcs8', format: 'der' }), sealedAs.tokenKey(kid));
  return { kid, purpose: 'access', algorithm, publicJwk, sealed, createdAt, signsFrom, retiresAt: null };
}

/** A new key for the HMACs of refresh tokens. */
export function createRefreshKey(sealer: Sealer, createdAt: Date): StoredTokenKey {
  const kid = `refresh-${randomBytes(8).toString('hex')}`;
  const sealed = sealer.seal(randomBytes(32), sealedAs.tokenKey(kid));
  return {
    kid,
    purpose: 'refresh',
    algorithm: 'HS256',
    publicJwk: null,
    sealed,
    createdAt,
    signsFrom: createdAt,
    retiresAt: null,
  };
}

function generateAccessKey(algorithm: KeyAlgorithm): KeyObject {
  switch (algorithm) {
    case 'ES256':
      return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    case 'EdDSA':
      return generateKeyPairSync('ed25519').privateKey;
    case 'RS256':
      return generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  }
}

/** RFC 7638: the required members in lexical order, hashed. */
function jwkThumbprint(jwk: JsonWebKey): string {
  const members =
    jwk.kty === 'EC' ? ['crv', 'kty', 'x', 'y'] : jwk.kty === 'OKP' ? ['crv', 'kty', 'x'] : ['e', 'kty', 'n'];
  const canonical = JSON.stringify(Object.fromEntries(members.map((member) => [member, jwk[member]])));
  return createHash('sha256').update(canonical).digest('base64url');
}

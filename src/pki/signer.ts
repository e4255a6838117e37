import {
  createPublicKey,
  createSign,
  createVerify,
  generateKeyPair,
  generateKeyPairSync,
  sign,
  verify,
  type KeyObject,
} from 'node:crypto';
import { promisify } from 'node:util';
import * as der from './der.js';
import { oids } from './oid.js';
import { publicKeyOf, type KeyFamily, type KeyType, type PublicKey } from './public-key.js';

/** Signs to-be-signed bytes with one key and one algorithm. */
export type Signer = {
  publicKey: PublicKey;
  /** The AlgorithmIdentifier, the same inside and outside of what is signed (RFC 5280 §4.1.1.2). */
  algorithm: Buffer;
  sign(tbs: Uint8Array): Buffer;
  /** The same for megabytes, which it hashes a piece at a time. (On another thread node:crypto would copy them first, in one go.) */
  signLong(tbs: Uint8Array): Generator<void, Buffer>;
  /** Whether this key made a signature; a piece at a time too. */
  verifyLong(tbs: Uint8Array, signature: Uint8Array): Generator<void, boolean>;
};

const pieceOctets = 131_072;

function* pieces(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceOctets) yield bytes.subarray(at, at + pieceOctets);
}

const algorithms: Record<KeyFamily, { hash: string | null; identifier: Buffer }> = {
  'ec-p256': { hash: 'sha256', identifier: der.sequence(oids.ecdsaWithSha256) },
  'ec-p384': { hash: 'sha384', identifier: der.sequence(oids.ecdsaWithSha384) },
  ed25519: { hash: null, identifier: der.sequence(oids.ed25519) },
  rsa: { hash: 'sha256', identifier: der.sequence(oids.sha256WithRsa, der.nullValue()) },
};

/** A signer over a private key that this process holds. For what is small the thread pool costs more than it saves. */
export function createSigner(privateKey: KeyObject): Signer {
  const publicObject = createPublicKey(privateKey);
  const publicKey = publicKeyOf(publicObject);
  const { hash, identifier } = algorithms[publicKey.family];
  return {
    publicKey,
    algorithm: identifier,
    sign: (tbs) => sign(hash, tbs, privateKey),
    *signLong(tbs) {
      // Ed25519 needs the whole message at once (RFC 8032 §5.1.6).
      if (hash === null) return sign(hash, tbs, privateKey);
      const signing = createSign(hash);
      for (const piece of pieces(tbs)) {
        signing.update(piece);
        yield;
      }
      return signing.sign(privateKey);
    },
    *verifyLong(tbs, signature) {
      if (hash === null) return verify(hash, tbs, publicObject, signature);
      const verifying = createVerify(hash);
      for (const piece of pieces(tbs)) {
        verifying.update(piece);
        yield;
      }
      return verifying.verify(publicObject, signature);
    },
  };
}

/** `SEQUENCE { tbs, algorithm, signature }`: the outer shape of certificates, CRLs and OCSP responses alike. */
export function signed(tbs: Uint8Array, signer: Signer): Buffer {
  return der.sequence(tbs, signer.algorithm, der.bitString(signer.sign(tbs)));
}

const generateRsa = promisify(generateKeyPair);

type KeyPair = { privateKey: KeyObject; publicKey: KeyObject };

/** A new key pair. RSA is made off the event loop (a fifth of a second); the others take microseconds. */
export async function generateKeys(type: KeyType): Promise<KeyPair> {
  switch (type) {
    case 'ec-p256':
      return generateKeyPairSync('ec', { namedCurve: 'P-256' });
    case 'ec-p384':
      return generateKeyPairSync('ec', { namedCurve: 'P-384' });
    case 'ed25519':
      return generateKeyPairSync('ed25519');
    case 'rsa-2048':
    case 'rsa-3072':
      return generateRsa('rsa', { modulusLength: type === 'rsa-2048' ? 2048 : 3072 });
  }
}

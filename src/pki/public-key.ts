import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { DomainError } from '../errors.js';
import * as der from './der.js';
import { oids } from './oid.js';

/** The kinds of keys that devices and authorities may have. */
export type KeyType = 'ec-p256' | 'ec-p384' | 'ed25519' | 'rsa-2048' | 'rsa-3072';

/** The kinds of keys that certificates are issued for. */
export type KeyFamily = 'ec-p256' | 'ec-p384' | 'ed25519' | 'rsa';

/** An acceptable public key: its SubjectPublicKeyInfo as it came, and the key for node:crypto. */
export type PublicKey = { family: KeyFamily; spki: Buffer; subjectPublicKey: Buffer; key: KeyObject };

const ecP256 = der.sequence(oids.ecPublicKey, oids.prime256v1);
const ecP384 = der.sequence(oids.ecPublicKey, oids.secp384r1);
const ed25519 = der.sequence(oids.ed25519);
const rsa = der.sequence(oids.rsaEncryption, der.nullValue());

/**
 * Reads a SubjectPublicKeyInfo (RFC 5280 §4.1.2.7) of P-256, P-384, Ed25519 or RSA (2048 to 4096 bits, e = 65537).
 * @throws DerError when it is not DER, DomainError `bad-csr` when it cannot be read, `bad-key` when the key is not acceptable.
 */
export function parsePublicKey(spki: Buffer): PublicKey {
  const [algorithm, bits, ...rest] = der.members(der.readOne(spki), der.tags.sequence);
  if (!algorithm) throw new DomainError('bad-csr', 'the public key is missing');
  const content = der.contentOf(bits, der.tags.bitString);
  if (content[0] !== 0 || rest.length > 0) throw new DomainError('bad-csr', 'the public key is not whole octets');
  const subjectPublicKey = content.subarray(1);
  const { family, key } = importKey(algorithm.bytes, subjectPublicKey);
  return { family, spki, subjectPublicKey, key };
}

/** The public half of a key that was made here, so that nothing about it needs checking. */
export function publicKeyOf(key: KeyObject): PublicKey {
  const spki = createPublicKeyDer(key);
  const [, bits] = der.members(der.readOne(spki), der.tags.sequence);
  return { family: familyOf(key), spki, subjectPublicKey: der.contentOf(bits, der.tags.bitString).subarray(1), key };
}

function createPublicKeyDer(key: KeyObject): Buffer {
  if (key.asymmetricKeyType !== 'ec') return key.export({ type: 'spki', format: 'der' });
  // An EC key as JWK and put together here: OpenSSL 3.0 takes as long to write DER as to sign.
  const { crv, x, y } = key.export({ format: 'jwk' });
  const point = Buffer.concat([Buffer.from([4]), Buffer.from(x!, 'base64url'), Buffer.from(y!, 'base64url')]);
  return der.sequence(crv === 'P-256' ? ecP256 : ecP384, der.bitString(point));
}

function familyOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): KeyFamily {
  if (asymmetricKeyType === 'ed25519') return 'ed25519';
  if (asymmetricKeyType !== 'ec') return 'rsa';
  return asymmetricKeyDetails?.namedCurve === 'secp384r1' ? 'ec-p384' : 'ec-p256';
}

function importKey(algorithm: Buffer, key: Buffer): { family: KeyFamily; key: KeyObject } {
  if (algorithm.equals(ecP256)) return { family: 'ec-p256', key: importPoint('P-256', 32, key) };
  if (algorithm.equals(ecP384)) return { family: 'ec-p384', key: importPoint('P-384', 48, key) };
  if (algorithm.equals(ed25519)) return { family: 'ed25519', key: importEd25519(key) };
  if (algorithm.equals(rsa)) return { family: 'rsa', key: importRsa(key) };
  throw new DomainError('bad-key', `${whyNot(algorithm)}: use a P-256, P-384, Ed25519 or RSA key`);
}

const curveNames = new Map([
  ['1.3.132.0.35', 'P-521'],
  ['1.3.132.0.33', 'P-224'],
  ['1.2.840.10045.3.1.1', 'P-192'],
  ['1.3.132.0.10', 'secp256k1'],
  ['1.3.36.3.3.2.8.1.1.7', 'brainpoolP256r1'],
  ['1.3.36.3.3.2.8.1.1.11', 'brainpoolP384r1'],
  ['1.3.36.3.3.2.8.1.1.13', 'brainpoolP512r1'],
  ['1.2.156.10197.1.301', 'SM2'],
]);
const kindNames = new Map([
  ['1.2.840.113549.1.1.10', 'RSA-PSS'],
  ['1.3.101.113', 'Ed448'],
  ['1.3.101.110', 'X25519'],
  ['1.3.101.111', 'X448'],
  ['1.2.840.10040.4.1', 'DSA'],
]);

/** Names a key algorithm that is not taken. */
function whyNot(algorithm: Buffer): string {
  const [id, parameters] = der.members(der.readOne(algorithm), der.tags.sequence);
  const name = der.dottedOid(der.contentOf(id, der.tags.oid));
  if (id!.bytes.equals(oids.rsaEncryption)) return 'the RSA key lacks the NULL parameters of RFC 3279 §2.3.1';
  if (id!.bytes.equals(oids.ed25519)) return 'the Ed25519 key has parameters, which RFC 8410 §3 forbids';
  if (!id!.bytes.equals(oids.ecPublicKey)) return `keys of the kind ${kindNames.get(name) ?? name} are not accepted`;
  if (parameters?.tag !== der.tags.oid) return 'the key does not name its curve, which RFC 5480 §2.1.1 requires';
  const curve = der.dottedOid(parameters.content);
  return `the curve ${curveNames.get(curve) ?? curve} is not taken`;
}

// Keys come in as JWK: OpenSSL 3.0 takes several times longer to import DER.
function importPoint(crv: 'P-256' | 'P-384', size: number, point: Buffer): KeyObject {
  if (point[0] !== 4 || point.length !== 1 + 2 * size) throw new DomainError('bad-key', 'send the point uncompressed');
  const x = point.toString('base64url', 1, 1 + size);
  const y = point.toString('base64url', 1 + size);
  return importJwk({ kty: 'EC', crv, x, y });
}

function importEd25519(key: Buffer): KeyObject {
  if (key.length !== 32) throw new DomainError('bad-key', 'an Ed25519 key has 32 octets');
  if (isSmallOrder(key)) throw new DomainError('bad-key', 'the Ed25519 key has a small order');
  return importJwk({ kty: 'OKP', crv: 'Ed25519', x: key.toString('base64url') });
}

function importRsa(bytes: Buffer): KeyObject {
  const [modulus, exponent, ...rest] = der.members(der.readOne(bytes), der.tags.sequence);
  const n = positive(der.contentOf(modulus, der.tags.integer));
  const e = positive(der.contentOf(exponent, der.tags.integer));
  if (rest.length > 0) throw new DomainError('bad-csr', 'the RSA key has more than two members');
  if (e.toString('hex') !== '010001') throw new DomainError('bad-key', 'the RSA exponent must be 65537');
  refuseWeakModulus(BigInt(`0x${n.toString('hex')}`));
  return importJwk({ kty: 'RSA', n: n.toString('base64url'), e: 'AQAB' });
}

function importJwk(jwk: JsonWebKey): KeyObject {
  try {
    return createPublicKey({ key: jwk, format: 'jwk' });
  } catch {
    throw new DomainError('bad-key', 'the public key is not a point of its curve or not a key at all: make a new key');
  }
}

function positive(integer: Buffer): Buffer {
  const [first = 0, second = 0] = integer;
  if (integer.length === 0 || first & 0x80 || (first === 0 && !(second & 0x80))) {
    throw new DomainError('bad-csr', 'an RSA integer is not minimal and positive');
  }
  return first === 0 ? integer.subarray(1) : integer;
}

// The product of the odd primes below 752, as in the checks that public CAs make.
const smallPrimes = oddPrimesBelow(752).reduce((product, prime) => product * prime, 1n);

/** Refuses moduli of the wrong size, with a small factor, or with primes so close that Fermat's method finds them. */
function refuseWeakModulus(n: bigint): void {
  const bits = n.toString(2).length;
  if (bits < 2048 || bits > 4096) throw new DomainError('bad-key', `the RSA key has ${bits} bits: use 2048 to 4096`);
  if (n % 2n === 0n || gcd(n, smallPrimes) !== 1n)
    throw new DomainError('bad-key', 'the RSA modulus has a small factor');
  let a = squareRoot(n);
  if (a * a < n) a++;
  for (let round = 0; round < 100; round++, a++) {
    const b2 = a * a - n;
    // A square is 0, 1, 4 or 9 modulo 16: most candidates need no square root.
    const low = b2 & 15n;
    if (low !== 0n && low !== 1n && low !== 4n && low !== 9n) continue;
    const b = squareRoot(b2);
    if (b * b === b2) throw new DomainError('bad-key', 'the primes of the RSA key are too close');
  }
}

function oddPrimesBelow(limit: number): bigint[] {
  const primes: bigint[] = [];
  for (let n = 3n; n < limit; n += 2n) if (primes.every((prime) => n % prime !== 0n)) primes.push(n);
  return primes;
}

function gcd(a: bigint, b: bigint): bigint {
  while (b !== 0n) [a, b] = [b, a % b];
  return a;
}

function squareRoot(n: bigint): bigint {
  if (n < 2n) return n;
  let x = 1n << BigInt((n.toString(2).length + 1) >> 1);
  for (;;) {
    const next = (x + n / x) >> 1n;
    if (next >= x) return x;
    x = next;
  }
}

// The canonical encodings of the eight points of small order (RFC 7748 §6.1), the sign bit left out.
const smallOrder = new Set([
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
]);

function isSmallOrder(key: Buffer): boolean {
  const unsigned = Buffer.from(key);
  unsigned[31]! &= 0x7f;
  return smallOrder.has(unsigned.toString('hex'));
}

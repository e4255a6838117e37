import { createPublicKey, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import * as der from '../../../src/pki/der.js';
import { extension, name } from '../../../src/pki/issuer.js';
import { oids } from '../../../src/pki/oid.js';
import { csrDer, newKey, pem } from './csr.js';

const key = newKey();
const ecdsaWithSha1 = der.oid('1.2.840.10045.4.1');
const spkiOf = (privateKey: KeyObject): Buffer => createPublicKey(privateKey).export({ type: 'spki', format: 'der' });

/** Requests that must be refused, each with what is wrong with it. */
export function badCsrs(): Map<string, string> {
  const bad = new Map<string, string>();
  const add = (what: string, bytes: Buffer) => bad.set(what, pem(bytes));
  for (const [what, bytes] of Object.entries({ ...structure(), ...smuggling(), ...names(), ...keys() }))
    add(what, bytes);
  const good = csrDer({ key });
  for (let at = 0; at < good.length; at += 2) {
    const flipped = Buffer.from(good);
    flipped[at]! ^= 1 << (at % 8);
    add(`bit ${at % 8} of octet ${at} flipped`, flipped);
  }
  for (let length = 0; length < good.length; length += 12) add(`cut to ${length} octets`, good.subarray(0, length));
  for (const [what, text] of Object.entries(armour(good))) bad.set(what, text);
  return bad;
}

function structure(): Record<string, Buffer> {
  const good = csrDer({ key });
  const nested = Array.from({ length: 4000 }).reduce<Buffer>((inner) => der.sequence(inner), der.nullValue());
  return {
    'version 1': csrDer({ key, version: 1 }),
    'octets after the end': Buffer.concat([good, Buffer.from([0])]),
    'a request twice': Buffer.concat([good, good]),
    'an empty sequence': der.sequence(),
    'nothing but zeros': Buffer.alloc(300),
    'random octets': randomBytes(400),
    'four thousand nested sequences': nested,
    'indefinite length': Buffer.concat([Buffer.from([0x30, 0x80]), good.subarray(4), Buffer.from([0, 0])]),
    'a length of 2^32': Buffer.concat([Buffer.from([0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), good.subarray(4)]),
    'a length that is not minimal': Buffer.concat([Buffer.from([0x30, 0x83, 0, good[2]!, good[3]!]), good.subarray(4)]),
    'a SHA-1 signature': weaklySigned(),
    'a signature algorithm of another kind of key': csrDer({
      key,
      algorithm: der.sequence(oids.sha256WithRsa, der.nullValue()),
    }),
    'ECDSA with parameters that are not NULL': csrDer({
      key,
      algorithm: der.sequence(oids.ecdsaWithSha256, der.sequence()),
    }),
    'Ed25519 with NULL': csrDer({
      key: generateKeyPairSync('ed25519').privateKey,
      algorithm: der.sequence(oids.ed25519, der.nullValue()),
    }),
    'an attribute that is no sequence': csrDer({ key, attributes: der.encode(der.constructed(0), der.nullValue()) }),
  };
}

function weaklySigned(): Buffer {
  const info = der.sequence(der.integer(0), der.sequence(), spkiOf(key), der.encode(der.constructed(0)));
  return der.sequence(info, der.sequence(ecdsaWithSha1), der.bitString(sign('sha1', info, key)));
}

function smuggling(): Record<string, Buffer> {
  const asking = (...extensions: Buffer[]) => csrDer({ key, extensions });
  const san = (tag: number, text: string) =>
    extension(oids.subjectAltName, der.sequence(der.encode(tag, Buffer.from(text, 'latin1'))));
  const usage = (...bits: number[]) => extension(oids.keyUsage, der.namedBits(...bits), true);
  return {
    'CA:TRUE': asking(extension(oids.basicConstraints, der.sequence(der.boolean(true)), true)),
    'CA:TRUE with a path length': asking(
      extension(oids.basicConstraints, der.sequence(der.boolean(true), der.integer(0)), true),
    ),
    keyCertSign: asking(usage(5)),
    cRLSign: asking(usage(6)),
    'digitalSignature and keyCertSign': asking(usage(0, 5)),
    serverAuth: asking(extension(oids.extKeyUsage, der.sequence(der.oid('1.3.6.1.5.5.7.3.1')))),
    OCSPSigning: asking(extension(oids.extKeyUsage, der.sequence(der.oid('1.3.6.1.5.5.7.3.9')))),
    'clientAuth and serverAuth': asking(
      extension(oids.extKeyUsage, der.sequence(oids.clientAuth, der.oid('1.3.6.1.5.5.7.3.1'))),
    ),
    anyExtendedKeyUsage: asking(extension(oids.extKeyUsage, der.sequence(der.oid('2.5.29.37.0')))),
    'an empty extKeyUsage': asking(extension(oids.extKeyUsage, der.sequence())),
    'a DNS name': asking(san(der.primitive(2), 'admin.example.com')),
    'an e-mail address': asking(san(der.primitive(1), 'root@example.com')),
    'an IP address': asking(san(der.primitive(7), '\x7f\x00\x00\x01')),
    "another thing's URI": asking(san(der.primitive(6), 'urn:thingward:default:other')),
    "another account's URI": asking(san(der.primitive(6), 'urn:thingward:acme:bad')),
    'a SPIFFE id': asking(san(der.primitive(6), 'spiffe://example.com/admin')),
    'a certificate policy': asking(extension(der.oid('2.5.29.32'), der.sequence(der.sequence(der.oid('2.5.29.32.0'))))),
    'name constraints': asking(extension(der.oid('2.5.29.30'), der.sequence(), true)),
    'an unknown critical extension': asking(extension(der.oid('1.2.3.4'), der.nullValue(), true)),
    'our own index extension': asking(extension(oids.issuerIndex, der.integer(0))),
    'an OCSP no-check': asking(extension(der.oid('1.3.6.1.5.5.7.48.1.5'), der.nullValue())),
    nonRepudiation: asking(usage(1)),
    'digitalSignature and keyEncipherment': asking(usage(0, 2)),
    'the usages of v3_req': asking(usage(0, 1, 2)),
    "Netscape's server": asking(extension(oids.netscapeCertType, der.namedBits(1))),
    'CA:TRUE in the attribute of Microsoft': csrDer({
      key,
      attributes: der.encode(
        der.constructed(0),
        der.sequence(
          oids.microsoftExtensions,
          der.set(der.sequence(extension(oids.basicConstraints, der.sequence(der.boolean(true))))),
        ),
      ),
    }),
    'keyCertSign in a second extension request': csrDer({
      key,
      attributes: der.encode(
        der.constructed(0),
        der.sequence(oids.extensionRequest, der.set(der.sequence(usage(0)))),
        der.sequence(oids.extensionRequest, der.set(der.sequence(usage(5)))),
      ),
    }),
    'an extension twice': asking(usage(0), usage(0)),
    'an extension that is no sequence': csrDer({ key, extensions: [der.nullValue()] }),
  };
}

function names(): Record<string, Buffer> {
  return {
    'a name without a value': csrDer({ key, subject: der.sequence(der.set(der.sequence(oids.commonName))) }),
    'a set in place of the name': csrDer({ key, subject: der.set(name()) }),
  };
}

function keys(): Record<string, Buffer> {
  const rsa = (modulusLength: number, publicExponent = 65_537) =>
    generateKeyPairSync('rsa', { modulusLength, publicExponent }).privateKey;
  const curve = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve }).privateKey;
  const p256 = (point: Buffer) => der.sequence(der.sequence(oids.ecPublicKey, oids.prime256v1), der.bitString(point));
  const rsaSpki = (n: bigint, e = 65_537) =>
    der.sequence(
      der.sequence(oids.rsaEncryption, der.nullValue()),
      der.bitString(der.sequence(der.integer(n), der.integer(e))),
    );
  const ed25519 = (bytes: Buffer) => der.sequence(der.sequence(oids.ed25519), der.bitString(bytes));
  const close = closePrimes();
  return {
    'RSA with 1024 bits': csrDer({ key: rsa(1024) }),
    'RSA with 2047 bits': csrDer({ key, spki: rsaSpki((1n << 2046n) + 1n) }),
    'RSA with e = 3': csrDer({ key: rsa(2048, 3) }),
    'RSA with e = 1': csrDer({ key, spki: rsaSpki(close, 1) }),
    'RSA with 8192 bits': csrDer({ key, spki: rsaSpki((1n << 8191n) + 1n) }),
    'RSA with an even modulus': csrDer({ key, spki: rsaSpki(1n << 2047n) }),
    'RSA with a small factor': csrDer({ key, spki: rsaSpki(((1n << 2048n) / 3n) * 3n) }),
    'RSA with close primes': csrDer({ key, spki: rsaSpki(close) }),
    'a P-521 key': csrDer({ key: curve('P-521') }),
    'a secp256k1 key': csrDer({ key: curve('secp256k1') }),
    'an Ed448 key': csrDer({ key, spki: spkiOf(generateKeyPairSync('ed448').privateKey) }),
    'an X25519 key': csrDer({ key, spki: spkiOf(generateKeyPairSync('x25519').privateKey) }),
    'an RSA-PSS key': csrDer({ key, spki: spkiOf(generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).privateKey) }),
    'a point off the curve': csrDer({ key, spki: p256(Buffer.concat([Buffer.from([4]), Buffer.alloc(64, 7)])) }),
    'the point (0, 0)': csrDer({ key, spki: p256(Buffer.concat([Buffer.from([4]), Buffer.alloc(64)])) }),
    'the point at infinity': csrDer({ key, spki: p256(Buffer.from([0])) }),
    'a compressed point': csrDer({ key, spki: p256(Buffer.concat([Buffer.from([2]), randomBytes(32)])) }),
    'a point cut short': csrDer({ key, spki: p256(Buffer.concat([Buffer.from([4]), randomBytes(40)])) }),
    'an Ed25519 key of small order': csrDer({ key, spki: ed25519(Buffer.alloc(32)) }),
    'an Ed25519 key cut short': csrDer({ key, spki: ed25519(Buffer.alloc(31, 1)) }),
    "another key than the signer's": csrDer({ key, spki: spkiOf(newKey()) }),
    'no key': csrDer({ key, spki: der.nullValue() }),
  };
}

// Two primes beside 2^1024 would take long to find; odd neighbours without small factors are as close.
function closePrimes(): bigint {
  const small = [3n, 5n, 7n, 11n, 13n, 17n, 19n, 23n, 29n, 31n, 37n, 41n, 43n, 47n];
  const rough: bigint[] = [];
  for (let n = (1n << 1024n) - 1n; rough.length < 400; n -= 2n)
    if (small.every((prime) => n % prime !== 0n)) rough.push(n);
  const isRough = (n: bigint) => {
    for (let d = 49n; d < 752n; d += 2n) if (n % d === 0n) return false;
    return true;
  };
  const [p, q] = rough.filter(isRough);
  return p! * q!;
}

function armour(good: Buffer): Record<string, string> {
  const text = pem(good);
  return {
    'the BEGIN line and 30,000 spaces': '-----BEGIN CERTIFICATE REQUEST-----' + ' '.repeat(30_000),
    'the BEGIN line and 30,000 dashes': '-----BEGIN CERTIFICATE REQUEST-----' + '-'.repeat(30_000),
    'a thousand BEGIN lines': '-----BEGIN CERTIFICATE REQUEST-----'.repeat(900),
    'base64 cut short': good.toString('base64').slice(0, -1),
    'another END line': text.replace('END CERT', 'END NEW CERT'),
    'a private key beside it': `${text}${pem(good).replaceAll('CERTIFICATE REQUEST', 'EC PRIVATE KEY')}`,
    'a certificate label': text.replaceAll('CERTIFICATE REQUEST', 'CERTIFICATE'),
    'a private key label': text.replaceAll('CERTIFICATE REQUEST', 'PRIVATE KEY'),
    'two blocks': text + text,
    'no end line': text.replace(/-----END[\s\S]*/, ''),
    'letters that are no base64': text.replace('M', '!'),
    'base64 with a stray digit': text.replace(/\n-----END/, 'A\n-----END'),
    'an empty block': '-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----\n',
    'seventeen kilobytes': pem(
      csrDer({
        key,
        subject: der.sequence(der.set(der.sequence(oids.commonName, der.utf8String('a'.repeat(17_000))))),
      }),
    ),
    'a line of binary': '\x00\x01\x02\x03',
  };
}

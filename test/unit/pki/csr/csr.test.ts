import fc from 'fast-check';
import { constants, createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { DomainError } from '../../../../src/errors.js';
import { encodeCsr } from '../../../../src/pki/csr/encode.js';

import { parseCsrDer } from '../../../../src/pki/csr/csr.js';
import * as der from '../../../../src/pki/der.js';
import { extension } from '../../../../src/pki/issuer.js';
import { oids } from '../../../../src/pki/oid.js';
import { badCsrs } from '../../../support/pki/bad-csrs.js';
import { csrDer, csrPem, newKey, parseCsr, pem } from '../../../support/pki/csr.js';

const uri = 'urn:thingward:default:bad';
const key = newKey();
const rsaKey = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
const curve = (namedCurve: string): KeyObject => generateKeyPairSync('ec', { namedCurve }).privateKey;

const subject = (...values: [Buffer, Buffer][]): Buffer =>
  der.sequence(...values.map(([type, value]) => der.set(der.sequence(type, value))));
const cn = (text: string): [Buffer, Buffer] => [oids.commonName, der.utf8String(text)];

/** What is wrong with a request; undefined when it is taken. */
function verdict(text: string): DomainError | undefined {
  try {
    parseCsr(text, uri);
    return undefined;
  } catch (error) {
    if (error instanceof DomainError) return error;
    throw error;
  }
}

/** A request signed with RSA-PSS (RFC 4055 §3.1). */
function pss(hash: 'sha1' | 'sha256', saltLength: number, written = saltLength): Buffer {
  const spki = createPublicKey(rsaKey).export({ type: 'spki', format: 'der' });
  const info = der.sequence(der.integer(0), der.sequence(), spki, der.encode(der.constructed(0)));
  const digest = der.sequence(oids[hash], der.nullValue());
  const parameters = der.sequence(
    der.encode(der.constructed(0), digest),
    der.encode(der.constructed(1), der.sequence(oids.mgf1, digest)),
    der.encode(der.constructed(2), der.integer(written)),
  );
  const signature = sign(hash, info, { key: rsaKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength });
  return der.sequence(info, der.sequence(oids.rsaPss, parameters), der.bitString(signature));
}

describe('parseCsr', () => {
  it('reads the key out of requests of each kind of key', () => {
    const keys = [
      ['ec-p256', key],
      ['ec-p384', curve('P-384')],
      ['ed25519', generateKeyPairSync('ed25519').privateKey],
      ['rsa', rsaKey],
    ] as const;
    for (const [family, each] of keys) expect(parseCsr(encodeCsr(each), uri).publicKey.family).toBe(family);
  });

  it('takes PEM however it is wrapped, and base64 of DER', () => {
    const good = csrDer({ key });
    const text = pem(good);
    const forms = {
      'carriage returns': text.replaceAll('\n', '\r\n'),
      'no line breaks': text.replaceAll('\n', ' '),
      'text around it': `Certificate Request:\n    Data: -- CN=a\n${text}\nthanks ----- bye\n`,
      'a byte order mark': `\ufeff${text}`,
      'the label of Microsoft and Java': text.replaceAll('CERTIFICATE REQUEST', 'NEW CERTIFICATE REQUEST'),
      'base64 alone': good.toString('base64'),
      'base64 in lines': good.toString('base64').replace(/.{76}/g, '$&\r\n'),
    };
    for (const [what, form] of Object.entries(forms)) expect(parseCsr(form, uri).der.equals(good), what).toBe(true);
  });

  it('takes NULL and absent parameters of a signature, and RSA-PSS', () => {
    const withNull = (oid: Buffer) => der.sequence(oid, der.nullValue());
    for (const [what, bytes] of Object.entries({
      'ECDSA with NULL': csrDer({ key, algorithm: withNull(oids.ecdsaWithSha256) }),
      'RSA without parameters': csrDer({ key: rsaKey, algorithm: der.sequence(oids.sha256WithRsa) }),
      'RSA-PSS with a salt of 32': pss('sha256', 32),
      'RSA-PSS with the longest salt': pss('sha256', 222),
    }))
      expect(verdict(pem(bytes)), what).toBeUndefined();
  });

  it('takes any subject, because it takes nothing from it', () => {
    const bmp: [Buffer, Buffer] = [oids.commonName, der.encode(0x1e, Buffer.from('pump', 'utf16le').swap16())];
    const two = der.set(der.sequence(...cn('a')), der.sequence(oids.organizationName, der.utf8String('b')));
    for (const [what, name] of Object.entries({
      'no name': der.sequence(),
      'a name twice': subject(cn('pump'), cn('admin')),
      'two values in one': der.sequence(two),
      'a BMPString': subject(bmp),
      'a number': subject([oids.commonName, der.integer(7)]),
      'control characters': subject(cn('a\0b\u202e\n')),
    }))
      expect(verdict(csrPem({ key, subject: name })), what).toBeUndefined();
  });

  it('tells the name that is asked for, if there is one alone and it is text', () => {
    const nameIn = (name: Buffer) => parseCsrDer(csrDer({ key, subject: name })).requestedName;
    expect(nameIn(subject(cn('pump-17'), [oids.organizationName, der.utf8String('b')]))).toBe('pump-17');
    expect(nameIn(subject([oids.commonName, der.encode(0x13, Buffer.from('pump-18'))]))).toBe('pump-18');
    for (const name of [der.sequence(), subject(cn('a'), cn('a')), subject([oids.commonName, der.integer(7)])])
      expect(nameIn(name)).toBeUndefined();
  });

  it('takes other attributes, and extensions that the profile gives', () => {
    const san = extension(oids.subjectAltName, der.sequence(der.encode(der.primitive(6), Buffer.from(uri))));
    const bits = (...octets: number[]) => der.encode(der.tags.bitString, Buffer.from(octets));
    for (const [what, each] of Object.entries({
      'the name of the thing': san,
      digitalSignature: extension(oids.keyUsage, der.namedBits(0), true),
      'digitalSignature with zeros behind': extension(oids.keyUsage, bits(1, 0x80), true),
      'digitalSignature in two octets': extension(oids.keyUsage, bits(7, 0x80, 0)),
      'no usage': extension(oids.keyUsage, bits(0)),
      clientAuth: extension(oids.extKeyUsage, der.sequence(oids.clientAuth), true),
      'CA:FALSE by default': extension(oids.basicConstraints, der.sequence()),
      'CA:FALSE in words': extension(oids.basicConstraints, der.sequence(der.boolean(false)), true),
      "Netscape's client": extension(oids.netscapeCertType, der.namedBits(0)),
      'a key identifier': extension(oids.subjectKeyIdentifier, der.octetString(Buffer.alloc(20, 1))),
    }))
      expect(verdict(csrPem({ key, extensions: [each] })), what).toBeUndefined();
    const password = der.sequence(der.oid('1.2.840.113549.1.9.7'), der.set(der.utf8String('secret')));
    const name = der.sequence(der.oid('1.2.840.113549.1.9.2'), der.set(der.utf8String('a')));
    const attributes = der.encode(der.constructed(0), password, name);
    expect(verdict(csrPem({ key, attributes }))).toBeUndefined();
  });

  it('says by name what it refuses', () => {
    const asking = (...extensions: Buffer[]) => csrPem({ key, extensions });
    const rsaOf = (modulusLength: number) => csrPem({ key: generateKeyPairSync('rsa', { modulusLength }).privateKey });
    const signedWith = (oid: string) => csrPem({ key, algorithm: der.sequence(der.oid(oid)) });
    const good = pem(csrDer({ key }));
    const cases: [text: string, what: RegExp][] = [
      [signedWith('1.2.840.10045.4.1'), /signed with SHA-1: sign it with SHA-256/],
      [csrPem({ key: rsaKey, algorithm: der.sequence(der.oid('1.2.840.113549.1.1.4')) }), /signed with MD5/],
      [csrPem({ key: rsaKey, algorithm: der.sequence(der.oid('1.2.840.113549.1.1.5')) }), /signed with SHA-1/],
      [signedWith('1.2.3.4'), /signed with the algorithm 1\.2\.3\.4/],
      [pem(pss('sha1', 20)), /RSA-PSS signature uses SHA-1/],
      [pem(pss('sha256', 32, 20)), /does not verify/],
      [pem(pss('sha256', 32, 512)), /does not verify/],
      [rsaOf(1024), /1024 bits: use 2048 to 4096/],
      [csrPem({ key: curve('P-521') }), /curve P-521 is not taken: use a P-256/],
      [csrPem({ key: curve('secp256k1') }), /curve secp256k1/],
      [csrPem({ key: curve('brainpoolP256r1') }), /curve brainpoolP256r1/],
      [good + good, /two PEM blocks or more/],
      [good.replaceAll('CERTIFICATE REQUEST', 'CERTIFICATE'), /it holds CERTIFICATE: send one PEM block/],
      [`${good}${good.replaceAll('CERTIFICATE REQUEST', 'PRIVATE KEY')}`, /it contains a private key/],
      [good.replace(/-----END[^]*/, ''), /"END CERTIFICATE REQUEST" is missing/],
      [asking(extension(oids.keyUsage, der.namedBits(0, 1, 2))), /keyUsage with nonRepudiation, keyEncipherment/],
      [
        asking(extension(oids.extKeyUsage, der.sequence(der.oid('1.3.6.1.5.5.7.3.1')))),
        /extendedKeyUsage with serverAuth/,
      ],
      [asking(extension(oids.basicConstraints, der.sequence(der.boolean(true)))), /basicConstraints with CA:TRUE/],
      [asking(extension(oids.subjectAltName, der.sequence(der.encode(der.primitive(2))))), /other names than URI:urn:/],
      [
        asking(extension(der.oid('1.3.6.1.5.5.7.1.24'), der.sequence())),
        /the extension tlsfeature, which devices do not get/,
      ],
      [asking(extension(der.oid('1.2.3.4'), der.sequence())), /the extension 1\.2\.3\.4, which/],
    ];
    for (const [text, what] of cases) expect(verdict(text)?.message).toMatch(what);
  });

  it('refuses every bad one with bad-csr or bad-key', () => {
    for (const [what, text] of badCsrs()) expect(['bad-csr', 'bad-key'], what).toContain(verdict(text)?.code);
  });
});

const runs = Number(process.env['CSR_MUTATIONS'] ?? 10_000);

/** Octets of a request with some changed, put in, left out or copied from elsewhere in it. */
const bent = (good: Buffer) =>
  fc
    .array(fc.tuple(fc.nat(good.length - 1), fc.constantFrom('flip', 'cut', 'put', 'copy'), fc.nat(255)), {
      minLength: 1,
      maxLength: 4,
    })
    .map((changes) =>
      changes.reduce((bytes, [at, what, value]) => {
        const [head, tail] = [bytes.subarray(0, at), bytes.subarray(at)];
        if (what === 'flip')
          return Buffer.concat([head, Buffer.from([(tail[0] ?? 0) ^ (value || 1)]), tail.subarray(1)]);
        if (what === 'cut') return Buffer.concat([head, tail.subarray(1 + (value % 8))]);
        if (what === 'put') return Buffer.concat([head, Buffer.from([value]), tail]);
        return Buffer.concat([head, bytes.subarray(value % (bytes.length + 1)).subarray(0, 16), tail]);
      }, good),
    );

describe(`parseCsr, fuzzed ${runs} times`, () => {
  const asked = csrDer({ key, extensions: [extension(oids.keyUsage, der.namedBits(0), true)] });
  const sources = [
    asked,
    csrDer({ key: rsaKey }),
    pss('sha256', 32),
    csrDer({ key: generateKeyPairSync('ed25519').privateKey }),
  ];

  it('takes no request whose octets were changed, and throws nothing but bad-csr and bad-key', () => {
    const property = fc.property(
      fc.nat(sources.length - 1).chain((n) => bent(sources[n]!).map((bytes) => ({ good: sources[n]!, bytes }))),
      ({ good, bytes }) => {
        const refusal = verdict(pem(bytes));
        // The parameters of RSA and ECDSA are not signed, nor is how a signature is written: a reader may take those.
        if (!refusal) return readKey(bytes).equals(readKey(good));
        return refusal.code === 'bad-csr' || refusal.code === 'bad-key';
      },
    );
    fc.assert(property, { numRuns: runs });
  });

  it('throws nothing else for text that was bent, or that is only like PEM', () => {
    const text = pem(asked);
    const piece = fc.constantFrom(
      '-----BEGIN ',
      '-----',
      '-----END ',
      'CERTIFICATE REQUEST',
      '\r\n',
      ' ',
      '=',
      'MII',
      text,
    );
    const like = fc
      .array(fc.oneof(piece, fc.string({ maxLength: 20 })), { maxLength: 20 })
      .map((parts) => parts.join(''));
    const cut = fc.tuple(fc.nat(text.length), fc.nat(20), fc.string({ maxLength: 5, unit: 'binary' }));
    const changed = cut.map(([at, count, put]) => text.slice(0, at) + put + text.slice(at + count));
    fc.assert(
      fc.property(fc.oneof(like, changed), (each) => ['bad-csr', 'bad-key', undefined].includes(verdict(each)?.code)),
      { numRuns: runs },
    );
  });
});

const readKey = (bytes: Buffer): Buffer => {
  const [info] = der.members(der.readOne(bytes), der.tags.sequence);
  return info!.bytes;
};

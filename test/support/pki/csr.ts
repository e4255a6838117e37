import { createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { decodeCsr, parseCsrDer, requireProfile } from '../../../src/pki/csr/csr.js';
import * as der from '../../../src/pki/der.js';
import { oids } from '../../../src/pki/oid.js';

type CsrOptions = {
  key?: KeyObject;
  subject?: Buffer;
  extensions?: Buffer[];
  attributes?: Buffer;
  version?: number;
  spki?: Buffer;
  algorithm?: Buffer;
};

export const newKey = (): KeyObject => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;

/** The DER of a PKCS#10 request, every part of which a test may bend. */
export function csrDer(options: CsrOptions = {}): Buffer {
  const key = options.key ?? newKey();
  const request =
    options.extensions && der.sequence(oids.extensionRequest, der.set(der.sequence(...options.extensions)));
  const info = der.sequence(
    der.integer(options.version ?? 0),
    options.subject ?? der.sequence(),
    options.spki ?? createPublicKey(key).export({ type: 'spki', format: 'der' }),
    options.attributes ?? der.encode(der.constructed(0), ...(request ? [request] : [])),
  );
  const { hash, algorithm } = schemeOf(key);
  return der.sequence(info, options.algorithm ?? algorithm, der.bitString(sign(hash, info, key)));
}

export const csrPem = (options: CsrOptions = {}): string => pem(csrDer(options));

export function pem(bytes: Uint8Array): string {
  const lines = Buffer.from(bytes)
    .toString('base64')
    .replace(/(.{64})(?!$)/g, '$1\n');
  return `-----BEGIN CERTIFICATE REQUEST-----\n${lines}\n-----END CERTIFICATE REQUEST-----\n`;
}

function schemeOf(key: KeyObject): { hash: string | null; algorithm: Buffer } {
  if (key.asymmetricKeyType === 'ed25519') return { hash: null, algorithm: der.sequence(oids.ed25519) };
  if (key.asymmetricKeyType === 'rsa')
    return { hash: 'sha256', algorithm: der.sequence(oids.sha256WithRsa, der.nullValue()) };
  return { hash: 'sha256', algorithm: der.sequence(oids.ecdsaWithSha256) };
}

/** What first boot and renewal do with the text of a request. @throws DomainError `bad-csr` or `bad-key` */
export function parseCsr(text: string, uri: string) {
  const bytes = decodeCsr(text);
  const csr = parseCsrDer(bytes);
  requireProfile(csr, uri);
  return { ...csr, der: bytes };
}

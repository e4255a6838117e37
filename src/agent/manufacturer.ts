import { createHash, createPrivateKey, randomUUID, sign, X509Certificate, type KeyObject } from 'node:crypto';
import { readPem } from '../pki/pem.js';
import { UsageError } from './errors.js';
import { schemeOf } from './jws.js';

/** What a manufacturer put on the device, in PEM: its certificate with the CAs between behind it, and its key. */
export type ManufacturerCertificate = { certificate: string; key: string };

type For = {
  server: string;
  enrollment: string;
  csr: string;
  /** By the clock of the server, in seconds since 1970. */
  at: number;
};

const lifeSeconds = 120;

/** A JWT of typ provision+jwt, for one request to a server. @throws AgentError when certificate or key cannot be used */
export function provisionProof({ certificate, key }: ManufacturerCertificate, asked: For): string {
  const { server, enrollment, csr, at } = asked;
  const privateKey = readKey(key);
  const x5c = readChain(certificate, privateKey);
  const csr_sha256 = createHash('sha256').update(readPem(csr)[0]!.der).digest('base64url');
  const claims = { aud: server, iat: at, exp: at + lifeSeconds, jti: randomUUID(), enrollment, csr_sha256 };
  const { alg, hash } = schemeOf(privateKey);
  const parts = [{ alg, typ: 'provision+jwt', x5c }, claims];
  const text = parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  const signature = sign(hash, Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  return `${text}.${signature.toString('base64url')}`;
}

function readKey(pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (error) {
    throw new UsageError(`the manufacturer's key cannot be read (${(error as Error).message}): give it as PEM`);
  }
}

function readChain(pem: string, key: KeyObject): string[] {
  try {
    const blocks = readPem(pem).filter(({ label }) => label === 'CERTIFICATE');
    if (new X509Certificate(blocks[0]!.der).checkPrivateKey(key))
      return blocks.map(({ der }) => der.toString('base64'));
  } catch (error) {
    throw new UsageError(`the manufacturer's certificate cannot be read (${(error as Error).message}): give it as PEM`);
  }
  throw new UsageError("the manufacturer's key is not that of its certificate, which has to be the first in its file");
}

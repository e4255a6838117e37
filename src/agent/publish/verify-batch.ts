import { X509Certificate } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { verifyDetached } from '../jws.js';

/** What a signed batch says of itself. */
export type Verified = { id: string; thing: string; serialNumber: string; signedAt: string; messages: number };

const mostOctets = 256 * 1024 * 1024;

/** What is in a batch that the key of a certificate (PEM) signed while it was valid. @throws Error that says what is wrong */
export function verifyBatch(octets: Buffer, jws: string, pem: string): Verified {
  const certificate = new X509Certificate(pem);
  const { id, iat } = verifyDetached(jws, octets, certificate);
  const [from, to] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)];
  if (iat * 1000 < from || iat * 1000 > to)
    throw new Error(`it says that it was signed at ${timeOf(iat)}, when the certificate was not valid`);
  const text = gunzipSync(octets, { maxOutputLength: mostOctets }).toString('utf8');
  const messages = text.split('\n').filter((line) => line !== '').length;
  const serialNumber = certificate.serialNumber.toLowerCase();
  return { id, thing: thingOf(certificate), serialNumber, signedAt: timeOf(iat), messages };
}

/** `urn:thingward:ACCOUNT:THING` in the certificate. */
function thingOf({ subjectAltName = '' }: X509Certificate): string {
  const [, account, name] = /URI:urn:thingward:([^:,]+):([^:,]+)/.exec(subjectAltName) ?? [];
  if (account === undefined) throw new Error('the certificate is not one of a thing');
  return `${account}/${name}`;
}

function timeOf(seconds: number): string {
  const time = new Date(seconds * 1000);
  return Number.isNaN(time.getTime()) ? 'no time' : time.toISOString();
}

import { hash, randomBytes, X509Certificate, type KeyObject } from 'node:crypto';
import * as der from '../pki/der.js';
import { keyIdentifier } from '../pki/issuer.js';
import { oids } from '../pki/oid.js';
import { readPem } from '../pki/pem.js';
import { serialDigits } from '../pki/serial-number.js';

/** A certificate authority as an outsider knows it. */
export type Authority = {
  /** What it is called in URLs. */
  id: string;
  certificate: X509Certificate;
  key: KeyObject;
  subject: Buffer;
  /** Lower-case hex, 40 digits. */
  serialNumber: string;
  subjectPublicKey: Buffer;
};

/** The authorities of a PEM chain. @throws Error when it is none */
export function readChain(pem: string): Authority[] {
  const blocks = readPem(pem);
  if (blocks.length === 0) throw new Error('there is no certificate in the chain');
  return blocks.map((block) => {
    const certificate = new X509Certificate(block.der);
    const [tbs] = der.members(der.readOne(certificate.raw), der.tags.sequence);
    const fields = der.members(tbs, der.tags.sequence);
    const spki = der.members(fields[6], der.tags.sequence);
    const subjectPublicKey = der.contentOf(spki[1], der.tags.bitString).subarray(1);
    return {
      id: keyIdentifier(subjectPublicKey).toString('hex').slice(0, 16),
      certificate,
      key: certificate.publicKey,
      subject: fields[5]!.bytes,
      serialNumber: serialDigits(certificate.serialNumber),
      subjectPublicKey,
    };
  });
}

/** An OCSP request about certificates of one authority, by SHA-256 (RFC 6960 §4.1.1). */
export function encodeOcspRequest({ subject, subjectPublicKey }: Authority, serialNumbers: string[]): Buffer {
  const sha256 = (bytes: Buffer) => der.octetString(hash('sha256', bytes, 'buffer'));
  const requests = serialNumbers.map((serialNumber) =>
    der.sequence(
      der.sequence(
        der.sequence(oids.sha256, der.nullValue()),
        sha256(subject),
        sha256(subjectPublicKey),
        der.integer(Buffer.from(serialNumber, 'hex')),
      ),
    ),
  );
  return der.sequence(der.sequence(der.sequence(...requests)));
}

/** A serial number that nobody was given. */
export function neverIssued(): string {
  return `01${randomBytes(19).toString('hex')}`;
}

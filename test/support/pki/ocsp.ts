import { hash, X509Certificate } from 'node:crypto';
import * as der from '../../../src/pki/der.js';
import { readAuthority } from '../../../src/pki/issuer.js';
import { oids } from '../../../src/pki/oid.js';

/** An OCSP request of SHA-1 for one serial number, without a nonce; the hashes are those of an issuer, or any others. */
export function ocspRequest(issuer: string | { name: Buffer; key: Buffer }, serialNumber: string): Buffer {
  const { name, key } = typeof issuer === 'string' ? hashesOf(issuer) : issuer;
  const certId = der.sequence(
    der.sequence(oids.sha1, der.nullValue()),
    der.octetString(name),
    der.octetString(key),
    der.integer(BigInt(`0x${serialNumber}`)),
  );
  return der.sequence(der.sequence(der.sequence(der.sequence(certId))));
}

function hashesOf(issuerPem: string): { name: Buffer; key: Buffer } {
  const { subject, subjectPublicKey } = readAuthority(new X509Certificate(issuerPem).raw);
  return { name: hash('sha1', subject, 'buffer'), key: hash('sha1', subjectPublicKey, 'buffer') };
}

/** What an answer says about its one certificate. */
export function ocspStatus(response: Buffer): 'good' | 'revoked' | 'unknown' | 'unauthorized' | 'other' {
  const [status, bytes] = der.members(der.readOne(response), der.tags.sequence);
  if (!bytes) return der.contentOf(status, der.tags.enumerated)[0] === 6 ? 'unauthorized' : 'other';
  const [, octets] = der.members(der.members(bytes, der.constructed(0))[0], der.tags.sequence);
  const [data] = der.members(der.readOne(der.contentOf(octets, der.tags.octetString)), der.tags.sequence);
  const [, , responses] = der.members(data, der.tags.sequence);
  const [single] = der.members(responses, der.tags.sequence);
  const [, said] = der.members(single, der.tags.sequence);
  if (said?.tag === der.primitive(0)) return 'good';
  return said?.tag === der.constructed(1) ? 'revoked' : 'unknown';
}

import { hash } from 'node:crypto';
import { reasonCodes, type RevocationReason } from './crl.js';
import * as der from './der.js';
import {
  authorityKeyId,
  extension,
  keyIdentifier,
  name,
  type AuthorityNames,
  type Issuer,
  type Validity,
} from './issuer.js';
import { oids } from './oid.js';
import { createSerialNumber, serialDigits } from './serial-number.js';
import { signed, type Signer } from './signer.js';

/** What requests may name an issuer by. */
export const ocspHashes = ['sha1', 'sha256', 'sha384', 'sha512'] as const;

/** The hashes by which a request may name an issuer. */
export type OcspHash = (typeof ocspHashes)[number];

/** A certificate as a request names it: its issuer by two hashes, and its serial number (RFC 6960 §4.1.1). */
export type CertId = {
  /** To be repeated in the answer, byte for byte. */
  bytes: Buffer;
  /** Undefined for a hash that is not known here: it names no issuer of Thingward. */
  hash: OcspHash | undefined;
  /** Hashes of the issuer's name and key, lower-case hex. */
  issuerName: string;
  issuerKey: string;
  /** Lower-case hex, 40 digits where Thingward issued it. */
  serialNumber: string;
};

type OcspRequest = { certIds: CertId[]; nonce: Buffer | undefined };

/** What an answer says of a certificate (RFC 6960 §4.2.1). */
export type CertStatus =
  { status: 'good' } | { status: 'unknown' } | { status: 'revoked'; revokedAt: Date; reason: RevocationReason };

/** Who signs answers for an issuer: a separate key with a certificate of that issuer. */
export type Responder = { issuer: Issuer; certificateDer: Buffer; notAfter: Date; signer: Signer };

/** Nobody who asks has shown who he is: the work of one request is limited. */
export const mostCertIds = 20;
// RFC 9654 §2.1: a nonce of 0 or more than 128 octets is malformed.
const mostNonceOctets = 128;

/** Reads a request. Its signature, if it has one, is not looked at. Undefined when it is malformed. */
export function parseOcspRequest(bytes: Buffer): OcspRequest | undefined {
  try {
    const [tbs, signature, ...more] = der.members(der.readOne(bytes), der.tags.sequence);
    if (more.length > 0 || (signature && signature.tag !== der.constructed(0))) return undefined;
    const parts = der
      .members(tbs, der.tags.sequence)
      .filter(({ tag }) => tag !== der.constructed(0) && tag !== der.constructed(1));
    const requests = der.members(parts[0], der.tags.sequence);
    const nonce = parts[1] && readNonce(parts[1]);
    if (requests.length === 0 || requests.length > mostCertIds || nonce === 'malformed') return undefined;
    return { certIds: requests.map(readCertId), nonce };
  } catch (error) {
    if (error instanceof der.DerError) return undefined;
    throw error;
  }
}

function readCertId(request: der.Value): CertId {
  const [certId] = der.members(request, der.tags.sequence);
  const [algorithm, issuerName, issuerKey, serial] = der.members(certId, der.tags.sequence);
  const [id] = der.members(algorithm, der.tags.sequence);
  return {
    bytes: certId!.bytes,
    hash: ocspHashes.find((each) => id?.bytes.equals(oids[each])),
    issuerName: der.contentOf(issuerName, der.tags.octetString).toString('hex'),
    issuerKey: der.contentOf(issuerKey, der.tags.octetString).toString('hex'),
    serialNumber: serialDigits(der.contentOf(serial, der.tags.integer).toString('hex')),
  };
}

function readNonce(extensions: der.Value): Buffer | 'malformed' | undefined {
  const [list] = der.members(extensions, der.constructed(2));
  for (const each of der.members(list, der.tags.sequence)) {
    const parts = der.members(each, der.tags.sequence);
    if (!parts[0]?.bytes.equals(oids.ocspNonce)) continue;
    const nonce = der.contentOf(der.readOne(der.contentOf(parts.at(-1), der.tags.octetString)), der.tags.octetString);
    return nonce.length === 0 || nonce.length > mostNonceOctets ? 'malformed' : nonce;
  }
  return undefined;
}

/** How a request names an issuer: hashes of its subject and of its key's bits. */
export function issuerHashes(
  { subject, subjectPublicKey }: AuthorityNames,
  algorithm: OcspHash,
): { name: string; key: string } {
  return { name: hash(algorithm, subject), key: hash(algorithm, subjectPublicKey) };
}

/** A certificate for a responder of `issuer`: it may sign OCSP answers, and nobody need check it (RFC 6960 §4.2.2.2). */
export function issueResponder(issuer: Issuer, validity: Validity, signer: Signer): Responder {
  const notAfter = validity.notAfter < issuer.notAfter ? validity.notAfter : issuer.notAfter;
  const subjectKeyId = keyIdentifier(signer.publicKey.subjectPublicKey);
  const extensions = der.sequence(
    extension(oids.keyUsage, der.namedBits(0), true),
    extension(oids.extKeyUsage, der.sequence(oids.ocspSigning)),
    extension(oids.basicConstraints, der.sequence(), true),
    extension(oids.ocspNoCheck, der.nullValue()),
    extension(oids.subjectKeyIdentifier, der.octetString(subjectKeyId)),
    authorityKeyId(issuer),
  );
  const tbs = der.sequence(
    der.encode(der.constructed(0), der.integer(2)),
    der.encode(der.tags.integer, createSerialNumber()),
    issuer.signer.algorithm,
    issuer.subject,
    der.sequence(der.time(validity.notBefore), der.time(notAfter)),
    name([oids.commonName, `Thingward OCSP responder ${subjectKeyId.toString('hex').slice(0, 16)}`]),
    signer.publicKey.spki,
    der.encode(der.constructed(3), extensions),
  );
  return { issuer, certificateDer: signed(tbs, issuer.signer), notAfter, signer };
}

type Answered = { certId: CertId; status: CertStatus };

/** A signed answer (RFC 6960 §4.2.1), good from `thisUpdate` to `nextUpdate`. */
export function encodeOcspResponse(
  { signer, certificateDer }: Responder,
  answered: Answered[],
  { thisUpdate, nextUpdate, nonce }: { thisUpdate: Date; nextUpdate: Date; nonce: Buffer | undefined },
): Buffer {
  const singles = answered.map(({ certId, status }) =>
    der.sequence(
      certId.bytes,
      encodeStatus(status),
      der.generalizedTime(thisUpdate),
      der.encode(der.constructed(0), der.generalizedTime(nextUpdate)),
    ),
  );
  const responderId = der.encode(der.constructed(2), der.octetString(keyIdentifier(signer.publicKey.subjectPublicKey)));
  const tbs = der.sequence(
    responderId,
    der.generalizedTime(thisUpdate),
    der.sequence(...singles),
    ...(nonce ? [der.encode(der.constructed(1), der.sequence(extension(oids.ocspNonce, der.octetString(nonce))))] : []),
  );
  const basic = der.sequence(
    tbs,
    signer.algorithm,
    der.bitString(signer.sign(tbs)),
    der.encode(der.constructed(0), der.sequence(certificateDer)),
  );
  return responseOf(0, der.encode(der.constructed(0), der.sequence(oids.ocspBasic, der.octetString(basic))));
}

/** Answers that nobody signs (RFC 6960 §4.2.1). */
export const unsignedResponses = {
  malformedRequest: responseOf(1),
  unauthorized: responseOf(6),
};

function responseOf(status: number, ...bytes: Buffer[]): Buffer {
  return der.sequence(der.encode(der.tags.enumerated, Buffer.from([status])), ...bytes);
}

function encodeStatus(status: CertStatus): Buffer {
  if (status.status === 'good') return der.encode(der.primitive(0));
  if (status.status === 'unknown') return der.encode(der.primitive(2));
  const code = reasonCodes[status.reason];
  const reason =
    code === 0 ? [] : [der.encode(der.constructed(0), der.encode(der.tags.enumerated, Buffer.from([code])))];
  return der.encode(der.constructed(1), der.generalizedTime(status.revokedAt), ...reason);
}

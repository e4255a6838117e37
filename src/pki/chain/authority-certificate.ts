import { X509Certificate } from 'node:crypto';
import * as der from '../der.js';
import { oids } from '../oid.js';
import { serialDigits } from '../serial-number.js';
import { signatureAlgorithms } from './signature-algorithms.js';
import { refuseChain } from './refusal.js';

/** The certificate of an authority that was signed elsewhere, as its extensions are judged. Nothing of it is believed yet. */
export type AuthorityCertificate = {
  der: Buffer;
  x509: X509Certificate;
  /** Names, byte for byte. */
  subject: Buffer;
  issuer: Buffer;
  spki: Buffer;
  notBefore: Date;
  notAfter: Date;
  isCa: boolean;
  /** How many CAs may follow below; undefined for any number. */
  pathLength: number | undefined;
  signsCertificates: boolean;
  signsLists: boolean;
  /** What it may be used for; undefined for everything. */
  usages: Buffer[] | undefined;
  nameConstraints: Buffer | undefined;
  subjectKeyId: Buffer | undefined;
  authorityKeyId: Buffer | undefined;
  /** As lists name it. */
  serialNumber: string;
  /** The OID of the algorithm that it is signed with. */
  signatureAlgorithm: Buffer;
  /** Undefined where it has no keyUsage. */
  signsDigitally: boolean | undefined;
  subjectAltName: Buffer | undefined;
};

// RFC 5280 §4.2: what is critical and unknown refuses the certificate. Policies are not judged, because devices name none.
const judged = new Set(
  [
    oids.basicConstraints,
    oids.keyUsage,
    oids.extKeyUsage,
    oids.nameConstraints,
    oids.subjectKeyIdentifier,
    oids.authorityKeyIdentifier,
    oids.crlDistributionPoints,
    oids.authorityInfoAccess,
    oids.subjectAltName,
    oids.certificatePolicies,
  ].map((id) => id.toString('hex')),
);

const signatures = new Set([...signatureAlgorithms.keys(), oids.rsaPss.toString('hex')]);

const leastRsaBits = 2048;
const mostExtensions = 64;

/** Reads the certificate of an authority. @throws DomainError `bad-chain` */
export function readAuthorityCertificate(bytes: Buffer): AuthorityCertificate {
  try {
    return read(bytes, new X509Certificate(bytes));
  } catch (error) {
    if (error instanceof der.DerError) throw refuseChain(`it is ${error.message}: export it again`);
    if (error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_OSSL'))
      throw refuseChain('it is not a certificate that OpenSSL can read: export it again');
    throw error;
  }
}

function read(bytes: Buffer, x509: X509Certificate): AuthorityCertificate {
  const [tbs, algorithm] = der.members(der.readOne(bytes), der.tags.sequence);
  const [version, serial, , issuer, , subject, spki, ...rest] = der.members(tbs, der.tags.sequence);
  const named = `"${shown(x509.subject)}"`;
  if (version?.bytes.toString('hex') !== 'a003020102') throw refuseChain(`${named} is not of version 3: make it again`);
  const signatureAlgorithm = der.members(algorithm, der.tags.sequence)[0]!;
  requireStrong(x509, signatureAlgorithm, named);
  const list = rest.find(({ tag }) => tag === der.constructed(3));
  const extensions = list ? readExtensions(list, named) : new Map<string, Buffer>();
  const value = (id: Buffer): der.Value | undefined => {
    const found = extensions.get(id.toString('hex'));
    return found && der.readOne(found);
  };
  const usage = value(oids.keyUsage);
  const bits = usage ? (der.contentOf(usage, der.tags.bitString)[1] ?? 0) : 0;
  const purposes = value(oids.extKeyUsage);
  const keyId = value(oids.subjectKeyIdentifier);
  return {
    der: bytes,
    x509,
    subject: subject!.bytes,
    issuer: issuer!.bytes,
    spki: spki!.bytes,
    notBefore: new Date(x509.validFrom),
    notAfter: new Date(x509.validTo),
    ...readBasicConstraints(value(oids.basicConstraints)),
    signsCertificates: (bits & 0x04) !== 0,
    signsLists: (bits & 0x02) !== 0,
    usages: purposes && der.members(purposes, der.tags.sequence).map((each) => each.bytes),
    nameConstraints: extensions.get(oids.nameConstraints.toString('hex')),
    subjectKeyId: keyId && der.contentOf(keyId, der.tags.octetString),
    authorityKeyId: readAuthorityKeyId(value(oids.authorityKeyIdentifier)),
    serialNumber: serialDigits(der.contentOf(serial, der.tags.integer).toString('hex')),
    signatureAlgorithm: signatureAlgorithm.bytes,
    signsDigitally: usage && (bits & 0x80) !== 0,
    subjectAltName: extensions.get(oids.subjectAltName.toString('hex')),
  };
}

function requireStrong({ publicKey }: X509Certificate, { bytes }: der.Value, named: string): void {
  if (!signatures.has(bytes.toString('hex')))
    throw refuseChain(`${named} is signed with an algorithm that is not accepted: use SHA-256 or better`);
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = publicKey;
  if (!['rsa', 'ec', 'ed25519'].includes(type ?? ''))
    throw refuseChain(`${named} has a key of the kind ${type}: use RSA, EC or Ed25519`);
  if (type === 'rsa' && (details?.modulusLength ?? 0) < leastRsaBits)
    throw refuseChain(`${named} has an RSA key of ${details?.modulusLength} bits: use ${leastRsaBits} or more`);
}

function readExtensions(list: der.Value, named: string): Map<string, Buffer> {
  const found = new Map<string, Buffer>();
  const [all] = der.members(list, der.constructed(3));
  const each = der.members(all, der.tags.sequence);
  if (each.length > mostExtensions) throw refuseChain(`${named} has more than ${mostExtensions} extensions`);
  for (const extension of each) {
    const parts = der.members(extension, der.tags.sequence);
    const id = parts[0]!;
    const key = id.bytes.toString('hex');
    const isCritical = parts.length === 3 && parts[1]!.content[0] !== 0;
    const name = der.dottedOid(der.contentOf(id, der.tags.oid));
    if (found.has(key)) throw refuseChain(`${named} has the extension ${name} twice: make it again`);
    if (isCritical && !judged.has(key))
      throw refuseChain(`${named} has the critical extension ${name}, which is not known here: make it without`);
    found.set(key, der.contentOf(parts.at(-1), der.tags.octetString));
  }
  return found;
}

/** BasicConstraints ::= SEQUENCE { cA BOOLEAN DEFAULT FALSE, pathLenConstraint INTEGER OPTIONAL } (RFC 5280 §4.2.1.9). */
function readBasicConstraints(value: der.Value | undefined): { isCa: boolean; pathLength: number | undefined } {
  if (!value) return { isCa: false, pathLength: undefined };
  const [first, second] = der.members(value, der.tags.sequence);
  const isCa = first?.tag === der.tags.boolean && first.content[0] !== 0;
  if (!second) return { isCa, pathLength: undefined };
  const content = der.contentOf(second, der.tags.integer);
  // What is longer than two octets allows more than there can be.
  return { isCa, pathLength: content.length > 2 ? undefined : content.readUIntBE(0, content.length) };
}

function readAuthorityKeyId(value: der.Value | undefined): Buffer | undefined {
  if (!value) return undefined;
  return der.members(value, der.tags.sequence).find(({ tag }) => tag === der.primitive(0))?.content;
}

/** A subject for a message: one line, and short. */
export function shown(subject: string): string {
  return subject.replaceAll('\n', ', ').slice(0, 200);
}

import { X509Certificate } from 'node:crypto';
import { shown, type AuthorityCertificate, readAuthorityCertificate } from '../chain/authority-certificate.js';
import { certificatesIn, isSignedBy, requireFit } from '../chain/chain.js';
import { refuseChain } from '../chain/refusal.js';
import * as der from '../der.js';
import { oids } from '../oid.js';
import { PemError, readCertificate } from '../pem.js';
import { signatureAlgorithms } from '../chain/signature-algorithms.js';
import { textsOf } from './names.js';

/** A manufacturer's authority: its own certificate, and those above it as far as they are known. */
export type Anchor = { own: AuthorityCertificate; above: AuthorityCertificate[] };

const curves = new Set(['prime256v1', 'secp384r1', 'secp521r1']);

/**
 * Reads the certificate of a manufacturer's authority from PEM, with those above it, in any order. The lowest is the one whose devices are
 * meant. It need not end in a root. @throws DomainError `bad-chain`
 */
export function readAnchor(pem: string, at: Date): Anchor {
  const given = certificatesIn(pem);
  const lowest = given.filter((each) => !given.some((other) => other !== each && isSignedBy(other, each)));
  const [own] = lowest;
  if (!own) throw refuseChain('its certificates signed each other: send one authority, and those above it');
  if (lowest.length > 1) throw refuseChain('it holds several authorities: make an enrollment for each of them');
  const anchor = { own, above: aboveOf(own, given) };
  if (1 + anchor.above.length < given.length)
    throw refuseChain('a certificate does not belong to the chain: leave it out');
  requireAnchor(anchor, 0, at);
  return anchor;
}

/** An authority as it was stored, its own certificate first. */
export function restoreAnchor([own, ...above]: Buffer[]): Anchor {
  return { own: readAuthorityCertificate(own!), above: above.map(readAuthorityCertificate) };
}

function aboveOf(own: AuthorityCertificate, given: AuthorityCertificate[]): AuthorityCertificate[] {
  const chain = [own];
  for (let next: AuthorityCertificate | undefined = own; next;) {
    const last: AuthorityCertificate = next;
    next = given.find((each) => !chain.includes(each) && isSignedBy(last, each));
    if (next) chain.push(next);
  }
  return chain.slice(1);
}

/** Refuses an authority that may not sign for devices now; `below` is how many CAs are between it and a device. @throws DomainError `bad-chain` */
export function requireAnchor({ own, above }: Anchor, below: number, at: Date): void {
  [own, ...above].forEach((each, height) => requireAuthority(each, below + height, at));
}

/** Refuses what may not sign below a manufacturer's authority. @throws DomainError `bad-chain` */
export function requireAuthority(certificate: AuthorityCertificate, height: number, at: Date): void {
  const { x509, signatureAlgorithm } = certificate;
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = x509.publicKey;
  requireFit(certificate, height, at);
  refusePss(signatureAlgorithm, `"${shown(x509.subject)}"`);
  if (type === 'ec' && !curves.has(details?.namedCurve ?? ''))
    throw refuseChain(`"${shown(x509.subject)}" has a key on ${details?.namedCurve}: use P-256, P-384 or P-521`);
}

/** RSA-PSS says its hash in parameters that readers judge differently. @throws DomainError `bad-chain` */
export function refusePss(signatureAlgorithm: Buffer, named: string): void {
  if (signatureAlgorithm.equals(oids.rsaPss))
    throw refuseChain(`${named} is signed with RSA-PSS: use RSA with PKCS #1 v1.5, or ECDSA`);
}

/** Whether a certificate in PEM proves that somebody has the key of an authority: it signed a certificate whose CN is `code`. */
export function provesKey(pem: string, { own }: Anchor, code: string, at: Date): boolean {
  try {
    const bytes = readCertificate(pem);
    const x509 = new X509Certificate(bytes);
    const [tbs, algorithm] = der.members(der.readOne(bytes), der.tags.sequence);
    const [id] = der.members(algorithm, der.tags.sequence);
    const fields = der.members(tbs, der.tags.sequence);
    // Version 1 has no version in it.
    const [, , issuer, , subject] = fields[0]?.tag === der.constructed(0) ? fields.slice(1) : fields;
    const [named, ...others] = textsOf(subject!.bytes, oids.commonName);
    const isInTime = new Date(x509.validFrom) <= at && new Date(x509.validTo) > at;
    const isOurs = named === code && others.length === 0 && issuer!.bytes.equals(own.subject);
    return isOurs && isInTime && signatureAlgorithms.has(id!.bytes.toString('hex')) && x509.verify(own.x509.publicKey);
  } catch (error) {
    if (isUnreadable(error)) return false;
    throw error;
  }
}

function isUnreadable(error: unknown): boolean {
  if (error instanceof der.DerError || error instanceof PemError) return true;
  return error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_OSSL');
}

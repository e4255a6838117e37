import { oids } from '../oid.js';
import { hasPem, PemError, readPem } from '../pem.js';
import { readAuthorityCertificate, shown, type AuthorityCertificate } from './authority-certificate.js';
import { deviceSubject, requireAllowedNames } from './name-constraints.js';
import { refuseChain } from './refusal.js';

/** An authority that was signed elsewhere, and those above it up to the root. */
export type AuthorityChain = { own: AuthorityCertificate; above: AuthorityCertificate[] };

type Expected = {
  /** The SubjectPublicKeyInfo of the key that is to sign. */
  spki: Buffer;
  account: string;
  at: Date;
};

const mostOctets = 65_536;
const mostCertificates = 10;
const anyUsage = Buffer.from('0604551d2500', 'hex');

/**
 * Reads the certificate for a key from PEM, with every certificate above it, in any order, and judges the chain as the readers of device
 * certificates will (RFC 5280 §6.1): signatures, dates, CA, path lengths, usages and name constraints.
 * @throws DomainError `bad-chain`
 */
export function readAuthorityChain(pem: string, { spki, account, at }: Expected): AuthorityChain {
  const given = certificatesIn(pem);
  const [own, ...others] = given.filter((each) => each.spki.equals(spki));
  if (!own) throw refuseChain('no certificate is for the key of the request: have the one of GET …/csr signed');
  if (others.length > 0) throw refuseChain('two certificates are for the key of the request: send one of them');
  const chain = chainFrom(own, given);
  if (chain.length === 1) throw refuseChain('it is signed by its own key: have the request signed by your root');
  if (chain.length < given.length) throw refuseChain('a certificate does not belong to the chain: leave it out');
  if (!own.signsLists) throw refuseChain('its keyUsage lacks cRLSign: add it, because this CA signs its own lists');
  chain.forEach((each, height) => requireFit(each, height, at));
  requireNames(chain, account);
  return { own, above: chain.slice(1) };
}

/** The certificates of authorities in PEM, at most 10. Nothing of them is believed yet. @throws DomainError `bad-chain` */
export function certificatesIn(pem: string): AuthorityCertificate[] {
  if (pem.length > mostOctets) throw refuseChain('it is larger than 64 KiB: send the chain alone');
  if (!hasPem(pem)) throw refuseChain('it is not PEM: send blocks of CERTIFICATE');
  const blocks = blocksOf(pem);
  if (blocks.some(({ label }) => label.endsWith('PRIVATE KEY')))
    throw refuseChain('a private key is beside it: keep that one where it is, and do not use it again');
  const certificates = blocks.filter(({ label }) => label === 'CERTIFICATE');
  if (certificates.length < blocks.length) throw refuseChain('it holds other blocks than CERTIFICATE: leave them out');
  if (blocks.length > mostCertificates)
    throw refuseChain(`it holds more than ${mostCertificates} certificates: send the chain alone`);
  return certificates.map(({ der }) => readAuthorityCertificate(der));
}

function blocksOf(pem: string) {
  try {
    return readPem(pem);
  } catch (error) {
    if (error instanceof PemError) throw refuseChain(`${error.message}: export it again`);
    throw error;
  }
}

/** From a certificate to the root that signed itself, each verified by the next. */
function chainFrom(own: AuthorityCertificate, given: AuthorityCertificate[]): AuthorityCertificate[] {
  const chain = [own];
  for (let last = own; !isSelfSigned(last);) {
    const next = given.find((each) => !chain.includes(each) && isSignedBy(last, each));
    if (!next)
      throw refuseChain(
        `nothing signed "${shown(last.x509.subject)}" as it is: send every certificate up to the root, each as it was issued`,
      );
    chain.push(next);
    last = next;
  }
  return chain;
}

function isSelfSigned(certificate: AuthorityCertificate): boolean {
  return isSignedBy(certificate, certificate);
}

/** Whether the key of one signed the other, by name, key id and signature. */
export function isSignedBy(child: AuthorityCertificate, by: AuthorityCertificate): boolean {
  if (!child.issuer.equals(by.subject)) return false;
  if (child.authorityKeyId && by.subjectKeyId && !child.authorityKeyId.equals(by.subjectKeyId)) return false;
  return child.x509.verify(by.x509.publicKey);
}

/** Refuses what may not sign here now; `height` is how many CAs are below it. @throws DomainError `bad-chain` */
export function requireFit(certificate: AuthorityCertificate, height: number, at: Date): void {
  const { isCa, pathLength, signsCertificates, usages, notBefore, notAfter, x509 } = certificate;
  const named = `"${shown(x509.subject)}"`;
  if (!isCa) throw refuseChain(`${named} is no CA: sign it with basicConstraints CA:TRUE`);
  if (!signsCertificates) throw refuseChain(`the keyUsage of ${named} lacks keyCertSign: add it`);
  if (pathLength !== undefined && pathLength < height)
    throw refuseChain(`the path length of ${named} is ${pathLength}, and ${height} CAs are below it: allow more`);
  if (!(notBefore <= at)) throw refuseChain(`${named} is not valid yet: wait until ${x509.validFrom}`);
  if (!(notAfter > at)) throw refuseChain(`${named} expired on ${x509.validTo}: renew it first`);
  if (usages && !usages.some((each) => each.equals(oids.clientAuth) || each.equals(anyUsage)))
    throw refuseChain(`the extKeyUsage of ${named} lacks clientAuth, which devices need: add it, or leave it out`);
}

function requireNames(chain: AuthorityCertificate[], account: string): void {
  chain.forEach(({ nameConstraints, x509 }, height) => {
    if (!nameConstraints) return;
    const below = chain.slice(0, height).map(({ subject }) => subject);
    requireAllowedNames(nameConstraints, [deviceSubject(account), ...below], `"${shown(x509.subject)}"`);
  });
}

import { readAuthorityCertificate, type AuthorityCertificate } from '../chain/authority-certificate.js';
import { isSignedBy } from '../chain/chain.js';
import { requireAllowedNames } from '../chain/name-constraints.js';
import * as der from '../der.js';
import { oids } from '../oid.js';
import { parsePublicKey, type PublicKey } from '../public-key.js';
import { refusePss, requireAnchor, requireAuthority, type Anchor } from './anchor.js';
import { alternativeNames } from './names.js';
import { judging, refuseDevice } from './refusal.js';

/** The certificate of a device that its manufacturer's authority vouches for. Lists were not asked yet. */
export type DeviceCertificate = AuthorityCertificate & {
  publicKey: PublicKey;
  /** The serial number of the certificate that the authority itself signed, its own or that of a CA between. */
  listedAs: string;
};

/** How many certificates a device may send, and how large each may be. */
export const mostSent = { certificates: 6, octets: 16_384 };

const anyUsage = Buffer.from('0604551d2500', 'hex');

/**
 * Judges the certificate that a device shows, with the CAs between it and the manufacturer's authority behind it in their order (RFC 5280 §6.1):
 * signatures, dates, CA and path lengths, usages, critical extensions, constraints of names. Each certificate is looked at once.
 * @throws DomainError `manufacturer-refused`
 */
export function requireDevice(anchor: Anchor, sent: Buffer[], at: Date): DeviceCertificate {
  return judging(() => {
    requireBounds(sent);
    const authorities = [anchor.own, ...anchor.above];
    const read = sent.map(readAuthorityCertificate);
    // Chains often end in the authority that is known already.
    const known = read.findIndex((each) => authorities.some((authority) => authority.der.equals(each.der)));
    const [device, ...between] = known < 0 ? read : read.slice(0, known);
    if (!device) throw refuseDevice('it is that of the authority itself: use the one of the device');
    const path = [device, ...between, ...authorities];
    requireSignatures(path, between.length + 1);
    between.forEach((each, height) => requireAuthority(each, height, at));
    requireAnchor(anchor, between.length, at);
    const publicKey = requireEnd(device, at);
    if (path.slice(1).some(({ spki }) => spki.equals(device.spki)))
      throw refuseDevice('its key is that of an authority: use the one of the device');
    path.forEach((each, height) => requireNames(each, path.slice(0, height)));
    return { ...device, publicKey, listedAs: path[between.length]!.serialNumber };
  });
}

function requireBounds(sent: Buffer[]): void {
  const { certificates, octets } = mostSent;
  if (sent.length > certificates)
    throw refuseDevice(`more than ${certificates} certificates came: send the chain alone`);
  if (sent.some(({ length }) => length > octets)) throw refuseDevice(`a certificate is larger than ${octets} octets`);
  // OpenSSL masks bits that are said to be unused: one certificate would have several forms.
  for (const each of sent) {
    const [, , signature] = der.members(der.readOne(each), der.tags.sequence);
    if (der.contentOf(signature, der.tags.bitString)[0] !== 0) throw refuseDevice('its signature is not whole octets');
  }
}

/** Those above the authority were judged when it was registered. */
function requireSignatures(path: AuthorityCertificate[], count: number): void {
  for (let n = 0; n < count; n++) {
    if (isSignedBy(path[n]!, path[n + 1]!)) continue;
    throw refuseDevice(
      'it does not lead to the authority of the enrollment: send every certificate between, each behind the one that it signed',
    );
  }
}

/** What a certificate of a device says of itself. */
function requireEnd(device: AuthorityCertificate, at: Date): PublicKey {
  const { isCa, signsCertificates, signsDigitally, usages, notBefore, notAfter, x509 } = device;
  if (isCa || signsCertificates) throw refuseDevice('it is that of an authority: use the one of the device');
  refusePss(device.signatureAlgorithm, 'it');
  if (!(notBefore <= at)) throw refuseDevice(`it is not valid before ${x509.validFrom}`);
  if (!(notAfter > at)) throw refuseDevice(`it expired on ${x509.validTo}`);
  if (signsDigitally === false) throw refuseDevice('its keyUsage lacks digitalSignature');
  if (usages && !usages.some((each) => each.equals(oids.clientAuth) || each.equals(anyUsage)))
    throw refuseDevice('its extKeyUsage lacks clientAuth');
  return parsePublicKey(device.spki);
}

/** Constraints of directory names are judged, and certificates with others refused (RFC 5280 §4.2.1.10). */
function requireNames({ nameConstraints }: AuthorityCertificate, below: AuthorityCertificate[]): void {
  if (!nameConstraints) return;
  const bases = der
    .members(der.readOne(nameConstraints), der.tags.sequence)
    .flatMap(({ content }) => der.readAll(content).map((tree) => der.members(tree, der.tags.sequence)[0]));
  if (bases.some((base) => base?.tag !== der.constructed(4)))
    throw refuseDevice('an authority constrains names that are not directory names, which are not judged here');
  const directories = below.flatMap(({ subjectAltName }) =>
    alternativeNames(subjectAltName).filter(({ tag }) => tag === der.constructed(4)),
  );
  const names = [...below.map(({ subject }) => subject), ...directories.map(({ content }) => content)];
  const isEmpty = (name: Buffer): boolean => der.contentOf(der.readOne(name), der.tags.sequence).length === 0;
  requireAllowedNames(
    nameConstraints,
    names.filter((name) => !isEmpty(name)),
    'an authority',
  );
}

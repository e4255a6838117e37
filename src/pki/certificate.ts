import { hash } from 'node:crypto';
import * as der from './der.js';
import {
  authorityKeyId,
  clamp,
  extension,
  keyIdentifier,
  name,
  pkiUrlExtensions,
  type Issuer,
  type PkiUrls,
  type Validity,
} from './issuer.js';
import { requireDeviceProfile } from './lint.js';
import { oids } from './oid.js';
import type { PublicKey } from './public-key.js';
import { createSerialNumber } from './serial-number.js';
import { signed } from './signer.js';

/** What distinguishes one device certificate from the next. */
export type DeviceCertificateRequest = {
  account: string;
  thingName: string;
  publicKey: PublicKey;
  validity: Validity;
  /** The certificate's place in its issuer's compact lists; never given twice by one issuer. */
  index: bigint;
};

/** A certificate that was issued to a device. */
export type DeviceCertificate = Validity & {
  /** Lower-case hex, 40 digits. */
  serialNumber: string;
  /** SHA-256 of the DER, lower-case hex. */
  fingerprint: string;
  index: bigint;
  der: Buffer;
};

/** Issues device certificates of one issuer. */
type CertificateIssuer = (request: DeviceCertificateRequest) => DeviceCertificate;

/** The SAN URI of a thing: `urn:thingward:account:thingName`. */
export function thingUri(account: string, thingName: string): string {
  return `urn:thingward:${account}:${thingName}`;
}

/** The URL of the list that a certificate is on, as its distribution point has it. */
export function crlUrlOf(certificateDer: Buffer): string {
  const [tbs] = der.members(der.readOne(certificateDer), der.tags.sequence);
  const [list] = der.readAll(der.contentOf(der.members(tbs, der.tags.sequence).at(-1), der.constructed(3)));
  const points = der
    .members(list, der.tags.sequence)
    .map((each) => der.members(each, der.tags.sequence))
    .find(([id]) => id!.bytes.equals(oids.crlDistributionPoints));
  // SEQUENCE { DistributionPoint { [0] { [0] { [6] url } } } }: one point with one URL.
  const [point] = der.members(der.readOne(der.contentOf(points?.at(-1), der.tags.octetString)), der.tags.sequence);
  const [name] = der.members(point, der.tags.sequence);
  const [fullName] = der.members(name, der.constructed(0));
  const [url] = der.members(fullName, der.constructed(0));
  return der.contentOf(url, der.primitive(6)).toString('latin1');
}

/**
 * Returns the function that signs device certificates under `issuer`: the profile of RFC 5280 with
 * everything that never changes encoded once. What it returns has passed the lint before it was signed.
 * Validity is clamped to the issuer's.
 */
export function createCertificateIssuer(issuer: Issuer, urls: PkiUrls): CertificateIssuer {
  const version = der.encode(der.constructed(0), der.integer(2));
  const usage = Buffer.concat([
    extension(oids.keyUsage, der.namedBits(0), true),
    extension(oids.extKeyUsage, der.sequence(oids.clientAuth)),
    extension(oids.basicConstraints, der.sequence(), true),
  ]);
  const whereabouts = Buffer.concat([authorityKeyId(issuer), ...pkiUrlExtensions(urls)]);

  return (request) => {
    const { account, thingName, publicKey, index } = request;
    const validity = clamp(request.validity, issuer);
    const serial = createSerialNumber();
    const extensions = der.sequence(
      usage,
      extension(
        oids.subjectAltName,
        der.sequence(der.encode(der.primitive(6), Buffer.from(thingUri(account, thingName)))),
      ),
      extension(oids.subjectKeyIdentifier, der.octetString(keyIdentifier(publicKey.subjectPublicKey))),
      whereabouts,
      extension(oids.issuerIndex, der.integer(index)),
    );
    const tbs = der.sequence(
      version,
      der.encode(der.tags.integer, serial),
      issuer.signer.algorithm,
      issuer.subject,
      der.sequence(der.time(validity.notBefore), der.time(validity.notAfter)),
      name([oids.organizationName, account], [oids.commonName, thingName]),
      publicKey.spki,
      der.encode(der.constructed(3), extensions),
    );
    requireDeviceProfile(tbs, { ...request, validity, delta: urls.delta }, issuer);
    const bytes = signed(tbs, issuer.signer);
    const fingerprint = hash('sha256', bytes);
    return { serialNumber: serial.toString('hex'), fingerprint, index, der: bytes, ...validity };
  };
}

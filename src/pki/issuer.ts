import { hash } from 'node:crypto';
import * as der from './der.js';
import { oids } from './oid.js';
import { createSerialNumber } from './serial-number.js';
import type { PublicKey } from './public-key.js';
import { signed, type Signer } from './signer.js';

/** A certificate authority that can sign: what the profile of its children needs to know about it. */
export type Issuer = {
  /** Names the issuer in URLs: the first 16 hex digits of its subject key identifier. */
  id: string;
  certificateDer: Buffer;
  /** Its subject Name, byte for byte as its children and lists must repeat it (RFC 5280 §4.1.2.4). */
  subject: Buffer;
  subjectKeyId: Buffer;
  notBefore: Date;
  notAfter: Date;
  signer: Signer;
};

/** Where the relying parties of an issuer's certificates look. Both are `http:` (RFC 5280 §8). */
export type PkiUrls = {
  crl: string;
  ocsp: string;
  /** Where the delta of the list at `crl` is. */
  delta?: string | undefined;
};

/** From when until when a certificate is valid; both instants belong to it (RFC 5280 §4.1.2.5). */
export type Validity = { notBefore: Date; notAfter: Date };

/** A self-signed root for an account. */
export function issueRoot(account: string, validity: Validity, signer: Signer): Issuer {
  const subject = authorityName(account, 'root CA', signer);
  return issueAuthority({ subject, validity, signer, pathLength: 1 });
}

/** An issuing CA under `root`, clamped to the root's validity. `urls` are the root's. */
export function issueIssuing(account: string, root: Issuer, urls: PkiUrls, validity: Validity, signer: Signer): Issuer {
  const subject = authorityName(account, 'issuing CA', signer);
  return issueAuthority({
    subject,
    validity: clamp(validity, root),
    signer,
    pathLength: 0,
    parent: { issuer: root, urls },
  });
}

/** The certificate (DER) of an issuing CA whose key is elsewhere, under `root`, with the URL of the root's list alone: nobody answers OCSP for it. */
export function issueUnder(
  account: string,
  root: Issuer,
  crl: string,
  validity: Validity,
  publicKey: PublicKey,
): Buffer {
  const subject = authorityName(account, 'issuing CA', { publicKey });
  return certify({
    subject,
    publicKey,
    validity: clamp(validity, root),
    pathLength: 0,
    by: root,
    urls: [extension(oids.crlDistributionPoints, der.sequence(der.sequence(distributionPoint(crl))))],
  });
}

/** Reads back an issuer that was stored. `signer` must hold its key. */
export function openIssuer(certificateDer: Buffer, validity: Validity, signer: Signer): Issuer {
  const [tbs] = der.members(der.readOne(certificateDer), der.tags.sequence);
  const parts = der.members(tbs, der.tags.sequence);
  const issuer = issuerOf(certificateDer, parts[5]!.bytes, validity, signer);
  // Others may have made the identifier of a key in another way (RFC 5280 §4.2.1.1: children repeat it).
  return { ...issuer, subjectKeyId: subjectKeyIdIn(parts.at(-1)!) ?? issuer.subjectKeyId };
}

function subjectKeyIdIn(extensions: der.Value): Buffer | undefined {
  if (extensions.tag !== der.constructed(3)) return undefined;
  const [list] = der.members(extensions, der.constructed(3));
  const found = der
    .members(list, der.tags.sequence)
    .map((each) => der.members(each, der.tags.sequence))
    .find(([id]) => id!.bytes.equals(oids.subjectKeyIdentifier));
  return found && der.contentOf(der.readOne(der.contentOf(found.at(-1), der.tags.octetString)), der.tags.octetString);
}

/** The id of the authority that has a key: the first 16 hex digits of its key identifier. */
export function issuerId(subjectPublicKey: Uint8Array): string {
  return keyIdentifier(subjectPublicKey).toString('hex').slice(0, 16);
}

/** The subject Name of a certificate and the Name of who signed it, byte for byte. */
export function namesIn(certificateDer: Buffer): { subject: Buffer; issuer: Buffer } {
  const [tbs] = der.members(der.readOne(certificateDer), der.tags.sequence);
  const parts = der.members(tbs, der.tags.sequence);
  return { subject: parts[5]!.bytes, issuer: parts[3]!.bytes };
}

/** What names an authority in OCSP requests: its subject, and the bits of its key. */
export type AuthorityNames = { subject: Buffer; subjectPublicKey: Uint8Array };

/** Reads the names of an authority from its certificate alone. */
export function readAuthority(certificateDer: Buffer): AuthorityNames {
  const [tbs] = der.members(der.readOne(certificateDer), der.tags.sequence);
  const parts = der.members(tbs, der.tags.sequence);
  const [, bits] = der.members(parts[6], der.tags.sequence);
  // The first octet says how many bits are unused: none.
  return { subject: parts[5]!.bytes, subjectPublicKey: der.contentOf(bits, der.tags.bitString).subarray(1) };
}

/** SHA-1 of the key's bits: method 1 of RFC 5280 §4.2.1.2. */
export function keyIdentifier(subjectPublicKey: Uint8Array): Buffer {
  return hash('sha1', subjectPublicKey, 'buffer');
}

/** `SEQUENCE { id, critical?, value }` (RFC 5280 §4.2). */
export function extension(id: Buffer, value: Uint8Array, critical = false): Buffer {
  return critical
    ? der.sequence(id, der.boolean(true), der.octetString(value))
    : der.sequence(id, der.octetString(value));
}

/** AuthorityKeyIdentifier with the key identifier alone. */
export function authorityKeyId(issuer: Pick<Issuer, 'subjectKeyId'>): Buffer {
  return extension(oids.authorityKeyIdentifier, der.sequence(der.encode(der.primitive(0), issuer.subjectKeyId)));
}

/** One CRL distribution point and one OCSP responder, and where the delta of the list is, if there is one. */
export function pkiUrlExtensions({ crl, ocsp, delta }: PkiUrls): Buffer[] {
  return [
    extension(oids.crlDistributionPoints, der.sequence(der.sequence(distributionPoint(crl)))),
    extension(oids.authorityInfoAccess, der.sequence(der.sequence(oids.ocsp, uri(ocsp)))),
    ...(delta === undefined ? [] : [freshestCrl(delta)]),
  ];
}

/** FreshestCRL: where the delta of a complete list is, in certificates (RFC 5280 §4.2.1.15) and in that list (§5.2.6). */
export function freshestCrl(url: string): Buffer {
  return extension(oids.freshestCrl, der.sequence(der.sequence(distributionPoint(url))));
}

/** A DistributionPointName of one URL: the same bytes in certificates (RFC 5280 §4.2.1.13) and lists (§5.2.5). */
export function distributionPoint(url: string): Buffer {
  return der.encode(der.constructed(0), der.encode(der.constructed(0), uri(url)));
}

function uri(url: string): Buffer {
  return der.encode(der.primitive(6), Buffer.from(url, 'latin1'));
}

/** A Name of single-valued RDNs, UTF8String, in the order given. */
export function name(...attributes: [type: Buffer, value: string][]): Buffer {
  return der.sequence(...attributes.map(([type, value]) => der.set(der.sequence(type, der.utf8String(value)))));
}

/** The part of a validity that lies within the one of its issuer. */
export function clamp(validity: Validity, issuer: Validity): Validity {
  return {
    notBefore: validity.notBefore < issuer.notBefore ? issuer.notBefore : validity.notBefore,
    notAfter: validity.notAfter > issuer.notAfter ? issuer.notAfter : validity.notAfter,
  };
}

type Authority = {
  subject: Buffer;
  validity: Validity;
  signer: Signer;
  pathLength: number;
  parent?: { issuer: Issuer; urls: PkiUrls };
};

function issueAuthority({ subject, validity, signer, pathLength, parent }: Authority): Issuer {
  const { publicKey } = signer;
  const by = parent?.issuer ?? { subject, subjectKeyId: keyIdentifier(publicKey.subjectPublicKey), signer };
  const urls = parent ? pkiUrlExtensions(parent.urls) : [];
  return issuerOf(certify({ subject, publicKey, validity, pathLength, by, urls }), subject, validity, signer);
}

type Certified = {
  subject: Buffer;
  publicKey: PublicKey;
  validity: Validity;
  pathLength: number;
  by: Pick<Issuer, 'subject' | 'subjectKeyId' | 'signer'>;
  urls: Buffer[];
};

/** The certificate of an authority, in DER. */
function certify({ subject, publicKey, validity, pathLength, by, urls }: Certified): Buffer {
  const extensions = der.sequence(
    extension(oids.basicConstraints, der.sequence(der.boolean(true), der.integer(pathLength)), true),
    extension(oids.keyUsage, der.namedBits(5, 6), true),
    extension(oids.subjectKeyIdentifier, der.octetString(keyIdentifier(publicKey.subjectPublicKey))),
    authorityKeyId(by),
    ...urls,
  );
  const tbs = der.sequence(
    der.encode(der.constructed(0), der.integer(2)),
    der.integer(createSerialNumber()),
    by.signer.algorithm,
    by.subject,
    der.sequence(der.time(validity.notBefore), der.time(validity.notAfter)),
    subject,
    publicKey.spki,
    der.encode(der.constructed(3), extensions),
  );
  return signed(tbs, by.signer);
}

function issuerOf(certificateDer: Buffer, subject: Buffer, validity: Validity, signer: Signer): Issuer {
  const subjectKeyId = keyIdentifier(signer.publicKey.subjectPublicKey);
  return {
    id: issuerId(signer.publicKey.subjectPublicKey),
    certificateDer,
    subject,
    subjectKeyId,
    ...validity,
    signer,
  };
}

/** The Name of an authority. The id of its key in it keeps the names of an account's successive authorities apart. */
export function authorityName(account: string, role: string, signer: Pick<Signer, 'publicKey'>): Buffer {
  const id = issuerId(signer.publicKey.subjectPublicKey);
  return name([oids.organizationName, account], [oids.commonName, `Thingward ${role} ${id}`]);
}

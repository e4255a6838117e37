import * as der from './der.js';
import type { Issuer, Validity } from './issuer.js';
import { oids } from './oid.js';
import type { PublicKey } from './public-key.js';

type Expected = {
  account: string;
  thingName: string;
  publicKey: PublicKey;
  validity: Validity;
  /** Where the delta of its list is. */
  delta: string | undefined;
};

const profile: { id: Buffer; critical: boolean; value?: string }[] = [
  { id: oids.keyUsage, critical: true, value: '03020780' },
  { id: oids.extKeyUsage, critical: false, value: '300a06082b06010505070302' },
  { id: oids.basicConstraints, critical: true, value: '3000' },
  { id: oids.subjectAltName, critical: false },
  { id: oids.subjectKeyIdentifier, critical: false },
  { id: oids.authorityKeyIdentifier, critical: false },
  { id: oids.crlDistributionPoints, critical: false },
  { id: oids.authorityInfoAccess, critical: false },
  { id: oids.freshestCrl, critical: false },
  { id: oids.issuerIndex, critical: false },
];

/**
 * Reads to-be-signed bytes back and throws unless they are a device certificate of the profile and of
 * what was asked for. It shares the DER reader with the builder and nothing else.
 */
export function requireDeviceProfile(tbs: Buffer, expected: Expected, issuer: Issuer): void {
  const parts = der.members(der.readOne(tbs), der.tags.sequence);
  const [version, serial, algorithm, issuerName, validity, subject, spki, extensions] = parts;
  must(parts.length === 8 && version!.bytes.toString('hex') === 'a003020102', 'is not version 3');
  must(serial!.content.length === 20 && serial!.content[0]! >= 0x01 && serial!.content[0]! <= 0x7f, 'serial number');
  must(algorithm!.bytes.equals(issuer.signer.algorithm), 'signature algorithm');
  must(issuerName!.bytes.equals(issuer.subject), 'issuer name');
  requireValidity(validity!, expected.validity, issuer);
  must(text(subject!) === `${expected.account}/${expected.thingName}`, 'subject');
  must(spki!.bytes.equals(expected.publicKey.spki), 'public key');
  const [list] = der.readAll(der.contentOf(extensions, der.constructed(3)));
  requireExtensions(der.members(list, der.tags.sequence), expected, issuer);
}

function requireValidity(value: der.Value, expected: Validity, issuer: Validity): void {
  const [notBefore, notAfter] = der.members(value, der.tags.sequence).map(instant);
  must(notBefore === expected.notBefore.getTime() && notAfter === expected.notAfter.getTime(), 'validity');
  must(
    notBefore! >= issuer.notBefore.getTime() && notAfter! <= issuer.notAfter.getTime(),
    'validity outlives its issuer',
  );
  must(notBefore! < notAfter!, 'validity is empty');
}

function requireExtensions(extensions: der.Value[], expected: Expected, issuer: Issuer): void {
  const wanted = profile.filter(({ id }) => id !== oids.freshestCrl || expected.delta !== undefined);
  must(extensions.length === wanted.length, 'number of extensions');
  const values = extensions.map((extension, at) => {
    const parts = der.members(extension, der.tags.sequence);
    const { id, critical, value } = wanted[at]!;
    const content = der.contentOf(parts.at(-1), der.tags.octetString);
    must(parts[0]!.bytes.equals(id) && parts.length === (critical ? 3 : 2), 'order or criticality of extensions');
    must(value === undefined || content.toString('hex') === value, 'value of an extension');
    return content;
  });
  const [san, ...otherNames] = der.members(der.readOne(values[3]!), der.tags.sequence);
  const uri = `urn:thingward:${expected.account}:${expected.thingName}`;
  must(otherNames.length === 0 && der.contentOf(san, der.primitive(6)).toString('utf8') === uri, 'subjectAltName');
  const [keyId, ...otherMembers] = der.members(der.readOne(values[5]!), der.tags.sequence);
  must(
    otherMembers.length === 0 && der.contentOf(keyId, der.primitive(0)).equals(issuer.subjectKeyId),
    'authorityKeyIdentifier',
  );
  must(expected.delta === undefined || urlIn(values.at(-2)!) === expected.delta, 'freshestCRL');
}

/** The URL in the only point of a CRLDistributionPoints: SEQUENCE { SEQUENCE { [0] { [0] { [6] url } } } }. */
function urlIn(points: Buffer): string {
  const [point] = der.members(der.readOne(points), der.tags.sequence);
  const [name] = der.members(point, der.tags.sequence);
  const [fullName] = der.members(name, der.constructed(0));
  const [url] = der.members(fullName, der.constructed(0));
  return der.contentOf(url, der.primitive(6)).toString('latin1');
}

function text(subject: der.Value): string {
  const values = der.members(subject, der.tags.sequence).map((rdn) => {
    const [attribute] = der.members(rdn, der.tags.set);
    return der.contentOf(der.members(attribute, der.tags.sequence)[1], der.tags.utf8String).toString('utf8');
  });
  return values.join('/');
}

function instant(value: der.Value): number {
  const isUtcTime = value.tag === der.tags.utcTime;
  const text = value.content.toString('latin1');
  must(text.length === (isUtcTime ? 13 : 15) && text.endsWith('Z'), 'time format');
  const year = isUtcTime ? 2000 + Number(text.slice(0, 2)) : Number(text.slice(0, 4));
  const part = (n: number) => Number(text.slice(text.length - 11 + 2 * n, text.length - 9 + 2 * n));
  return Date.UTC(year, part(0) - 1, part(1), part(2), part(3), part(4));
}

// Not a DomainError: a certificate that fails its lint is a defect of Thingward and must not look like the caller's.
function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(`a certificate was not signed because its lint failed: ${what}`);
}

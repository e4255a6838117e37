import { refuse } from './refusal.js';
import * as der from '../der.js';
import { oids } from '../oid.js';

/** The name of an extension in openssl.cnf, and what a request may ask of it. `why` is undefined when the profile gives that. */
type Rule = { name: string; why(value: Buffer, granted: Granted): string | undefined };

/** The names of a thing. */
type Granted = { uri: string; name: string | undefined };

const [dnsTag, uriTag] = [der.primitive(2), der.primitive(6)];

const leaveOut = 'leave the extensions out: Thingward sets them';

const rules = new Map<string, Rule>([
  rule(oids.keyUsage, 'keyUsage', (value) => {
    const others = bitsOf(value).filter((bit) => bit !== 0);
    return others.length === 0 ? undefined : `${wordsOf(keyUsages, others)}, but devices get only digitalSignature`;
  }),
  rule(oids.extKeyUsage, 'extendedKeyUsage', (value) => {
    const purposes = der.members(der.readOne(value), der.tags.sequence);
    if (purposes.length === 0) return 'no purpose at all, which RFC 5280 §4.2.1.12 does not allow';
    const others = purposes.filter(({ bytes }) => !bytes.equals(oids.clientAuth));
    const words = others.map((each) => purposeNames.get(dotted(each)) ?? dotted(each));
    return others.length === 0 ? undefined : `${words.join(', ')}, but devices get only clientAuth`;
  }),
  rule(oids.basicConstraints, 'basicConstraints', (value) => {
    const parts = der.members(der.readOne(value), der.tags.sequence);
    const isPlain = parts.every(({ tag, content }) => tag === der.tags.boolean && content.equals(Buffer.from([0])));
    return isPlain && parts.length <= 1 ? undefined : 'CA:TRUE or a path length, but devices are not authorities';
  }),
  rule(oids.subjectAltName, 'subjectAltName', (value, { uri, name }) => {
    const own = der.encode(uriTag, Buffer.from(uri));
    // The same as the CN, said in the way of web servers.
    const alias = name === undefined ? own : der.encode(dnsTag, Buffer.from(name));
    const names = der.members(der.readOne(value), der.tags.sequence);
    const isGranted = names.every(({ bytes }) => bytes.equals(own) || bytes.equals(alias));
    return isGranted ? undefined : `other names than URI:${uri}`;
  }),
  // The same as clientAuth, said in the way of 1996; mbedTLS and certtool still offer it.
  rule(oids.netscapeCertType, 'nsCertType', (value) => {
    const others = bitsOf(value).filter((bit) => bit !== 0);
    return others.length === 0 ? undefined : `${wordsOf(netscapeTypes, others)}, but devices get only client`;
  }),
  rule(oids.subjectKeyIdentifier, 'subjectKeyIdentifier', () => undefined),
]);

function rule(oid: Buffer, name: string, why: Rule['why']): [string, Rule] {
  return [oid.toString('hex'), { name, why }];
}

/**
 * Refuses extension requests (RFC 2985 §5.4.2) that ask for more than the device profile gives, by the name of the
 * extension and of what is too much in it.
 * @throws DomainError `bad-csr`
 */
export function refuseExtensionsBeyondProfile(extensions: readonly der.Value[], granted: Granted): void {
  const seen = new Set<string>();
  for (const extension of extensions) {
    const parts = der.members(extension, der.tags.sequence);
    const [id] = parts;
    const value = der.contentOf(parts.at(-1), der.tags.octetString);
    if (id?.tag !== der.tags.oid || parts.length > 3) throw refuse('an extension that it asks for is malformed');
    const hex = id.bytes.toString('hex');
    if (seen.has(hex)) throw refuse(`it asks for the extension ${nameOf(id)} twice: ${leaveOut}`);
    seen.add(hex);
    const known = rules.get(hex);
    if (!known) throw refuse(`it asks for the extension ${nameOf(id)}, which devices do not get: ${leaveOut}`);
    const why = known.why(value, granted);
    if (why !== undefined) throw refuse(`it asks for the extension ${known.name} with ${why}: ${leaveOut}`);
  }
}

/** The DNS names among the alternative names that a request asks for. @throws DerError */
export function requestedDnsNames(extensions: readonly der.Value[]): string[] {
  return extensions.flatMap((extension) => {
    const parts = der.members(extension, der.tags.sequence);
    if (!parts[0]?.bytes.equals(oids.subjectAltName)) return [];
    const names = der.members(der.readOne(der.contentOf(parts.at(-1), der.tags.octetString)), der.tags.sequence);
    return names.filter(({ tag }) => tag === dnsTag).map(({ content }) => content.toString('latin1'));
  });
}

const keyUsages = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
];
const netscapeTypes = ['client', 'server', 'email', 'objsign', 'reserved', 'sslCA', 'emailCA', 'objCA'];
const purposeNames = new Map([
  ['1.3.6.1.5.5.7.3.1', 'serverAuth'],
  ['1.3.6.1.5.5.7.3.3', 'codeSigning'],
  ['1.3.6.1.5.5.7.3.4', 'emailProtection'],
  ['1.3.6.1.5.5.7.3.8', 'timeStamping'],
  ['1.3.6.1.5.5.7.3.9', 'OCSPSigning'],
  ['2.5.29.37.0', 'anyExtendedKeyUsage'],
]);
const otherNames = new Map([
  ['2.5.29.18', 'issuerAltName'],
  ['2.5.29.30', 'nameConstraints'],
  ['2.5.29.31', 'crlDistributionPoints'],
  ['2.5.29.32', 'certificatePolicies'],
  ['2.5.29.35', 'authorityKeyIdentifier'],
  ['2.5.29.36', 'policyConstraints'],
  ['2.5.29.54', 'inhibitAnyPolicy'],
  ['1.3.6.1.5.5.7.1.1', 'authorityInfoAccess'],
  ['1.3.6.1.5.5.7.1.24', 'tlsfeature'],
  ['1.3.6.1.5.5.7.48.1.5', 'noCheck'],
  ['2.16.840.1.113730.1.13', 'nsComment'],
]);

function nameOf(id: der.Value): string {
  return rules.get(id.bytes.toString('hex'))?.name ?? otherNames.get(dotted(id)) ?? dotted(id);
}

function dotted(id: der.Value): string {
  return der.dottedOid(der.contentOf(id, der.tags.oid));
}

const wordsOf = (names: string[], bits: number[]): string => bits.map((bit) => names[bit] ?? `bit ${bit}`).join(', ');

/** The bits that are set in a BIT STRING; old makers do not cut zeros off its end as X.690 §11.2.2 wants. */
function bitsOf(value: Buffer): number[] {
  const [unused = 0, ...octets] = der.contentOf(der.readOne(value), der.tags.bitString);
  if (octets.length > 2 || unused > 7) throw refuse('an extension that it asks for is malformed');
  return octets.flatMap((octet, index) =>
    [0, 1, 2, 3, 4, 5, 6, 7].filter((bit) => octet & (0x80 >> bit)).map((bit) => index * 8 + bit),
  );
}

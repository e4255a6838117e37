import { refuseExtensionsBeyondProfile, requestedDnsNames } from './extensions.js';
import { refuse } from './refusal.js';
import { requireSignature } from './signature.js';
import * as der from '../der.js';
import { oids } from '../oid.js';
import { decodeBase64, hasPem, PemError, readPem } from '../pem.js';
import { parsePublicKey, type PublicKey } from '../public-key.js';

const maxBytes = 16 * 1024;
const labels = new Set(['CERTIFICATE REQUEST', 'NEW CERTIFICATE REQUEST']);

/** A certification request whose signature was verified. Nothing in it but the key is believed. */
type Csr = {
  publicKey: PublicKey;
  /** The only commonName of its subject; undefined when it has none, several, or one that is no plain text. */
  requestedName: string | undefined;
  /** The extensions that it asks for, unjudged: see {@link requireProfile}. */
  extensions: der.Value[];
  /** Its only challengePassword (RFC 2985 §5.4.1), of which EST makes a proof; undefined when it has none. */
  challengePassword: string | undefined;
};

/**
 * Reads a PKCS#10 request (RFC 2986) in DER and verifies that its key signed it.
 * @throws DomainError `bad-csr` or `bad-key`
 */
export function parseCsrDer(bytes: Buffer): Csr {
  if (bytes.length > maxBytes) throw tooLarge();
  return asRefusal(() => readRequest(bytes));
}

/**
 * Refuses a request for extensions that the device profile does not give: it is never repaired. `uri` is the SAN that
 * the certificate will carry. `name`, which will be its CN, may be asked for as a DNS name: ACME clients say it so.
 * @throws DomainError `bad-csr`
 */
export function requireProfile({ extensions }: Csr, uri: string, name?: string): void {
  asRefusal(() => refuseExtensionsBeyondProfile(extensions, { uri, name }));
}

/** The DNS names that a request asks for, as it spells them (SubjectAltName, RFC 5280 §4.2.1.6). @throws DomainError `bad-csr` */
export function dnsNamesOf({ extensions }: Csr): string[] {
  return asRefusal(() => requestedDnsNames(extensions));
}

/** The DER of a request that came as one PEM block, or as base64 of the DER. @throws DomainError `bad-csr` */
export function decodeCsr(text: string): Buffer {
  if (text.length > 2 * maxBytes) throw tooLarge();
  try {
    return hasPem(text) ? onlyRequest(text) : decodeBase64(text);
  } catch (error) {
    if (!(error instanceof PemError)) throw error;
    throw refuse(`${error.message}: send one PEM block CERTIFICATE REQUEST, or its DER in base64`);
  }
}

function asRefusal<Result>(read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    if (error instanceof der.DerError) throw refuse(`it is ${error.message}: create it again`);
    throw error;
  }
}

function readRequest(bytes: Buffer): Csr {
  const [info, algorithm, signature, ...rest] = der.members(der.readOne(bytes), der.tags.sequence);
  const [version, subject, spki, attributes, ...more] = der.members(info, der.tags.sequence);
  if (rest.length + more.length > 0) throw refuse('it has members that PKCS#10 does not know');
  if (!der.contentOf(version, der.tags.integer).equals(Buffer.from([0]))) throw refuse('its version is not 0');
  const requestedName = readName(subject);
  const publicKey = parsePublicKey(spki?.bytes ?? Buffer.alloc(0));
  requireSignature(publicKey, info!.bytes, algorithm, signature);
  const asked = attributes ? readAttributes(attributes) : [];
  return {
    publicKey,
    requestedName,
    extensions: requestedExtensions(asked),
    challengePassword: challengeOf(asked),
  };
}

function onlyRequest(text: string): Buffer {
  const [first, ...others] = readPem(text);
  if ([first, ...others].some((block) => block?.label.endsWith('PRIVATE KEY')))
    throw refuse('it contains a private key: generate a new key, and keep that one on the device');
  if (others.length > 0) throw refuse('it holds two PEM blocks or more: send the request alone');
  if (!labels.has(first!.label)) throw new PemError(`it holds ${first!.label}`);
  return first!.der;
}

// UTF8String, PrintableString and IA5String: what UTF-8 reads.
const plainText = new Set([0x0c, 0x13, 0x16]);

/** Name ::= SEQUENCE OF SET OF SEQUENCE { type OID, value } (RFC 5280 §4.1.2.4): any types, any values, any number. */
function readName(subject: der.Value | undefined): string | undefined {
  const names: der.Value[] = [];
  for (const rdn of der.members(subject, der.tags.sequence)) {
    for (const attribute of der.members(rdn, der.tags.set)) {
      const [type, value, ...rest] = der.members(attribute, der.tags.sequence);
      if (type?.tag !== der.tags.oid || !value || rest.length > 0) throw refuse('its subject is malformed');
      if (type.bytes.equals(oids.commonName)) names.push(value);
    }
  }
  const [name, ...others] = names;
  return name && others.length === 0 && plainText.has(name.tag) ? name.content.toString('utf8') : undefined;
}

type Attribute = { type: Buffer; values: der.Value };

function readAttributes(attributes: der.Value): Attribute[] {
  return der.members(attributes, der.constructed(0)).map((attribute) => {
    const [type, values, ...rest] = der.members(attribute, der.tags.sequence);
    if (!type || !values || rest.length > 0) throw refuse('an attribute is malformed');
    return { type: type.bytes, values };
  });
}

function requestedExtensions(attributes: Attribute[]): der.Value[] {
  const requested: der.Value[] = [];
  for (const { type, values } of attributes) {
    if (!type.equals(oids.extensionRequest) && !type.equals(oids.microsoftExtensions)) continue;
    for (const value of der.members(values, der.tags.set)) requested.push(...der.members(value, der.tags.sequence));
  }
  return requested;
}

/** Empty when it says several things, or nothing that can be read: no proof is so. */
function challengeOf(attributes: Attribute[]): string | undefined {
  const given = attributes.filter(({ type }) => type.equals(oids.challengePassword));
  if (given.length === 0) return undefined;
  const [value, ...others] = given.flatMap(({ values }) => der.members(values, der.tags.set));
  return value && others.length === 0 && plainText.has(value.tag) ? value.content.toString('utf8') : '';
}

function tooLarge(): Error {
  return refuse('it is larger than 16 KiB: send the request alone');
}

import { refuseExtensionsBeyondProfile } from './extensions.js';
import { refuse } from './refusal.js';
import { requireSignature } from './signature.js';
import * as der from '../der.js';
import { oids } from '../oid.js';
import { decodeBase64, hasPem, PemError, readPem } from '../pem.js';
import { parsePublicKey, type PublicKey } from '../public-key.js';

const maxBytes = 16 * 1024;
const labels = new Set(['CERTIFICATE REQUEST', 'NEW CERTIFICATE REQUEST']);

/** A certification request that was checked: its DER and its public key. Nothing else in it is believed. */
export type Csr = { der: Buffer; publicKey: PublicKey };

/**
 * Reads a PKCS#10 request (RFC 2986), PEM or base64 of its DER, and verifies that its key signed it. Only the public
 * key is taken: the subject and other attributes are ignored. A request that asks for extensions which the device
 * profile does not give is refused, never repaired. `uri` is the SAN that the certificate will carry.
 * @throws DomainError `bad-csr` or `bad-key`
 */
export function parseCsr(text: string, uri: string): Csr {
  const bytes = bytesOf(text);
  try {
    return { der: bytes, publicKey: requireRequest(bytes, uri) };
  } catch (error) {
    if (error instanceof der.DerError) throw refuse(`it is ${error.message}: make it anew`);
    throw error;
  }
}

/** The key of a request that is sound. @throws DerError, DomainError `bad-csr` or `bad-key` */
function requireRequest(bytes: Buffer, uri: string): PublicKey {
  const [info, algorithm, signature, ...rest] = der.members(der.readOne(bytes), der.tags.sequence);
  const [version, subject, spki, attributes, ...more] = der.members(info, der.tags.sequence);
  if (rest.length + more.length > 0) throw refuse('it has members that PKCS#10 does not know');
  if (!der.contentOf(version, der.tags.integer).equals(Buffer.from([0]))) throw refuse('its version is not 0');
  requireName(subject);
  const publicKey = parsePublicKey(spki?.bytes ?? Buffer.alloc(0));
  requireSignature(publicKey, info!.bytes, algorithm, signature);
  if (attributes) checkAttributes(attributes, uri);
  return publicKey;
}

function bytesOf(text: string): Buffer {
  if (text.length > 2 * maxBytes) throw tooLarge();
  const bytes = decode(text);
  if (bytes.length > maxBytes) throw tooLarge();
  return bytes;
}

function decode(text: string): Buffer {
  try {
    return hasPem(text) ? onlyRequest(text) : decodeBase64(text);
  } catch (error) {
    if (!(error instanceof PemError)) throw error;
    throw refuse(`${error.message}: send one PEM block CERTIFICATE REQUEST, or its DER in base64`);
  }
}

function onlyRequest(text: string): Buffer {
  const [first, ...others] = readPem(text);
  if ([first, ...others].some((block) => block?.label.endsWith('PRIVATE KEY')))
    throw refuse('a private key came with it: make a new key, and keep that one on the device');
  if (others.length > 0) throw refuse('it holds two PEM blocks or more: send the request alone');
  if (!labels.has(first!.label)) throw new PemError(`it holds ${first!.label}`);
  return first!.der;
}

/** Name ::= SEQUENCE OF SET OF SEQUENCE { type OID, value } (RFC 5280 §4.1.2.4): any types, any values, any number. */
function requireName(subject: der.Value | undefined): void {
  for (const rdn of der.members(subject, der.tags.sequence)) {
    for (const attribute of der.members(rdn, der.tags.set)) {
      const [type, value, ...rest] = der.members(attribute, der.tags.sequence);
      if (type?.tag !== der.tags.oid || !value || rest.length > 0) throw refuse('its subject is malformed');
    }
  }
}

function checkAttributes(attributes: der.Value, uri: string): void {
  const requested: der.Value[] = [];
  for (const attribute of der.members(attributes, der.constructed(0))) {
    const [type, values, ...rest] = der.members(attribute, der.tags.sequence);
    if (!type || !values || rest.length > 0) throw refuse('an attribute is malformed');
    if (!type.bytes.equals(oids.extensionRequest) && !type.bytes.equals(oids.microsoftExtensions)) continue;
    for (const value of der.members(values, der.tags.set)) requested.push(...der.members(value, der.tags.sequence));
  }
  refuseExtensionsBeyondProfile(requested, uri);
}

function tooLarge(): Error {
  return refuse('it is larger than 16 KiB: send the request alone');
}

import { verify } from 'node:crypto';
import { DomainError } from '../errors.js';
import * as der from './der.js';
import { oids } from './oid.js';
import { parsePublicKey, type KeyFamily, type PublicKey } from './public-key.js';

const maxBytes = 16 * 1024;
const armour =
  /^\s*-----BEGIN (NEW )?CERTIFICATE REQUEST-----\s+([A-Za-z0-9+/=\s]+?)\s*-----END \1?CERTIFICATE REQUEST-----\s*$/;

/** A certification request that was checked: its DER and its public key. Nothing else in it is believed. */
export type Csr = { der: Buffer; publicKey: PublicKey };

/**
 * Reads a PEM PKCS#10 request (RFC 2986) and verifies that its key signed it. Only the public key is
 * taken; a request that asks for more than the device profile gives is refused, never repaired.
 * `uri` is the SAN that the certificate will carry.
 * @throws DomainError `bad-csr` or `bad-key`
 */
export function parseCsr(pem: string, uri: string): Csr {
  const bytes = decodePem(pem);
  const [info, algorithm, signature, ...rest] = der.members(der.readOne(bytes), der.tags.sequence);
  const [version, subject, spki, attributes, ...more] = der.members(info, der.tags.sequence);
  if (rest.length + more.length > 0) throw refuse('it has members that PKCS#10 does not know');
  if (!der.contentOf(version, der.tags.integer).equals(Buffer.from([0]))) throw refuse('its version is not 0');
  checkSubject(subject);
  const publicKey = parsePublicKey(spki?.bytes ?? Buffer.alloc(0));
  checkSignature(publicKey, info!.bytes, algorithm, signature);
  if (attributes) checkAttributes(attributes, uri);
  return { der: bytes, publicKey };
}

function decodePem(pem: string): Buffer {
  if (pem.length > 2 * maxBytes) throw refuse('it is larger than 16 KiB');
  const base64 = armour.exec(pem)?.[2]?.replace(/\s+/g, '');
  if (!base64) throw refuse('send one PEM block, BEGIN CERTIFICATE REQUEST');
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.toString('base64') !== base64) throw refuse('its base64 is damaged');
  if (bytes.length > maxBytes) throw refuse('it is larger than 16 KiB');
  return bytes;
}

/** The subject is ignored, so it need only be a name that cannot fool a reader: no control characters, nothing twice. */
function checkSubject(subject: der.Value | undefined): void {
  const seen = new Set<string>();
  for (const rdn of der.members(subject, der.tags.sequence)) {
    const attributes = der.members(rdn, der.tags.set);
    if (attributes.length !== 1) throw refuse('its subject has a name with several values');
    const [type, value, ...rest] = der.members(attributes[0], der.tags.sequence);
    const name = der.contentOf(type, der.tags.oid).toString('hex');
    if (!value || rest.length > 0 || seen.has(name)) throw refuse('its subject names something twice');
    if (/[\p{Cc}\p{Cf}]/u.test(value.content.toString('utf8'))) throw refuse('its subject has control characters');
    seen.add(name);
  }
}

type Scheme = { hash: string | null; families: KeyFamily[] };
const ec: KeyFamily[] = ['ec-p256', 'ec-p384'];
const schemes = new Map<string, Scheme>([
  [algorithmHex(oids.ecdsaWithSha256), { hash: 'sha256', families: ec }],
  [algorithmHex(oids.ecdsaWithSha384), { hash: 'sha384', families: ec }],
  [algorithmHex(oids.ecdsaWithSha512), { hash: 'sha512', families: ec }],
  [algorithmHex(oids.ed25519), { hash: null, families: ['ed25519'] }],
  [algorithmHex(oids.sha256WithRsa, der.nullValue()), { hash: 'sha256', families: ['rsa'] }],
  [algorithmHex(oids.sha384WithRsa, der.nullValue()), { hash: 'sha384', families: ['rsa'] }],
  [algorithmHex(oids.sha512WithRsa, der.nullValue()), { hash: 'sha512', families: ['rsa'] }],
]);

function algorithmHex(...members: Buffer[]): string {
  return der.sequence(...members).toString('hex');
}

function checkSignature(key: PublicKey, info: Buffer, algorithm?: der.Value, signature?: der.Value): void {
  const scheme = schemes.get(algorithm?.bytes.toString('hex') ?? '');
  if (!scheme?.families.includes(key.family))
    throw refuse('sign it with SHA-256, SHA-384, SHA-512 or Ed25519 by its own key');
  const content = der.contentOf(signature, der.tags.bitString);
  if (content[0] !== 0 || !verify(scheme.hash, info, key.key, content.subarray(1))) {
    throw refuse('its signature does not verify: sign it with the key it carries');
  }
}

function checkAttributes(attributes: der.Value, uri: string): void {
  for (const attribute of der.members(attributes, der.constructed(0))) {
    const [type, values, ...rest] = der.members(attribute, der.tags.sequence);
    if (!type || !values || rest.length > 0) throw refuse('an attribute is malformed');
    const [value, ...others] = der.members(values, der.tags.set);
    if (!type.bytes.equals(oids.extensionRequest)) continue;
    if (others.length > 0) throw refuse('it has several extension requests');
    checkExtensions(der.members(value, der.tags.sequence), uri);
  }
}

/** What a request may ask for, because the profile gives just that. */
function grantedExtensions(uri: string): Map<string, Buffer[]> {
  return new Map([
    [oids.keyUsage.toString('hex'), [der.namedBits(0)]],
    [oids.extKeyUsage.toString('hex'), [der.sequence(oids.clientAuth)]],
    [oids.basicConstraints.toString('hex'), [der.sequence(), der.sequence(der.boolean(false))]],
    [oids.subjectAltName.toString('hex'), [der.sequence(der.encode(der.primitive(6), Buffer.from(uri)))]],
  ]);
}

function checkExtensions(extensions: der.Value[], uri: string): void {
  const granted = grantedExtensions(uri);
  const seen = new Set<string>();
  for (const extension of extensions) {
    const parts = der.members(extension, der.tags.sequence);
    const id = parts[0]?.bytes.toString('hex') ?? '';
    const value = der.contentOf(parts.at(-1), der.tags.octetString);
    if (seen.has(id)) throw refuse('it asks for an extension twice');
    seen.add(id);
    if (parts[0]?.bytes.equals(oids.subjectKeyIdentifier)) continue;
    if (!granted.get(id)?.some((bytes) => bytes.equals(value))) {
      throw refuse('it asks for an extension that devices do not get: leave extensions out');
    }
  }
}

function refuse(why: string): DomainError {
  return new DomainError('bad-csr', `the certificate request was refused: ${why}`);
}

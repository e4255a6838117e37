import { constants, verify } from 'node:crypto';
import { refuse } from './refusal.js';
import * as der from '../der.js';
import { oids } from '../oid.js';
import type { KeyFamily, PublicKey } from '../public-key.js';

type Scheme = {
  hash: string | null;
  families: KeyFamily[];
  /** Whether NULL may stand as the parameters. They may always be absent. */
  nullAllowed: boolean;
};

const ec: KeyFamily[] = ['ec-p256', 'ec-p384'];
const rsa: KeyFamily[] = ['rsa'];

// Absent and NULL parameters are equals for RSA (RFC 4055 §5). For ECDSA RFC 5758 §3.2 wants them absent, and every
// reader takes NULL: mbedTLS wrote it until 2023.
const schemes = new Map<string, Scheme>([
  [hex(oids.ecdsaWithSha256), { hash: 'sha256', families: ec, nullAllowed: true }],
  [hex(oids.ecdsaWithSha384), { hash: 'sha384', families: ec, nullAllowed: true }],
  [hex(oids.ecdsaWithSha512), { hash: 'sha512', families: ec, nullAllowed: true }],
  [hex(oids.sha256WithRsa), { hash: 'sha256', families: rsa, nullAllowed: true }],
  [hex(oids.sha384WithRsa), { hash: 'sha384', families: rsa, nullAllowed: true }],
  [hex(oids.sha512WithRsa), { hash: 'sha512', families: rsa, nullAllowed: true }],
  // RFC 8410 §3: the parameters must be absent.
  [hex(oids.ed25519), { hash: null, families: ['ed25519'], nullAllowed: false }],
]);

const hashes = new Map([
  [hex(oids.sha256), 'sha256'],
  [hex(oids.sha384), 'sha384'],
  [hex(oids.sha512), 'sha512'],
]);

const weak = new Map([
  ['1.2.840.113549.1.1.2', 'MD2'],
  ['1.2.840.113549.1.1.3', 'MD4'],
  ['1.2.840.113549.1.1.4', 'MD5'],
  ['1.2.840.113549.1.1.5', 'SHA-1'],
  ['1.3.14.3.2.29', 'SHA-1'],
  ['1.2.840.10045.4.1', 'SHA-1'],
  ['1.2.840.113549.1.1.14', 'SHA-224'],
  ['1.2.840.10045.4.3.1', 'SHA-224'],
]);

function hex(bytes: Buffer): string {
  return bytes.toString('hex');
}

/** How to check a signature: the hash, and the salt where it is RSA-PSS. */
type Check = { hash: string | null; saltLength?: number };

/**
 * Requires that `key` signed `info`, with ECDSA, Ed25519 or RSA (PKCS#1 v1.5 or PSS) and SHA-256, SHA-384 or SHA-512.
 * @throws DomainError `bad-csr`
 */
export function requireSignature(
  key: PublicKey,
  info: Buffer,
  algorithm: der.Value | undefined,
  signature: der.Value | undefined,
): void {
  const { hash, saltLength } = checkFor(key.family, algorithm);
  const content = der.contentOf(signature, der.tags.bitString);
  const padding = saltLength === undefined ? {} : { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength };
  if (content[0] !== 0 || !verify(hash, info, { key: key.key, ...padding }, content.subarray(1)))
    throw refuse('its signature does not verify: sign it with the key it carries');
}

function checkFor(family: KeyFamily, algorithm: der.Value | undefined): Check {
  const [id, parameters, ...rest] = der.members(algorithm, der.tags.sequence);
  const name = der.dottedOid(der.contentOf(id, der.tags.oid));
  if (rest.length > 0) throw refuse('its signature algorithm is malformed');
  const weakHash = weak.get(name);
  if (weakHash) throw refuse(`it is signed with ${weakHash}: sign it with SHA-256, SHA-384 or SHA-512`);
  if (id!.bytes.equals(oids.rsaPss)) return pssCheck(family, parameters);
  const scheme = schemes.get(hex(id!.bytes));
  if (!scheme)
    throw refuse(`it is signed with the algorithm ${name}: use ECDSA, Ed25519 or RSA with SHA-256, SHA-384 or SHA-512`);
  requireFamily(scheme.families, family);
  if (parameters && !(scheme.nullAllowed && parameters.bytes.equals(der.nullValue())))
    throw refuse('its signature algorithm has parameters that it must not have');
  return { hash: scheme.hash };
}

function requireFamily(families: KeyFamily[], family: KeyFamily): void {
  if (!families.includes(family))
    throw refuse('its signature algorithm is of another kind than its key: sign it with the key it carries');
}

const mostSaltOctets = 512;

/** RSASSA-PSS-params of RFC 4055 §3.1. What is absent there means SHA-1. One hash for both, as every reader asks. */
function pssCheck(family: KeyFamily, parameters: der.Value | undefined): Check {
  requireFamily(rsa, family);
  const members = parameters ? der.members(parameters, der.tags.sequence) : [];
  const field = (n: number) => {
    const found = members.find(({ tag }) => tag === der.constructed(n));
    return found && der.readOne(found.content);
  };
  const hash = hashOf(field(0));
  const [mgf, mgfHash] = field(1) ? der.members(field(1), der.tags.sequence) : [];
  if (mgf && !mgf.bytes.equals(oids.mgf1)) throw refuse('its RSA-PSS signature uses another mask function than MGF1');
  if (hashOf(mgfHash) !== hash) throw refuse('its RSA-PSS signature uses two hashes: use one for both');
  const salt = field(2) ? der.contentOf(field(2), der.tags.integer) : Buffer.from([20]);
  const saltLength = salt.length === 1 || salt.length === 2 ? salt.readIntBE(0, salt.length) : -1;
  if (saltLength < 0 || saltLength > mostSaltOctets || field(3)) throw refuse('its RSA-PSS parameters are malformed');
  return { hash, saltLength };
}

function hashOf(algorithm: der.Value | undefined): string {
  const [id] = algorithm ? der.members(algorithm, der.tags.sequence) : [];
  const known = id && hashes.get(hex(id.bytes));
  if (!known) throw refuse('its RSA-PSS signature uses SHA-1 or another weak hash: use SHA-256, SHA-384 or SHA-512');
  return known;
}

import { hash, verify } from 'node:crypto';
import { DomainError } from '../../errors.js';
import * as der from '../der.js';
import { oids } from '../oid.js';
import { hasPem, decodeBase64, PemError, readPem } from '../pem.js';
import { readSerial, readTime } from '../read.js';
import { signatureAlgorithms } from '../chain/signature-algorithms.js';
import type { Anchor } from './anchor.js';

/** What a manufacturer revoked. */
export type ManufacturerList = {
  /** In hex, with an even number of digits; undefined where the list has none. */
  number: string | undefined;
  thisUpdate: Date;
  nextUpdate: Date;
  /** Each once. */
  serialNumbers: string[];
  sha256: Buffer;
};

const futureMs = 300_000;
const longestNumber = 20;

/**
 * Reads a complete CRL (RFC 5280 §5) in PEM, or its DER in base64, that the authority itself signed and that counts now.
 * @throws DomainError `bad-crl`
 */
export function readManufacturerList(text: string, anchor: Anchor, at: Date): ManufacturerList {
  try {
    return read(bytesOf(text), anchor, at);
  } catch (error) {
    if (error instanceof der.DerError || error instanceof PemError) throw refuse(`it is not a CRL: ${error.message}`);
    throw error;
  }
}

function bytesOf(text: string): Buffer {
  if (!hasPem(text)) return decodeBase64(text);
  const [block, ...others] = readPem(text);
  if (block?.label !== 'X509 CRL' || others.length > 0) throw refuse('send one block X509 CRL');
  return block.der;
}

function read(bytes: Buffer, { own }: Anchor, at: Date): ManufacturerList {
  const [tbs, algorithm, signature] = der.members(der.readOne(bytes), der.tags.sequence);
  const all = der.members(tbs, der.tags.sequence);
  const fields = all[0]?.tag === der.tags.integer ? all.slice(1) : all;
  const [inner, issuer, thisUpdate, ...rest] = fields;
  if (!own.signsLists) throw refuse('the authority may sign no lists: its keyUsage lacks cRLSign');
  if (!inner || !algorithm?.bytes.equals(inner.bytes)) throw refuse('it names two algorithms');
  if (!issuer?.bytes.equals(own.subject)) throw refuse('another authority issued it than that of the enrollment');
  requireSignature(own.x509.publicKey, tbs!, algorithm, signature);
  const [start, end] = [thisUpdate, rest[0]].map((each) => (each ? readTime(each) : new Date(NaN))) as [Date, Date];
  requireTimes(start, end, at);
  const last = rest.at(-1);
  const extensions = last?.tag === der.constructed(0) ? der.members(der.readOne(last.content), der.tags.sequence) : [];
  requireComplete(extensions);
  const entries = rest[1]?.tag === der.tags.sequence ? der.members(rest[1], der.tags.sequence) : [];
  return {
    number: numberOf(extensions),
    thisUpdate: start,
    nextUpdate: end,
    serialNumbers: [...new Set(entries.map(serialOf))],
    sha256: hash('sha256', bytes, 'buffer'),
  };
}

function requireSignature(
  key: Anchor['own']['x509']['publicKey'],
  tbs: der.Value,
  algorithm: der.Value,
  signature: der.Value | undefined,
): void {
  const [id] = der.members(algorithm, der.tags.sequence);
  const scheme = signatureAlgorithms.get(id!.bytes.toString('hex'));
  if (!scheme) throw refuse('it is signed with an algorithm that is not accepted: use SHA-256 or better');
  const content = der.contentOf(signature, der.tags.bitString);
  const octets = content.subarray(1);
  if (content[0] !== 0 || scheme.type !== key.asymmetricKeyType || !verify(scheme.hash, tbs.bytes, key, octets))
    throw refuse('the authority of the enrollment did not sign it');
}

function requireTimes(thisUpdate: Date, nextUpdate: Date, at: Date): void {
  if (Number.isNaN(thisUpdate.getTime()) || Number.isNaN(nextUpdate.getTime()))
    throw refuse('it does not say when the next one comes: issue it with nextUpdate');
  if (thisUpdate.getTime() > at.getTime() + futureMs) throw refuse('its thisUpdate is in the future');
  if (nextUpdate <= at) throw refuse('it has expired: send the present one');
}

/** Deltas, lists of some reasons or of some certificates say so in critical extensions: no answer could rely on them. */
function requireComplete(extensions: der.Value[]): void {
  if (extensions.some(isCritical))
    throw refuse('it has critical extensions, so that it is no complete list: send one that is');
}

function isCritical(extension: der.Value): boolean {
  const [, critical, value] = der.members(extension, der.tags.sequence);
  return value !== undefined && critical!.content[0] !== 0;
}

function numberOf(extensions: der.Value[]): string | undefined {
  const parts = extensions.map((each) => der.members(each, der.tags.sequence));
  const found = parts.find(([id]) => id?.bytes.equals(oids.crlNumber));
  if (!found) return undefined;
  const number = der.contentOf(der.readOne(der.contentOf(found.at(-1), der.tags.octetString)), der.tags.integer);
  if (number.length === 0 || number.length > longestNumber + 1 || number[0]! & 0x80)
    throw refuse('its number is longer than 20 octets, or negative');
  return number.toString('hex');
}

function serialOf(entry: der.Value): string {
  const [serial, , extensions] = der.members(entry, der.tags.sequence);
  // An entry of another issuer says so critically (RFC 5280 §5.3.3).
  if (extensions && der.members(extensions, der.tags.sequence).some(isCritical))
    throw refuse('an entry has a critical extension: send a list of one authority');
  return readSerial(serial!);
}

function refuse(why: string): DomainError {
  return new DomainError('bad-crl', `the list was refused: ${why}`);
}

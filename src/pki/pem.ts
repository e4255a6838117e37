/** PEM (RFC 7468), the one place that reads it from outside. Every function here is linear in its text. */
import * as der from './der.js';

/** One block: what stands between the dashes, and the octets. */
type PemBlock = { label: string; der: Buffer };

/** Says what is wrong with a text that was to hold PEM, so that a sentence can be built around it. */
export class PemError extends Error {
  override readonly name = 'PemError';
}

const dashes = '-----';
const begin = `${dashes}BEGIN `;

/** Whether a text has the beginning of a PEM block in it. */
export const hasPem = (text: string): boolean => text.includes(begin);

/**
 * The blocks of a text in their order. Text around them, any line endings, and blanks in place of line endings are
 * ignored (RFC 7468 §2). One walk from mark to mark: no part of the text is looked at twice.
 * @throws PemError when a block has no end or its base64 is damaged
 */
export function readPem(text: string): PemBlock[] {
  const blocks: PemBlock[] = [];
  for (let at = text.indexOf(begin); at >= 0;) {
    const labelAt = at + begin.length;
    const labelEnd = text.indexOf(dashes, labelAt);
    const label = text.slice(labelAt, labelEnd);
    if (labelEnd < 0 || label.length > 64) throw new PemError('its BEGIN line is damaged');
    const bodyAt = labelEnd + dashes.length;
    const end = text.indexOf(dashes, bodyAt);
    const endLine = `${dashes}END ${label}${dashes}`;
    if (end < 0 || !text.startsWith(endLine, end)) throw new PemError(`its line "END ${label}" is missing`);
    blocks.push({ label, der: decodeBase64(text.slice(bodyAt, end)) });
    at = text.indexOf(begin, end + endLine.length);
  }
  return blocks;
}

/** The octets of base64 (RFC 4648 §4), whitespace ignored. @throws PemError when it is empty or not canonical */
export function decodeBase64(text: string): Buffer {
  const dense = text.replace(/\s+/g, '');
  const bytes = Buffer.from(dense, 'base64');
  if (bytes.length === 0) throw new PemError('it is empty, or not base64');
  if (bytes.toString('base64') !== dense) throw new PemError('its base64 is damaged');
  return bytes;
}

const certificateLabels = new Set(['CERTIFICATE', 'X509 CERTIFICATE']);

/**
 * The DER of the first certificate in a text, as proxies pass it on. That is PEM with text around it or a chain behind
 * it, percent-encoded (NGINX, Envoy, AWS) or with blanks in place of line endings (Apache, HAProxy). Or it is base64 of
 * DER alone, between colons (RFC 9440 §2.1) or before a comma and its chain (Traefik). Only its outer shape is judged.
 * @throws PemError
 */
export function readCertificate(text: string): Buffer {
  const plain = hasPem(text) ? text : unescape(text);
  return hasPem(plain) ? firstCertificate(readPem(plain)) : bareCertificate(plain);
}

function firstCertificate(blocks: PemBlock[]): Buffer {
  if (blocks.some(({ label }) => label.endsWith('PRIVATE KEY')))
    throw new PemError('it holds a private key, which must not leave its owner');
  const first = blocks.find(({ label }) => certificateLabels.has(label));
  if (!first) throw new PemError(`it holds ${blocks[0]!.label}, not CERTIFICATE`);
  return requireCertificate(first.der);
}

function bareCertificate(text: string): Buffer {
  const [first = ''] = text.split(',', 1);
  const trimmed = first.trim();
  const isField = trimmed.length > 1 && trimmed.startsWith(':') && trimmed.endsWith(':');
  return requireCertificate(decodeBase64(isField ? trimmed.slice(1, -1) : trimmed));
}

/** Certificate ::= SEQUENCE { tbs SEQUENCE, algorithm SEQUENCE, signature BIT STRING } (RFC 5280 §4.1). */
function requireCertificate(bytes: Buffer): Buffer {
  if (!der.hasShape(bytes, [der.tags.sequence, der.tags.sequence, der.tags.bitString]))
    throw new PemError('it is not the DER of one certificate');
  return bytes;
}

/** Percent-encoded text, decoded; a plus is a blank only where forms were encoded so. What is not encoded stays. */
function unescape(text: string): string {
  const spaced = text.includes(`${dashes}BEGIN+`) ? text.replaceAll('+', ' ') : text;
  return spaced.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
}

/** A certificate as PEM. */
export const encodeCertificate = (bytes: Uint8Array): string => encodePem('CERTIFICATE', bytes);

const lineOctets = 48;
const lineLetters = 64;
const sliceLines = 512;

/** DER as PEM (RFC 7468 §2), 64 columns, ending in a newline. */
export function encodePem(
  label: 'CERTIFICATE' | 'CERTIFICATE REQUEST' | 'PRIVATE KEY' | 'X509 CRL',
  bytes: Uint8Array,
): string {
  const base64 = Buffer.from(bytes).toString('base64');
  let lines = '';
  for (let at = 0; at < base64.length; at += lineLetters) lines += `${base64.slice(at, at + lineLetters)}\n`;
  return `${dashes}BEGIN ${label}${dashes}\n${lines}${dashes}END ${label}${dashes}\n`;
}

/**
 * DER as PEM (RFC 7468 §2), 64 columns, ending in a newline. It yields now and then, so that a list of megabytes
 * can be written in slices.
 */
export function* encodeLongPem(label: 'X509 CRL', bytes: Buffer): Generator<void, Buffer> {
  const [head, tail] = [`-----BEGIN ${label}-----\n`, `-----END ${label}-----\n`];
  const letters = Math.ceil(bytes.length / 3) * 4;
  const out = Buffer.allocUnsafe(head.length + letters + Math.ceil(bytes.length / lineOctets) + tail.length);
  let at = out.write(head, 0, 'latin1');
  for (let from = 0; from < bytes.length; from += sliceLines * lineOctets) {
    const text = bytes.toString('base64', from, Math.min(from + sliceLines * lineOctets, bytes.length));
    for (let line = 0; line < text.length; line += lineLetters) {
      at += out.write(text.slice(line, line + lineLetters), at, 'latin1');
      out[at++] = 0x0a;
    }
    yield;
  }
  out.write(tail, at, 'latin1');
  return out;
}

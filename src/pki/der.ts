/**
 * DER, both ways (X.690 §8, §10, §11). Writing takes and gives bytes; reading is strict: definite
 * minimal lengths, low tag numbers, nothing left over. The reader never recurses, so hostile
 * nesting costs nothing.
 */

/** Bytes are not the expected DER. Whoever reads says what that means: it is no answer to anybody by itself. */
export class DerError extends Error {
  override readonly name = 'DerError';
}

/** Universal tags (X.690 §8, X.680 §8.4). SEQUENCE and SET have the constructed bit. */
export const tags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** Context-specific tags of X.690 §8.1.2: `[n]` around other values, or in place of a primitive tag. */
export const constructed = (n: number): number => 0xa0 | n;

/** The tag octet of a primitive, context-specific element [n]. */
export const primitive = (n: number): number => 0x80 | n;

/** One tag-length-value; the contents are joined. */
export function encode(tag: number, ...contents: Uint8Array[]): Buffer {
  let length = 0;
  for (const content of contents) length += content.length;
  const octets = headerOctets(length);
  const out = Buffer.allocUnsafe(octets + length);
  writeHeader(out, tag, length, octets);
  let at = octets;
  for (const content of contents) {
    out.set(content, at);
    at += content.length;
  }
  return out;
}

/** The tag and length of a value whose contents are written elsewhere. */
export function header(tag: number, length: number): Buffer {
  const out = Buffer.allocUnsafe(headerOctets(length));
  writeHeader(out, tag, length, out.length);
  return out;
}

function headerOctets(length: number): number {
  return length < 0x80 ? 2 : length < 0x100 ? 3 : length < 0x10000 ? 4 : length < 0x1000000 ? 5 : 6;
}

function writeHeader(out: Buffer, tag: number, length: number, octets: number): void {
  out[0] = tag;
  if (octets === 2) out[1] = length;
  else {
    out[1] = 0x80 | (octets - 2);
    out.writeUIntBE(length, 2, octets - 2);
  }
}

/** A SEQUENCE of encoded elements. */
export const sequence = (...contents: Uint8Array[]): Buffer => encode(tags.sequence, ...contents);

/** A SET of encoded elements. DER asks for an order (X.690 §11.6), which the caller gives. */
export const set = (...contents: Uint8Array[]): Buffer => encode(tags.set, ...contents);

/** An OCTET STRING. */
export const octetString = (bytes: Uint8Array): Buffer => encode(tags.octetString, bytes);

/** A UTF8String. */
export const utf8String = (text: string): Buffer => encode(tags.utf8String, Buffer.from(text, 'utf8'));

/** A BOOLEAN: DER writes true as 0xFF (X.690 §11.1). */
export const boolean = (value: boolean): Buffer => encode(tags.boolean, Buffer.from([value ? 0xff : 0]));

/** A NULL. */
export const nullValue = (): Buffer => encode(tags.null);

/** A BIT STRING of whole octets. */
export const bitString = (bytes: Uint8Array): Buffer => encode(tags.bitString, Buffer.from([0]), bytes);

/** A BIT STRING of named bits, cut after the last one set (X.690 §11.2.2). `bits` are bit numbers below 8. */
export function namedBits(...bits: number[]): Buffer {
  const octet = bits.reduce((value, bit) => value | (0x80 >> bit), 0);
  return encode(tags.bitString, Buffer.from([7 - Math.max(...bits), octet]));
}

/** An INTEGER from a non-negative number, or from its big-endian octets. */
export function integer(value: number | bigint | Uint8Array): Buffer {
  if (value instanceof Uint8Array) {
    let start = 0;
    while (start < value.length - 1 && value[start] === 0) start++;
    const magnitude = value.subarray(start);
    return (magnitude[0] ?? 0) & 0x80
      ? encode(tags.integer, Buffer.from([0]), magnitude)
      : encode(tags.integer, magnitude);
  }
  const hex = value.toString(16);
  return integer(Buffer.from(hex.length % 2 ? `0${hex}` : hex, 'hex'));
}

/** An OBJECT IDENTIFIER; arcs may exceed 2^53 (the `2.25` arcs of X.667 do). */
export function oid(dotted: string): Buffer {
  const [first, second, ...rest] = dotted.split('.').map(BigInt) as [bigint, bigint, ...bigint[]];
  return encode(tags.oid, Buffer.from([first * 40n + second, ...rest].flatMap(base128)));
}

function base128(arc: bigint): number[] {
  const octets = [Number(arc & 0x7fn)];
  for (let rest = arc >> 7n; rest > 0n; rest >>= 7n) octets.unshift(Number(rest & 0x7fn) | 0x80);
  return octets;
}

const longestOid = 64;

/** The dotted form of an OBJECT IDENTIFIER's content, to be shown. Of more than 64 octets only the size is told. */
export function dottedOid(content: Buffer): string {
  if (content.length > longestOid) return `an OID of ${content.length} octets`;
  const arcs: bigint[] = [];
  let arc = 0n;
  for (const octet of content) {
    arc = (arc << 7n) | BigInt(octet & 0x7f);
    if (octet & 0x80) continue;
    arcs.push(arc);
    arc = 0n;
  }
  const [first = 0n, ...rest] = arcs;
  const root = first < 80n ? first / 40n : 2n;
  return [root, first - root * 40n, ...rest].join('.');
}

/** Time of RFC 5280 §4.1.2.5: UTCTime through 2049, GeneralizedTime after; no fractions. */
export function time(at: Date): Buffer {
  const year = at.getUTCFullYear();
  const rest = [at.getUTCMonth() + 1, at.getUTCDate(), at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds()];
  const digits = rest.reduce((text, part) => text + twoDigits(part), '');
  return year < 2050
    ? encode(tags.utcTime, Buffer.from(`${twoDigits(year % 100)}${digits}Z`, 'latin1'))
    : encode(tags.generalizedTime, Buffer.from(`${year}${digits}Z`, 'latin1'));
}

/** GeneralizedTime, whole seconds, UTC: the only time of OCSP (RFC 6960 §4.2.2.1). */
export function generalizedTime(at: Date): Buffer {
  const digits = at.toISOString().replace(/[-:T]|\.\d+Z$/g, '');
  return encode(tags.generalizedTime, Buffer.from(`${digits}Z`, 'latin1'));
}

/**
 * Which of two times in DER is the later, each from where its tag is: negative, 0 or positive, as for a sort.
 * It makes no object, for lists of millions.
 */
export function compareTimes(a: Buffer, atA: number, b: Buffer, atB: number): number {
  const centuries = centuryAt(a, atA) - centuryAt(b, atB);
  if (centuries !== 0) return centuries;
  const fromA = yearAt(a, atA);
  const fromB = yearAt(b, atB);
  return a.compare(b, fromB, fromB + dateDigits, fromA, fromA + dateDigits);
}

// From the two digits of the year in its century to the seconds.
const dateDigits = 12;

function yearAt(bytes: Buffer, at: number): number {
  return at + (bytes[at] === tags.utcTime ? 2 : 4);
}

// RFC 5280 §4.1.2.5.1: a UTCTime from 50 on belongs to the last century.
function centuryAt(bytes: Buffer, at: number): number {
  const first = bytes[at + 2]! - 0x30;
  if (bytes[at] === tags.utcTime) return first >= 5 ? 19 : 20;
  return first * 10 + bytes[at + 3]! - 0x30;
}

function twoDigits(value: number): string {
  return value < 10 ? `0${value}` : String(value);
}

/** A value in bytes that were read: `bytes` with its header, `content` without. */
export type Value = { tag: number; bytes: Buffer; content: Buffer };

/** Reads the one value that fills `bytes`. @throws DerError when they are not exactly one DER value. */
export function readOne(bytes: Buffer): Value {
  const value = readAt(bytes, 0);
  if (value.bytes.length !== bytes.length) throw malformed('bytes after the end');
  return value;
}

/** Reads the values one after the other inside a constructed value. @throws DerError */
export function readAll(content: Buffer): Value[] {
  const values: Value[] = [];
  for (let at = 0; at < content.length; at += values.at(-1)!.bytes.length) values.push(readAt(content, at));
  return values;
}

/** The members of a value that must have `tag`. @throws DerError */
export function members(value: Value | undefined, tag: number): Value[] {
  return readAll(contentOf(value, tag));
}

/** The content of a value that must have `tag`. @throws DerError */
export function contentOf(value: Value | undefined, tag: number): Buffer {
  if (value?.tag !== tag) throw malformed(`expected tag 0x${tag.toString(16)}`);
  return value.content;
}

/** Whether the bytes are one SEQUENCE whose members have just these tags; nothing deeper is looked at. */
export function hasShape(bytes: Buffer, shape: readonly number[]): boolean {
  try {
    const values = members(readOne(bytes), tags.sequence);
    return values.length === shape.length && values.every(({ tag }, index) => tag === shape[index]);
  } catch (error) {
    if (error instanceof DerError) return false;
    throw error;
  }
}

function readAt(bytes: Buffer, at: number): Value {
  const tag = bytes[at];
  const first = bytes[at + 1];
  if (tag === undefined || first === undefined) throw malformed('cut short');
  if ((tag & 0x1f) === 0x1f) throw malformed('high tag number');
  const octets = first < 0x80 ? 0 : first & 0x7f;
  if (first === 0x80 || octets > 4) throw malformed('indefinite or huge length');
  const start = at + 2 + octets;
  if (start > bytes.length) throw malformed('cut short');
  const length = octets === 0 ? first : bytes.readUIntBE(at + 2, octets);
  if (octets > 0 && length < (octets === 1 ? 0x80 : 1 << (8 * (octets - 1)))) throw malformed('length not minimal');
  if (start + length > bytes.length) throw malformed('cut short');
  return { tag, bytes: bytes.subarray(at, start + length), content: bytes.subarray(start, start + length) };
}

function malformed(what: string): DerError {
  return new DerError(`not valid DER: ${what}`);
}

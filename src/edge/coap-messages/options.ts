import { CoapFault } from './fault.js';

/** An option with its value as it was sent. */
export type Option = { number: number; value: Buffer };

/** The numbers of the options that are known (RFC 7252 §5.10, 7641, 7959, 7967), and the one that carries an access token. */
export const optionNumber = {
  uriHost: 3,
  etag: 4,
  observe: 6,
  uriPort: 7,
  uriPath: 11,
  contentFormat: 12,
  maxAge: 14,
  uriQuery: 15,
  accept: 17,
  block2: 23,
  block1: 27,
  size2: 28,
  proxyUri: 35,
  proxyScheme: 39,
  size1: 60,
  noResponse: 258,
  accessToken: 65_001,
} as const;

/** True for an option that must not be passed over by whoever does not know it (RFC 7252 §5.4.1). */
export const isCritical = (number: number): boolean => (number & 1) === 1;

const payloadMarker = 0xff;
const largestNumber = 65_535;

/** What follows the token of a message: its options, and the place where its payload begins. */
export type Body = { options: Option[]; payload: number };

/** Reads options up to `end`, in the order of their numbers. @throws CoapFault for what is no message (RFC 7252 §3, §3.1) */
export function readOptions(bytes: Buffer, start: number, end: number): Body {
  const options: Option[] = [];
  let number = 0;
  let at = start;
  while (at < end) {
    const first = bytes[at++]!;
    if (first === payloadMarker) {
      if (at === end) throw new CoapFault('a payload is announced, and there is none');
      return { options, payload: at };
    }
    const delta = readExtended(bytes, at, end, first >> 4);
    const length = readExtended(bytes, delta.next, end, first & 15);
    number += delta.value;
    at = length.next + length.value;
    if (number > largestNumber) throw new CoapFault('the number of an option is larger than 65535');
    if (at > end) throw new CoapFault('an option ends outside of its message');
    options.push({ number, value: bytes.subarray(length.next, at) });
  }
  return { options, payload: end };
}

/** A number of which four bits were read already: 13 and 14 announce more octets. */
function readExtended(bytes: Buffer, at: number, end: number, nibble: number): { value: number; next: number } {
  if (nibble < 13) return { value: nibble, next: at };
  const next = at + nibble - 12;
  if (nibble === 15) throw new CoapFault('an option has the reserved delta or length 15');
  if (next > end) throw new CoapFault('an option ends outside of its message');
  return { value: nibble === 13 ? bytes[at]! + 13 : bytes.readUInt16BE(at) + 269, next };
}

/** The octets of options, which are put in order. */
export function writeOptions(options: readonly Option[]): Buffer {
  const parts: Buffer[] = [];
  let last = 0;
  for (const { number, value } of [...options].sort((one, other) => one.number - other.number)) {
    const [delta, deltaMore] = extended(number - last);
    const [length, lengthMore] = extended(value.length);
    parts.push(Buffer.of((delta << 4) | length), deltaMore, lengthMore, value);
    last = number;
  }
  return Buffer.concat(parts);
}

const none = Buffer.alloc(0);

function extended(value: number): [number, Buffer] {
  if (value < 13) return [value, none];
  if (value < 269) return [13, Buffer.of(value - 13)];
  return [14, Buffer.of((value - 269) >> 8, (value - 269) & 0xff)];
}

/** An option whose value is a number, in as few octets as it needs (RFC 7252 §3.2). */
export function numberOption(number: number, value: number): Option {
  const octets = Buffer.allocUnsafe(4);
  octets.writeUInt32BE(value);
  let from = 0;
  while (from < 4 && octets[from] === 0) from++;
  return { number, value: octets.subarray(from) };
}

/** The value of an option that is a number; zeros at its beginning count for nothing. */
export function numberOf(value: Buffer): number {
  return value.reduce((sum, octet) => sum * 256 + octet, 0);
}

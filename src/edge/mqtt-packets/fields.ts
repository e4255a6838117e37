import { MqttFault, reason } from './reason-codes.js';
import { isText } from './utf8.js';

// Readers of the fields of MQTT 5.0 §1.5. None reads at or beyond `end`; each throws MqttFault where the field does not end before it.

const malformed = (message: string): MqttFault => new MqttFault(reason.malformed, message);

/** Two octets, big-endian. */
export function readShort(bytes: Uint8Array, at: number, end: number): number {
  if (at + 2 > end) throw malformed('a number of two octets ends outside of its packet');
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

/** Four octets, big-endian, 0 to 2^32 - 1. */
export function readLong(bytes: Uint8Array, at: number, end: number): number {
  if (at + 4 > end) throw malformed('a number of four octets ends outside of its packet');
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

/** A packet identifier, which is never 0 (MQTT-2.2.1-3). */
export function readPacketId(bytes: Uint8Array, at: number, end: number): number {
  const id = readShort(bytes, at, end);
  if (id === 0) throw malformed('a packet identifier is 0');
  return id;
}

/** A Variable Byte Integer of at most four octets, in its shortest form (MQTT-1.5.5-1): `widthOf` says how many it has. */
export function readVarint(bytes: Uint8Array, at: number, end: number): number {
  let value = 0;
  for (let width = 0; width < 4; width++) {
    if (at + width >= end) throw malformed('a length ends outside of its packet');
    const octet = bytes[at + width]!;
    value |= (octet & 0x7f) << (7 * width);
    if (octet >= 0x80) continue;
    if (octet === 0 && width > 0) throw malformed('a length has more octets than it needs');
    return value;
  }
  throw malformed('a length has more than four octets');
}

/** How many octets a Variable Byte Integer has in its shortest form. */
export function widthOf(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  return value < 0x20_0000 ? 3 : 4;
}

/** Where the Binary Data ends whose length is at `at`. */
export function dataEnd(bytes: Uint8Array, at: number, end: number): number {
  const after = at + 2 + readShort(bytes, at, end);
  if (after > end) throw malformed('a field ends outside of its packet');
  return after;
}

/** Where the text ends whose length is at `at`. */
export function textEnd(bytes: Uint8Array, at: number, end: number): number {
  const after = dataEnd(bytes, at, end);
  if (!isText(bytes, at + 2, after)) throw malformed('a text is not UTF-8, or has U+0000');
  return after;
}

/** The text whose length is at `at`, and which was checked. */
export const textAt = (bytes: Buffer, at: number): string =>
  bytes.toString('utf8', at + 2, at + 2 + ((bytes[at]! << 8) | bytes[at + 1]!));

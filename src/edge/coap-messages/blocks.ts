import { numberOf, numberOption, type Option } from './options.js';

/** Which part of a body a message has (RFC 7959 §2.2): `number` counts blocks of `size` octets. */
export type Block = { number: number; more: boolean; size: number };

const reservedSize = 7;

/** Reads the value of Block1 or Block2. Null for one that there is not. */
export function readBlock(value: Buffer): Block | null {
  if (value.length > 3) return null;
  const sum = numberOf(value);
  const exponent = sum & 7;
  if (exponent === reservedSize) return null;
  return { number: sum >> 4, more: (sum & 8) !== 0, size: 1 << (exponent + 4) };
}

/** The option Block1 or Block2 for a part of a body. */
export function blockOption(option: number, { number, more, size }: Block): Option {
  const exponent = Math.log2(size) - 4;
  return numberOption(option, (number << 4) | (more ? 8 : 0) | exponent);
}

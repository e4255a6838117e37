import { randomFillSync } from 'node:crypto';

const octets = 20;
// Random octets are drawn in bulk: a draw costs the same for 20 as for 2,000, and each octet is used once.
const pool = Buffer.allocUnsafe(100 * octets);
let used = pool.length;

/**
 * A new certificate serial number: 20 octets, the first in 01 to 7f, so that it is positive and always of
 * one length (RFC 5280 §4.1.2.2), and 19 more of which every bit is random.
 */
export function createSerialNumber(): Buffer {
  for (;;) {
    if (used === pool.length) {
      randomFillSync(pool);
      used = 0;
    }
    const serial = Buffer.from(pool.subarray(used, used + octets));
    pool.fill(0, used, used + octets);
    used += octets;
    serial[0]! &= 0x7f;
    // Drawn again rather than mended: 01 to 7f stay equally likely.
    if (serial[0] !== 0) return serial;
  }
}

/** A serial number as it is stored and shown: lower-case hex, 40 digits. `hex` may have capitals and zeros before it, or lack some. */
export function serialDigits(hex: string): string {
  return hex
    .replace(/^(00)+/, '')
    .toLowerCase()
    .padStart(2 * octets, '0');
}

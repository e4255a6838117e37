import { randomBytes, randomInt } from 'node:crypto';

/**
 * A new certificate serial number: 20 octets of which 19 are random and the first lies in 01 to 7f,
 * so that it is positive and always 20 octets long (RFC 5280 §4.1.2.2).
 */
export function createSerialNumber(): Buffer {
  const serial = randomBytes(20);
  serial[0] = randomInt(0x01, 0x80);
  return serial;
}

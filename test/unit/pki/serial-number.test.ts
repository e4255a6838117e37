import { describe, expect, it } from 'vitest';
import { createSerialNumber, serialDigits } from '../../../src/pki/serial-number.js';

const count = 100_000;

describe('createSerialNumber', () => {
  it(`gives ${count} different serials of 20 octets, the first in 01 to 7f, every other bit fair`, () => {
    const seen = new Set<string>();
    const ones = new Array<number>(160).fill(0);
    for (let n = 0; n < count; n++) {
      const serial = createSerialNumber();
      expect(serial.length === 20 && serial[0]! >= 0x01 && serial[0]! <= 0x7f).toBe(true);
      seen.add(serial.toString('latin1'));
      for (let bit = 0; bit < 160; bit++) ones[bit]! += (serial[bit >> 3]! >> (7 - (bit & 7))) & 1;
    }
    expect(seen.size).toBe(count);
    const fiveSigma = 5 * Math.sqrt(count / 4);
    for (let bit = 8; bit < 160; bit++) expect(Math.abs(ones[bit]! - count / 2), `bit ${bit}`).toBeLessThan(fiveSigma);
  });
});

describe('serialDigits', () => {
  it('reads every spelling of a number as the same 40 digits', () => {
    const digits = '00'.repeat(18) + '0aff';
    for (const hex of ['0AFF', '0aff', 'aff', '000aff', `00${digits}`]) expect(serialDigits(hex), hex).toBe(digits);
  });
});

import { describe, expect, it } from 'vitest';
import { parseCsr } from '../../support/pki/csr.js';
import * as der from '../../../src/pki/der.js';
import { parseOcspRequest } from '../../../src/pki/ocsp.js';
import { readCrl } from '../../../src/pki/read.js';

const hex = (bytes: Buffer) => bytes.toString('hex');

describe('der', () => {
  it('writes the shortest length of every size', () => {
    for (const [size, header] of [
      [0, '0400'],
      [127, '047f'],
      [128, '048180'],
      [255, '0481ff'],
      [256, '04820100'],
      [65_536, '0483010000'],
    ] as const) {
      const bytes = der.octetString(Buffer.alloc(size));
      expect(hex(bytes.subarray(0, header.length / 2))).toBe(header);
      expect(der.readOne(bytes).content).toHaveLength(size);
    }
  });

  it('writes integers minimal and positive', () => {
    for (const [value, text] of [
      [0, '020100'],
      [127, '02017f'],
      [128, '02020080'],
      [256, '02020100'],
      [2n ** 64n, '0209010000000000000000'],
    ] as const) {
      expect(hex(der.integer(value))).toBe(text);
    }
    expect(hex(der.integer(Buffer.from('0000ff', 'hex')))).toBe('020200ff');
  });

  it('writes object identifiers, long arcs too', () => {
    expect(hex(der.oid('1.2.840.113549.1.1.11'))).toBe('06092a864886f70d01010b');
    expect(hex(der.oid('2.25.329800735698586629295641978511506172918'))).toBe(
      '06146983f09da7ebcfdee0c7a1a7b2c0948cc8f9d776',
    );
  });

  it('writes times as UTCTime through 2049 and GeneralizedTime after (RFC 5280 §4.1.2.5)', () => {
    expect(der.time(new Date('2049-12-31T23:59:59.999Z')).toString('latin1')).toBe('\x17\x0d491231235959Z');
    expect(der.time(new Date('2050-01-01T00:00:00Z')).toString('latin1')).toBe('\x18\x0f20500101000000Z');
  });

  it('writes named bits cut after the last (X.690 §11.2.2)', () => {
    expect(hex(der.namedBits(0))).toBe('03020780');
    expect(hex(der.namedBits(5, 6))).toBe('03020106');
  });

  it('says which of two times is the later, in both forms and over centuries', () => {
    const days = [
      0,
      Date.UTC(1999, 11, 31),
      Date.UTC(2000, 0, 1),
      Date.UTC(2026, 10, 28, 12),
      Date.UTC(2026, 10, 28, 13),
    ];
    const dates = [...days, Date.UTC(2049, 11, 31, 23, 59, 59), Date.UTC(2050, 0, 1), Date.UTC(2151, 5, 5)];
    for (const one of dates) {
      for (const other of dates) {
        const bytes = Buffer.concat([der.nullValue(), der.time(new Date(other))]);
        const sign = Math.sign(der.compareTimes(der.time(new Date(one)), 0, bytes, 2));
        expect(sign, `${one} ${other}`).toBe(Math.sign(one - other));
      }
    }
  });
});

describe('bytes that are not DER', () => {
  const broken = [
    Buffer.alloc(0),
    Buffer.from('3080', 'hex'),
    Buffer.from('300302', 'hex'),
    Buffer.from('1f00', 'hex'),
  ];

  it('are no answer by themselves: every reader says what they mean', () => {
    for (const bytes of broken) {
      expect(() => der.readOne(bytes)).toThrow(der.DerError);
      expect(parseOcspRequest(bytes)).toBeUndefined();
      expect(() => readCrl(bytes)).toThrow(der.DerError);
      const text = bytes.length === 0 ? 'MA==' : bytes.toString('base64');
      expect(() => parseCsr(text, 'urn:thingward:a:b')).toThrow(expect.objectContaining({ code: 'bad-csr' }));
    }
  });
});

import { describe, expect, it } from 'vitest';
import { decoderOf } from '../../../src/pipeline/decode/decoders.js';
import type { DecoderState } from '../../../src/pipeline/decode/decoded.js';
import type { DecoderName } from '../../../src/pipeline/document.js';
import { seeded } from '../../support/seeded.js';

const at = 1_800_000_000_000;
const fresh = (): DecoderState => ({ aliases: undefined });
const hex = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'));
const read = (name: DecoderName, payload: Uint8Array | string, state = fresh()) =>
  decoderOf[name](typeof payload === 'string' ? Buffer.from(payload) : payload, at, state).map(({ time, message }) => ({
    time,
    message: JSON.parse(JSON.stringify(message)) as unknown,
  }));

describe('JSON', () => {
  it('is read as it is', () => {
    expect(read('json', '{"t":1.5}')).toEqual([{ time: undefined, message: { t: 1.5 } }]);
  });

  it.each(['', '{', '{"a":NaN}', '\ufeff{}', "{'a':1}"])('refuses %j', (text) => {
    expect(() => read('json', text)).toThrow();
  });

  it('refuses octets that are not UTF-8', () => {
    expect(() => read('json', hex('22ff22'))).toThrow();
  });
});

describe('CBOR', () => {
  // RFC 8949, appendix A.
  it.each([
    ['a26161016162820203', { a: 1, b: [2, 3] }],
    ['a56161614161626142616361436164614461656145', { a: 'A', b: 'B', c: 'C', d: 'D', e: 'E' }],
    ['fb3ff199999999999a', 1.1],
    ['f93c00', 1],
    ['1b000000e8d4a51000', 1_000_000_000_000],
    ['3903e7', -1000],
    ['bf61610161629f0203ffff', { a: 1, b: [2, 3] }],
    ['a201020304', { 1: 2, 3: 4 }],
    // RFC 8949 §3.4.4: 273.15.
    ['c48221196ab3', 273.15],
  ])('reads %s', (octets, value) => {
    expect(read('cbor', hex(octets))).toEqual([{ time: undefined, message: value }]);
  });

  it.each([
    ['a key twice', 'a2616101616102'],
    ['a key twice, as a number and as its text', 'a2010161310 2'],
    ['the end too early', 'a26161016162'],
    ['more than one item', '0101'],
    ['an unknown tag', 'c074323031332d30332d32315432303a30343a30305a'],
    ['a list that says it is huge', '9bffffffffffffffff'],
    ['a text that says it is huge', '7b00ffffffffffffff61'],
    ['nothing', ''],
  ])('refuses %s', (_, octets) => {
    expect(() => read('cbor', hex(octets))).toThrow();
  });

  it('refuses what is nested without end, and does not fall over it', () => {
    expect(() => read('cbor', new Uint8Array(200_000).fill(0x81))).toThrow();
    expect(() => read('cbor', Uint8Array.from([...new Uint8Array(100).fill(0x81), 0x01]))).toThrow(/levels/);
  });

  it('a key named __proto__ is a key', () => {
    const [{ message } = { message: undefined }] = decoderOf.cbor(hex('a1695f5f70726f746f5f5fa16161 01'), at, fresh());
    expect(Object.keys(message as object)).toEqual(['__proto__']);
  });
});

describe('SenML', () => {
  it('resolves names, base values and times (RFC 8428 §5.1.3)', () => {
    const pack = [
      { bn: 'urn:dev:ow:10e2073a0108006:', bt: 1.276020076001e9, bu: 'A', bver: 5, n: 'voltage', u: 'V', v: 120.1 },
      { n: 'current', t: -5, v: 1.2 },
      { n: 'current', t: -4, v: 1.3 },
    ];
    expect(read('senml-json', JSON.stringify(pack))).toEqual([
      { time: 1_276_020_076_001, message: { 'urn:dev:ow:10e2073a0108006:voltage': 120.1 } },
      { time: 1_276_020_071_001, message: { 'urn:dev:ow:10e2073a0108006:current': 1.2 } },
      { time: 1_276_020_072_001, message: { 'urn:dev:ow:10e2073a0108006:current': 1.3 } },
    ]);
  });

  it('reads the same in CBOR, by labels (§6)', () => {
    // [{-2: "a:", -3: 1600000000, 0: "t", 2: 20.5}, {0: "h", 2: 40}]
    const octets = '82 a4 21 62613a 22 1a5f5e1000 00 6174 02 fb4034800000000000 a2 00 6168 02 1828';
    expect(read('senml-cbor', hex(octets))).toEqual([{ time: 1_600_000_000_000, message: { 'a:t': 20.5, 'a:h': 40 } }]);
  });

  it('times are relative to now below 2 to the 28th, and now without one', () => {
    expect(read('senml-json', '[{"n":"a","v":1},{"n":"a","t":-60,"v":2}]')).toEqual([
      { time: at, message: { a: 1 } },
      { time: at - 60_000, message: { a: 2 } },
    ]);
  });

  it('adds base value and base sum, and knows texts and booleans', () => {
    const pack =
      '[{"bn":"x","bv":10,"bs":100,"n":"1","v":5},{"n":"2","s":1},{"n":"3","vs":"on"},{"n":"4","vb":true},{"n":"5","vd":"aGk"}]';
    expect(read('senml-json', pack)[0]!.message).toEqual({ x1: 15, x2: 101, x3: 'on', x4: true, x5: 'aGk' });
  });

  it.each([
    ['no list', '{"n":"a","v":1}'],
    ['an empty list', '[]'],
    ['no value', '[{"n":"a"}]'],
    ['two values', '[{"n":"a","v":1,"vs":"b"}]'],
    ['no name', '[{"v":1}]'],
    ['a name that begins with a dash', '[{"n":"-a","v":1}]'],
    ['a field that must be understood', '[{"n":"a","v":1,"x_":2}]'],
    ['a newer version', '[{"bver":11,"n":"a","v":1}]'],
    ['a value that is a text', '[{"n":"a","v":"1"}]'],
    ['more than a thousand records', JSON.stringify(Array.from({ length: 1001 }, () => ({ n: 'a', v: 1 })))],
  ])('refuses %s', (_, pack) => {
    expect(() => read('senml-json', pack)).toThrow(RangeError);
  });
});

// Written by hand: what reads it has no part in it.
const varint = (value: bigint): number[] =>
  value < 128n ? [Number(value)] : [Number(value & 127n) | 128, ...varint(value >> 7n)];
const number = (field: number, value: number | bigint) => [...varint(BigInt(field) << 3n), ...varint(BigInt(value))];
const octets = (field: number, value: number[]) => [
  ...varint(BigInt((field << 3) | 2)),
  ...varint(BigInt(value.length)),
  ...value,
];
const text = (field: number, value: string) => octets(field, [...Buffer.from(value)]);
const double = (field: number, value: number) => {
  const buffer = Buffer.alloc(8);
  buffer.writeDoubleLE(value);
  return [(field << 3) | 1, ...buffer];
};
const float = (field: number, value: number) => {
  const buffer = Buffer.alloc(4);
  buffer.writeFloatLE(value);
  return [(field << 3) | 5, ...buffer];
};
const payload = (...parts: number[][]) => Uint8Array.from(parts.flat());

describe('Sparkplug B', () => {
  const birth = payload(
    number(1, 1_700_000_000_000),
    octets(2, [...text(1, 'temp'), ...number(2, 7), ...number(4, 10), ...double(13, 20.5)]),
    octets(2, [...text(1, 'Node Control/Rebirth'), ...number(4, 11), ...number(14, 0)]),
    octets(2, [...text(1, 'level'), ...number(2, 8), ...number(4, 3), ...number(10, 0xffff_fffe)]),
    number(3, 0),
  );

  it('reads metrics of every type that is one value', () => {
    const more = payload(
      octets(2, [...text(1, 'f'), ...number(4, 9), ...float(12, 0.5)]),
      octets(2, [...text(1, 's'), ...number(4, 12), ...text(15, 'on')]),
      octets(2, [...text(1, 'l'), ...number(4, 4), ...number(11, (1n << 64n) - 5n)]),
      octets(2, [...text(1, 'u'), ...number(4, 8), ...number(11, 5n)]),
      octets(2, [...text(1, 'n'), ...number(4, 10), ...number(7, 1)]),
    );
    expect(read('sparkplug', birth)).toEqual([
      { time: 1_700_000_000_000, message: { temp: 20.5, 'Node Control/Rebirth': false, level: -2 } },
    ]);
    expect(read('sparkplug', more)).toEqual([{ time: at, message: { f: 0.5, s: 'on', l: -5, u: 5, n: null } }]);
  });

  it('knows a metric by the alias of its birth, with its type', () => {
    const state = fresh();
    read('sparkplug', birth, state);
    const data = payload(
      octets(2, [...number(2, 8), ...number(10, 0xffff_fffd)]),
      octets(2, [...number(2, 7), ...number(3, 1_700_000_001_000), ...double(13, 21)]),
      number(1, 1_700_000_002_000),
    );
    expect(read('sparkplug', data, state)).toEqual([
      { time: 1_700_000_002_000, message: { level: -3 } },
      { time: 1_700_000_001_000, message: { temp: 21 } },
    ]);
  });

  it.each([
    ['an alias that was never introduced', payload(octets(2, [...number(2, 99), ...double(13, 1)]))],
    ['a metric without a name', payload(octets(2, double(13, 1)))],
    ['a name of another type', payload(octets(2, [...number(1, 5), ...double(13, 1)]))],
    ['a name that is not UTF-8', payload(octets(2, [...octets(1, [0xff]), ...double(13, 1)]))],
    ['a length beyond the end', Uint8Array.from([0x12, 0x7f, 0x0a])],
    ['a number without an end', Uint8Array.from([0x08, ...new Array<number>(12).fill(0xff)])],
    ['JSON', Uint8Array.from(Buffer.from('{"online":true}'))],
  ])('refuses %s', (_, octetsOfIt) => {
    expect(() => read('sparkplug', octetsOfIt)).toThrow();
  });

  it('remembers no more than a bounded number of metrics', () => {
    const state = fresh();
    const introduce = (from: number) =>
      payload(
        ...Array.from({ length: 900 }, (_, n) =>
          octets(2, [...text(1, `m${from + n}`), ...number(2, from + n), ...number(4, 10)]),
        ),
      );
    read('sparkplug', introduce(0), state);
    read('sparkplug', introduce(900), state);
    expect(() => read('sparkplug', introduce(1800), state)).toThrow(/too many/);
    expect(state.aliases!.size).toBe(2000);
  });
});

describe('octets of any kind', () => {
  it('are read or refused, and never anything else', () => {
    const random = seeded('decoders');
    const names: DecoderName[] = ['json', 'cbor', 'senml-json', 'senml-cbor', 'sparkplug'];
    let read = 0;
    for (let round = 0; round < 10_000; round++) {
      const noise = Uint8Array.from({ length: random.below(40) }, () => random.below(256));
      for (const name of names) {
        const decoded = attempt(() => decoderOf[name](noise, at, fresh()));
        if (decoded instanceof Error) continue;
        read++;
        for (const { time } of decoded) expect(time === undefined || Number.isFinite(time)).toBe(true);
      }
    }
    expect(read).toBeGreaterThan(30);
  });
});

function attempt<Result>(work: () => Result): Result | Error {
  try {
    return work();
  } catch (error) {
    if (error instanceof Error) return error;
    throw error;
  }
}

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bitmapOf, isSet, members } from '../../src/compact/bits.js';
import { encodeGaps, openGaps } from '../../src/compact/gap-list.js';

function finish<Result>(work: Generator<unknown, Result>): Result {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}

/** log2 C(n, r): what any code needs for one of the sets of r numbers below n. */
function floorBits(n: number, r: number): number {
  let bits = 0;
  for (let k = 1; k <= r; k++) bits += Math.log2((n - r + k) / k);
  return bits;
}

function randomSet(n: number, r: number): number[] {
  const set = new Set<number>();
  while (set.size < r) set.add(Math.floor(Math.random() * n));
  return [...set];
}

describe('the gap list', () => {
  it('holds exactly what was put in, and answers for every number, at any density', () => {
    const shape = fc
      .integer({ min: 1, max: 3000 })
      .chain((size) =>
        fc.record({ size: fc.constant(size), indices: fc.uniqueArray(fc.integer({ min: 0, max: size - 1 })) }),
      );
    const cases = 3000;
    fc.assert(
      fc.property(shape, ({ size, indices }) => {
        const bitmap = finish(bitmapOf(indices, size));
        const list = openGaps(finish(encodeGaps(bitmap)));
        const wanted = new Set(indices);
        expect([...list.members()]).toEqual([...indices].sort((a, b) => a - b));
        expect([...members(bitmap)]).toEqual([...list.members()]);
        for (let index = 0; index < size + 5; index++) {
          if (list.has(index) !== wanted.has(index) || isSet(bitmap, index) !== wanted.has(index))
            throw new Error(`${index} of ${size}`);
        }
        expect([list.size, list.count]).toEqual([size, indices.length]);
      }),
      { numRuns: cases },
    );
    console.log(`gap list: cases=${cases} wrong=0`);
  });

  it('stays within 3 % and 128 octets of log2 C(n, r) up to 5 %, and answers across restart points', () => {
    for (const [n, r] of [
      [100_000, 5000],
      [100_000, 1000],
      [1_000_000, 50_000],
      [1_000_000, 35_000],
      [1_000_000, 25_000],
      [1_000_000, 15_000],
      [1_000_000, 10_000],
      [1_000_000, 1000],
      [10_000_000, 10_000],
      [10_000_000, 100_000],
    ] as const) {
      const indices = randomSet(n, r);
      const bytes = finish(encodeGaps(finish(bitmapOf(indices, n))));
      const floor = Math.ceil(floorBits(n, r) / 8);
      console.log(
        `gap list: n=${n} r=${r} octets=${bytes.length} floor=${floor} ratio=${(bytes.length / floor).toFixed(4)}`,
      );
      expect(bytes.length).toBeLessThanOrEqual(floor * 1.03 + 128);
      const list = openGaps(bytes);
      for (const index of indices.slice(0, 300)) expect(list.has(index)).toBe(true);
      const wanted = new Set(indices);
      for (let probe = 0; probe < 300; probe++) {
        const index = Math.floor(Math.random() * n);
        expect(list.has(index)).toBe(wanted.has(index));
      }
    }
  });

  it('refuses to open what is cut short', () => {
    const bytes = finish(encodeGaps(finish(bitmapOf(randomSet(10_000, 1000), 10_000))));
    expect(() => openGaps(bytes.subarray(0, 10))).toThrow(RangeError);
    expect(() => [...openGaps(bytes.subarray(0, bytes.length - 20)).members()]).toThrow(RangeError);
  });
});

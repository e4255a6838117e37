import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inflateSync } from 'node:zlib';
import { bitmapOf, isSet, isSetIn, members, pieceOctets } from '../../../src/compact/bits.js';
import { deflateBitmap, type Compress } from '../../../src/compact/deflate.js';
import { encodeGaps, openGaps } from '../../../src/compact/gap-list.js';
import { seeded } from '../../support/seeded.js';

const random = seeded('compact');
const cases = Number(process.env['GAP_LISTS'] ?? 3000);

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
  while (set.size < r) set.add(random.below(n));
  return [...set];
}

describe('the gap list', () => {
  it('holds exactly what was put in, and answers for every number, at any density', () => {
    const shape = fc
      .integer({ min: 1, max: 3000 })
      .chain((size) =>
        fc.record({ size: fc.constant(size), indices: fc.uniqueArray(fc.integer({ min: 0, max: size - 1 })) }),
      );
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
        const index = random.below(n);
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

describe('a bitmap that is compressed', () => {
  const sets = fc.record({
    size: fc.integer({ min: 1, max: 40 * pieceOctets }),
    at: fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), { maxLength: 200 }),
  });

  it('is what zlib reads as the bits of the set, wherever pieces are empty', async () => {
    await fc.assert(
      fc.asyncProperty(sets, async ({ size, at }) => {
        const indices = [...new Set(at.map((part) => Math.floor(part * size)))].sort((a, b) => a - b);
        const bytes = inflateSync(await deflateBitmap(finish(bitmapOf(indices, size))));
        expect(bytes.length).toBe(Math.ceil(size / 8));
        const read: number[] = [];
        bytes.forEach((octet, place) => {
          for (let bit = 0; octet !== 0 && bit < 8; bit++)
            if (isSetIn(bytes, place * 8 + bit)) read.push(place * 8 + bit);
        });
        expect(read).toEqual(indices);
      }),
      { numRuns: 60 },
    );
  });

  it('costs no more for a gap of a hundred million numbers, nor for two', async () => {
    const around = (gap: number): number[] => [0, gap].flatMap((start) => [start + 3, start + 4000, start + 700_000]);
    const costOf = async (gap: number) => {
      const bitmap = finish(bitmapOf(around(gap), 1_000_000 + gap));
      let octets = 0;
      const counting: Compress = async (bytes) => {
        octets += bytes.length;
        return Buffer.alloc(0);
      };
      await deflateBitmap(bitmap, counting);
      const gaps = finish(encodeGaps(bitmap));
      expect([...openGaps(gaps).members()]).toEqual(around(gap));
      const packed = await deflateBitmap(bitmap);
      expect(inflateSync(packed).length).toBe(Math.ceil(bitmap.size / 8));
      return { pieces: bitmap.pieces.size, octets, gaps: gaps.length, packed: packed.length };
    };
    const gap = 100_000_000;
    const [none, one, two] = [await costOf(2_000_000), await costOf(gap), await costOf(2 * gap)];
    for (const cost of [one, two]) {
      expect(cost.pieces).toBeLessThanOrEqual(none.pieces + 1);
      expect(cost.octets).toBeLessThanOrEqual(none.octets + 3 * pieceOctets);
      expect(cost.gaps).toBeLessThan(none.gaps + 32);
    }
    // What is written grows by the run lengths of DEFLATE: a thousandth.
    expect(two.packed - one.packed).toBeLessThan(gap / 8 / 500);
  });
});

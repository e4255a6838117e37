import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nextSignal, utilizationOf, withSample, type Sample, type Signal } from '../../../src/sites/signal.js';

const every = 10_000;
const after = (loads: number[], gaps: number[] = []) => {
  let [samples, signal, at]: [Sample[], Signal, number] = [[], 'steady', 0];
  return loads.map((cpu, nth) => {
    at += gaps[nth] ?? every;
    samples = withSample(samples, { at, cpu, memory: 0.5 });
    signal = nextSignal(signal, utilizationOf(samples));
    return signal;
  });
};

describe('the signal of a site', () => {
  it('begins above 80 % of the average of five reports, not of one', () => {
    expect(after([1, 1, 1, 1])).toEqual(['steady', 'steady', 'steady', 'steady']);
    expect(after([1, 1, 1, 1, 1]).at(-1)).toBe('scale-up');
    expect(after([0.8, 0.8, 0.8, 0.8, 0.8]).at(-1)).toBe('steady');
    expect(after([0.6, 0.6, 0.6, 0.6, 1, 1, 1]).slice(4)).toEqual(['steady', 'steady', 'scale-up']);
  });

  it('ends at 70 %: what swings around 80 % does not make it come and go', () => {
    const swinging = after([
      ...Array<number>(5).fill(0.9),
      ...Array<number>(40)
        .fill(0)
        .map((_, n) => (n % 2 ? 0.9 : 0.65)),
    ]);
    expect(new Set(swinging.slice(5))).toEqual(new Set(['scale-up']));
    expect(after([...Array<number>(5).fill(0.9), ...Array<number>(5).fill(0.69)]).at(-1)).toBe('steady');
  });

  it('goes by the larger of processors and memory', () => {
    const samples = [1, 2, 3, 4, 5].map((at) => ({ at, cpu: 0.1, memory: 0.9 }));
    expect(utilizationOf(samples)).toEqual({
      cpu: expect.closeTo(0.1),
      memory: expect.closeTo(0.9),
      mean: expect.closeTo(0.9),
    });
    const idle = samples.map((sample) => ({ ...sample, memory: 0.15 }));
    expect(nextSignal('steady', utilizationOf(idle))).toBe('scale-down');
    expect(nextSignal('scale-down', { cpu: 0.1, memory: 0.29, mean: 0.29 })).toBe('scale-down');
    expect(nextSignal('scale-down', { cpu: 0.1, memory: 0.3, mean: 0.3 })).toBe('steady');
  });

  it('begins again after a gap, and after a clock that was put back', () => {
    expect(after([1, 1, 1, 1, 1], [every, every, every, 61_000]).at(-1)).toBe('steady');
    expect(after([1, 1, 1, 1, 1], [every, every, every, -5000]).at(-1)).toBe('steady');
    expect(after([1, 1, 1, 1, 1], [every, every, every, 60_000]).at(-1)).toBe('scale-up');
  });

  it('keeps five samples at most, and is never for more machines below 70 % or for fewer above 30 %', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 60 }), (loads) => {
        let [samples, signal]: [Sample[], Signal] = [[], 'steady'];
        loads.forEach((cpu, nth) => {
          samples = withSample(samples, { at: nth * every, cpu, memory: 0 });
          const utilization = utilizationOf(samples);
          signal = nextSignal(signal, utilization);
          expect(samples.length).toBeLessThanOrEqual(5);
          if (signal === 'scale-up') expect(utilization!.mean).toBeGreaterThan(0.7);
          if (signal === 'scale-down') expect(utilization!.mean).toBeLessThan(0.3);
        });
      }),
    );
  });
});

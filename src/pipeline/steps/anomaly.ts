import { numberAt, put } from '../record.js';
import { rounding } from './rounding.js';
import { createRing, moments, push, type Ring } from './ring.js';
import type { Making, StartStep, Step } from './step.js';

const certain = 3;

/** How unusual a value is, from 0 to 1, beside a mean and a variance. */
function scoreOf(value: number, mean: number, variance: number): number {
  const off = Math.abs(value - mean);
  if (off <= rounding * Math.abs(mean)) return 0;
  return variance > 0 ? Math.min(off / Math.sqrt(variance) / certain, 1) : 1;
}

/** A step that puts the highest score of the values of a record into it, each beside those before it; undefined is no score yet. */
const scoring = (
  { slots, results, counts }: Making,
  scoreAt: (n: number, value: number) => number | undefined,
  state: unknown,
): Step => ({
  state,
  apply(record) {
    let highest: number | undefined;
    for (let n = 0; n < slots.length; n++) {
      const value = numberAt(record, slots[n]!);
      const score = value === undefined ? undefined : scoreAt(n, value);
      if (score !== undefined) highest = Math.max(highest ?? 0, score);
    }
    if (highest !== undefined) put(record, results[0]!, highest, counts);
    return true;
  },
});

/** Scores beside the mean and variance of the latest values. */
export function startZ({ points, window }: { points: number; window: number }, making: Making): StartStep {
  return (saved) => {
    const rings = (saved as Ring[] | undefined) ?? making.slots.map(() => createRing(window));
    const scoreAt = (n: number, value: number): number | undefined => {
      const ring = rings[n]!;
      const before = ring.count >= points ? moments(ring) : undefined;
      push(ring, value);
      return before && scoreOf(value, before.mean, before.variance);
    };
    return scoring(making, scoreAt, rings);
  };
}

type Weighted = { count: number; mean: number; variance: number };

/** The same, with mean and variance exponentially weighted. */
export function startWeighted({ points, alpha }: { points: number; alpha: number }, making: Making): StartStep {
  return (saved) => {
    const states = (saved as Weighted[] | undefined) ?? making.slots.map(() => ({ count: 0, mean: 0, variance: 0 }));
    const scoreAt = (n: number, value: number): number | undefined => {
      const state = states[n]!;
      const score = state.count >= points ? scoreOf(value, state.mean, state.variance) : undefined;
      learn(state, value, alpha);
      return score;
    };
    return scoring(making, scoreAt, states);
  };
}

function learn(state: Weighted, value: number, alpha: number): void {
  if (state.count++ === 0) {
    state.mean = value;
    return;
  }
  const off = value - state.mean;
  const step = alpha * off;
  state.mean += step;
  state.variance = (1 - alpha) * (state.variance + off * step);
  // What went beyond the largest number would never come back.
  if (!Number.isFinite(state.mean + state.variance)) state.count = 0;
}

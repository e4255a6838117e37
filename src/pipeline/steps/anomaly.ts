import { numberAt, put } from '../record.js';
import { rounding } from './rounding.js';
import { createRing, moments, push } from './ring.js';
import type { Making, StartStep } from './step.js';

const certain = 3;

/** How unusual a value is, from 0 to 1, beside a mean and a variance. */
function scoreOf(value: number, mean: number, variance: number): number {
  const off = Math.abs(value - mean);
  if (off <= rounding * Math.abs(mean)) return 0;
  return variance > 0 ? Math.min(off / Math.sqrt(variance) / certain, 1) : 1;
}

/** The highest score of the values of a record, each beside those before it. */
export function startZ(
  { points, window }: { points: number; window: number },
  { slots, results, counts }: Making,
): StartStep {
  return () => {
    const rings = slots.map(() => createRing(window));
    return {
      apply(record) {
        let score: number | undefined;
        for (let n = 0; n < slots.length; n++) {
          const value = numberAt(record, slots[n]!);
          if (value === undefined) continue;
          const ring = rings[n]!;
          if (ring.count >= points) {
            const { mean, variance } = moments(ring);
            score = Math.max(score ?? 0, scoreOf(value, mean, variance));
          }
          push(ring, value);
        }
        if (score !== undefined) put(record, results[0]!, score, counts);
        return true;
      },
    };
  };
}

type Weighted = { count: number; mean: number; variance: number };

/** The same, with mean and variance exponentially weighted. */
export function startWeighted(
  { points, alpha }: { points: number; alpha: number },
  { slots, results, counts }: Making,
): StartStep {
  return () => {
    const states: Weighted[] = slots.map(() => ({ count: 0, mean: 0, variance: 0 }));
    return {
      apply(record) {
        let score: number | undefined;
        for (let n = 0; n < slots.length; n++) {
          const value = numberAt(record, slots[n]!);
          if (value === undefined) continue;
          const state = states[n]!;
          if (state.count >= points) score = Math.max(score ?? 0, scoreOf(value, state.mean, state.variance));
          learn(state, value, alpha);
        }
        if (score !== undefined) put(record, results[0]!, score, counts);
        return true;
      },
    };
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

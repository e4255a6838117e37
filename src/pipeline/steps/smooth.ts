import { put } from '../record.js';
import { createRing, moments, push } from './ring.js';
import { eachNumber, type Making, type StartStep } from './step.js';

/** The mean of the latest values, in place of each. */
export function startAverage({ window }: { window: number }, { slots, counts }: Making): StartStep {
  return () => {
    const rings = slots.map(() => createRing(window));
    return eachNumber(slots, (n, value, record) => {
      push(rings[n]!, value);
      put(record, slots[n]!, moments(rings[n]!).mean, counts);
    });
  };
}

/** The exponentially weighted mean, in place of each value; it begins with the first. */
export function startEwma({ alpha }: { alpha: number }, { slots, counts }: Making): StartStep {
  return () => {
    const means: (number | undefined)[] = slots.map(() => undefined);
    return eachNumber(slots, (n, value, record) => {
      const before = means[n];
      const mean = before === undefined ? value : before + alpha * (value - before);
      means[n] = mean;
      put(record, slots[n]!, mean, counts);
    });
  };
}

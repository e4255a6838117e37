import { put, type PipelineRecord } from '../record.js';
import { createRing, moments, push, type Ring } from './ring.js';
import { eachNumber, type Making, type StartStep } from './step.js';

/** The mean of the latest values, in place of each. */
export function startAverage({ window }: { window: number }, { slots, counts }: Making): StartStep {
  return (saved) => {
    const rings = (saved as Ring[] | undefined) ?? slots.map(() => createRing(window));
    const take = (n: number, value: number, record: PipelineRecord): void => {
      push(rings[n]!, value);
      put(record, slots[n]!, moments(rings[n]!).mean, counts);
    };
    return eachNumber(slots, take, rings);
  };
}

/** The exponentially weighted mean, in place of each value; it begins with the first. */
export function startEwma({ alpha }: { alpha: number }, { slots, counts }: Making): StartStep {
  return (saved) => {
    const means = (saved as (number | undefined)[] | undefined) ?? slots.map((): undefined => undefined);
    const take = (n: number, value: number, record: PipelineRecord): void => {
      const before = means[n];
      const mean = before === undefined ? value : before + alpha * (value - before);
      means[n] = mean;
      put(record, slots[n]!, mean, counts);
    };
    return eachNumber(slots, take, means);
  };
}

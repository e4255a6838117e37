import { put, type PipelineRecord } from '../record.js';
import { rounding } from './rounding.js';
import { createRing, push, type Ring } from './ring.js';
import { eachNumber, type Making, type StartStep } from './step.js';

// The deviation of a normal distribution, by its median absolute deviation.
const toDeviation = 1.4826;
const fewest = 3;

/** Hampel: a value that is further than some deviations from the median of the latest ones is an outlier. */
export function startOutliers(
  { window, sigmas, replace }: { window: number; sigmas: number; replace: 'median' | 'nothing' },
  { slots, counts }: Making,
): StartStep {
  const sorted = new Float64Array(window);
  const medianOf = (count: number): number => {
    sorted.subarray(0, count).sort();
    const middle = count >> 1;
    return count % 2 === 1 ? sorted[middle]! : sorted[middle - 1]! / 2 + sorted[middle]! / 2;
  };
  return (saved) => {
    const rings = (saved as Ring[] | undefined) ?? slots.map(() => createRing(window));
    const take = (n: number, value: number, record: PipelineRecord): void => {
      const ring = rings[n]!;
      push(ring, value);
      const { count, values } = ring;
      if (count < fewest) return;
      for (let index = 0; index < count; index++) sorted[index] = values[index]!;
      const median = medianOf(count);
      for (let index = 0; index < count; index++) sorted[index] = Math.abs(values[index]! - median);
      const off = Math.abs(value - median);
      if (off <= rounding * Math.abs(median) || !(off > sigmas * toDeviation * medianOf(count))) return;
      counts.outliers++;
      put(record, slots[n]!, replace === 'median' ? median : undefined, counts);
    };
    return eachNumber(slots, take, rings);
  };
}

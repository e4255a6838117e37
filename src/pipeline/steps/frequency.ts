import { put, type PipelineRecord } from '../record.js';
import { rounding } from './rounding.js';
import { transform } from './fourier.js';
import { createRing, empty, oldest, push, type Ring } from './ring.js';
import { eachNumber, type Making, type StartStep } from './step.js';

// What is less than this of the strongest possible is rounding.
const silence = 1e-20;
// Of two that are as strong as each other, rounding does not choose: the lower one is told.
const clearly = 1 + 1e-9;

type Lines = { times: Ring; values: Ring }[];

/** The strongest frequency of each N values, in hertz, on the record that is the last of them. */
export function startFrequency({ window }: { window: number }, { slots, results, counts }: Making): StartStep {
  const [re, im] = [new Float64Array(window), new Float64Array(window)];

  const strongest = (times: Ring, values: Ring): number | undefined => {
    const seconds = (oldest(times, window - 1) - oldest(times, 0)) / 1000;
    if (!(seconds > 0)) return undefined;
    const largest = fill(re, im, values);
    if (largest === 0) return undefined;
    transform(re, im);
    let [best, power] = [0, silence * window * window * largest * largest];
    for (let k = 1; k <= window / 2; k++) {
      const own = re[k]! * re[k]! + im[k]! * im[k]!;
      if (own > power * clearly) [best, power] = [k, own];
    }
    return best === 0 ? undefined : (best * (window - 1)) / (window * seconds);
  };

  return (saved) => {
    const lines =
      (saved as Lines | undefined) ?? slots.map(() => ({ times: createRing(window), values: createRing(window) }));
    const take = (n: number, value: number, record: PipelineRecord): void => {
      const { times, values } = lines[n]!;
      push(times, record.time);
      push(values, value);
      if (values.count < window) return;
      put(record, results[n]!, strongest(times, values), counts);
      empty(times);
      empty(values);
    };
    return eachNumber(slots, take, lines);
  };
}

/** The values without their mean. Returns the largest of them; 0 when they differ by rounding alone. */
function fill(re: Float64Array, im: Float64Array, values: Ring): number {
  const first = oldest(values, 0);
  let mean = 0;
  for (let index = 0; index < re.length; index++) {
    re[index] = oldest(values, index) - first;
    mean += re[index]! / re.length;
  }
  let largest = 0;
  for (let index = 0; index < re.length; index++) {
    re[index]! -= mean;
    largest = Math.max(largest, Math.abs(re[index]!));
  }
  im.fill(0);
  return largest <= rounding * Math.abs(first + mean) ? 0 : largest;
}

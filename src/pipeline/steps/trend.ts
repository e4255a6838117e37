import { put, type PipelineRecord } from '../record.js';
import { createRing, oldest, push, type Ring } from './ring.js';
import { eachNumber, type Making, type StartStep } from './step.js';

const fewest = 3;

type Lines = { times: Ring; values: Ring }[];

/** How much a value changes in a second: the slope of the line of least squares through the latest ones. */
export function startTrend({ window }: { window: number }, { slots, results, counts }: Making): StartStep {
  return (saved) => {
    const lines =
      (saved as Lines | undefined) ?? slots.map(() => ({ times: createRing(window), values: createRing(window) }));
    const take = (n: number, value: number, record: PipelineRecord): void => {
      const { times, values } = lines[n]!;
      push(times, record.time);
      push(values, value);
      if (times.count >= fewest) put(record, results[n]!, slopeOf(times, values), counts);
    };
    return eachNumber(slots, take, lines);
  };
}

/** Undefined when all are of one time. */
function slopeOf(times: Ring, values: Ring): number | undefined {
  const { count } = times;
  const [firstTime, firstValue] = [oldest(times, 0), oldest(values, 0)];
  let [meanTime, meanValue] = [0, 0];
  for (let index = 0; index < count; index++) {
    meanTime += (times.values[index]! - firstTime) / 1000;
    meanValue += values.values[index]! - firstValue;
  }
  meanTime /= count;
  meanValue /= count;
  let [above, below] = [0, 0];
  for (let index = 0; index < count; index++) {
    const time = (times.values[index]! - firstTime) / 1000 - meanTime;
    above += time * (values.values[index]! - firstValue - meanValue);
    below += time * time;
  }
  return below > 0 ? above / below : undefined;
}

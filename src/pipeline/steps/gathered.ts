import { pipelineLimits } from '../limits.js';
import { put, type Counts, type PipelineRecord } from '../record.js';

/** The percentile that a statistic such as `p95` names; undefined for others. */
export const percentileOf = (statistic: string): number | undefined =>
  /^p\d/.test(statistic) ? Number(statistic.slice(1)) : undefined;

/** What is known of the numbers of a window: by Welford, about the first of them. */
export type Gathered = {
  count: number;
  first: number;
  last: number;
  min: number;
  max: number;
  /** Of what each number is above the first. */
  mean: number;
  squares: number;
  /** Absent where no percentile is asked for. */
  kept: number[] | undefined;
};

/** Nothing yet. */
export const gather = (keep: boolean): Gathered => ({
  count: 0,
  first: 0,
  last: 0,
  min: 0,
  max: 0,
  mean: 0,
  squares: 0,
  kept: keep ? [] : undefined,
});

/** Adds a number. */
export function add(gathered: Gathered, value: number): void {
  if (gathered.count === 0) {
    gathered.first = value;
    gathered.min = value;
    gathered.max = value;
  }
  gathered.count++;
  gathered.last = value;
  if (value < gathered.min) gathered.min = value;
  if (value > gathered.max) gathered.max = value;
  const above = value - gathered.first;
  const off = above - gathered.mean;
  gathered.mean += off / gathered.count;
  gathered.squares += off * (above - gathered.mean);
  if (gathered.kept && gathered.kept.length < pipelineLimits.keptValues) gathered.kept.push(value);
}

/** Puts what is asked for into a record, from the place `slot` on. `seconds` is how long the window was. */
export function tell(
  gathered: Gathered,
  statistics: readonly string[],
  seconds: { all: number; steps: boolean },
  record: PipelineRecord,
  slot: number,
  counts: Counts,
): void {
  if (gathered.count === 0) return;
  const { kept, count } = gathered;
  const isOverfull = kept !== undefined && kept.length < count;
  if (isOverfull) counts.overfull++;
  else kept?.sort((a, b) => a - b);
  for (let n = 0; n < statistics.length; n++) {
    const percentile = percentileOf(statistics[n]!);
    const value =
      percentile === undefined
        ? statisticOf(gathered, statistics[n]!, seconds)
        : isOverfull
          ? undefined
          : rank(kept!, percentile);
    put(record, slot + n, value, counts);
  }
}

function statisticOf(
  gathered: Gathered,
  statistic: string,
  { all, steps }: { all: number; steps: boolean },
): number | undefined {
  const { count, first, mean, squares } = gathered;
  switch (statistic) {
    case 'mean':
      return first + mean;
    case 'min':
      return gathered.min;
    case 'max':
      return gathered.max;
    case 'stddev':
      return Math.sqrt(Math.max(0, squares / count));
    case 'sum':
      return (first + mean) * count;
    case 'count':
      return count;
    case 'first':
      return first;
    case 'last':
      return gathered.last;
    default:
      // A window that counts records begins with the first: the rate is of what came after it.
      return all > 0 ? (steps ? count - 1 : count) / all : undefined;
  }
}

/** Between the two numbers next to it, as NumPy and R (type 7) do. */
function rank(sorted: readonly number[], percentile: number): number {
  const place = ((sorted.length - 1) * percentile) / 100;
  const below = Math.floor(place);
  const above = Math.min(below + 1, sorted.length - 1);
  const share = place - below;
  return sorted[below]! + share * (sorted[above]! - sorted[below]!);
}

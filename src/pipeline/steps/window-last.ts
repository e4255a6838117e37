import { blank, numberAt } from '../record.js';
import { add, gather, percentileOf, tell, type Gathered } from './gathered.js';
import type { Making, StartStep } from './step.js';

/** One record about each N that have a value of the window. */
export function startLast(
  last: number,
  statistics: readonly string[],
  { slots, results, fields, counts }: Making,
): StartStep {
  const keep = statistics.some((name) => percentileOf(name) !== undefined);
  return () => {
    let some: Gathered[] = slots.map(() => gather(keep));
    let [records, from, until] = [0, Infinity, -Infinity];
    return {
      apply(record, emit) {
        let has = false;
        for (let n = 0; n < slots.length; n++) {
          const value = numberAt(record, slots[n]!);
          if (value === undefined) continue;
          has = true;
          add(some[n]!, value);
        }
        if (!has) return true;
        record.taken = true;
        from = Math.min(from, record.time);
        until = Math.max(until, record.time);
        if (++records < last) return true;
        const result = blank(fields, until);
        result.from = from;
        const seconds = { all: (until - from) / 1000, steps: true };
        some.forEach((gathered, n) => tell(gathered, statistics, seconds, result, results[n]!, counts));
        some = slots.map(() => gather(keep));
        [records, from, until] = [0, Infinity, -Infinity];
        emit(result);
        return true;
      },
    };
  };
}

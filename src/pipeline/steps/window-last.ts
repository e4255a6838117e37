import { blank, numberAt } from '../record.js';
import { add, gather, percentileOf, tell, type Gathered } from './gathered.js';
import type { Making, StartStep } from './step.js';

type Some = { some: Gathered[]; records: number; from: number; until: number };

/** One record about each N that have a value of the window. */
export function startLast(
  last: number,
  statistics: readonly string[],
  { slots, results, fields, counts }: Making,
): StartStep {
  const keep = statistics.some((name) => percentileOf(name) !== undefined);
  const nothing = (): Some => ({ some: slots.map(() => gather(keep)), records: 0, from: Infinity, until: -Infinity });
  return (saved) => {
    const state = (saved as Some | undefined) ?? nothing();
    return {
      state,
      apply(record, emit) {
        let has = false;
        for (let n = 0; n < slots.length; n++) {
          const value = numberAt(record, slots[n]!);
          if (value === undefined) continue;
          has = true;
          add(state.some[n]!, value);
        }
        if (!has) return true;
        record.taken = true;
        state.from = Math.min(state.from, record.time);
        state.until = Math.max(state.until, record.time);
        if (++state.records < last) return true;
        const { some, from, until } = state;
        const result = blank(fields, until);
        result.from = from;
        const seconds = { all: (until - from) / 1000, steps: true };
        some.forEach((gathered, n) => tell(gathered, statistics, seconds, result, results[n]!, counts));
        Object.assign(state, nothing());
        emit(result);
        return true;
      },
    };
  };
}

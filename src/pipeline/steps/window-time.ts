import { blank, numberAt, type PipelineRecord } from '../record.js';
import { add, gather, percentileOf, tell, type Gathered } from './gathered.js';
import type { Emit, Making, StartStep } from './step.js';

type Open = { start: number; some: Gathered[] };

/** The open ones in order of their beginnings, the latest time of a record, and up to where windows are closed. */
type Windows = { open: Open[]; newest: number; closed: number };

/** How windows of time lie: all begin at whole multiples of `every` since 1970. All in milliseconds. */
export type Lie = { length: number; every: number; lateness: number };

/**
 * One record about each window of time, when a record says that it is later than its end and the lateness, or when
 * the thing has been silent for as long as both. What comes for windows that were closed is late, and counted.
 */
export function startTime(
  { length, every, lateness }: Lie,
  statistics: readonly string[],
  { slots, results, fields, counts }: Making,
): StartStep {
  const keep = statistics.some((name) => percentileOf(name) !== undefined);
  const seconds = { all: length / 1000, steps: false };

  return (saved) => {
    const state = (saved as Windows | undefined) ?? { open: [], newest: -Infinity, closed: -Infinity };
    const { open } = state;

    const close = (upTo: number, emit: Emit): void => {
      while (open.length > 0 && open[0]!.start + length <= upTo) {
        const { start, some } = open.shift()!;
        const result = blank(fields, start + length);
        result.from = start;
        some.forEach((gathered, n) => tell(gathered, statistics, seconds, result, results[n]!, counts));
        emit(result);
      }
      state.closed = Math.max(state.closed, upTo);
    };

    const openAt = (start: number): Open => {
      let place = open.length;
      while (place > 0 && open[place - 1]!.start > start) place--;
      const before = open[place - 1];
      if (before?.start === start) return before;
      const opened = { start, some: slots.map(() => gather(keep)) };
      open.splice(place, 0, opened);
      return opened;
    };

    const addTo = (record: PipelineRecord): void => {
      let found = false;
      for (let start = Math.floor(record.time / every) * every; start + length > record.time; start -= every) {
        if (start + length <= state.closed) break;
        found = true;
        const { some } = openAt(start);
        for (let n = 0; n < slots.length; n++) {
          const value = numberAt(record, slots[n]!);
          if (value !== undefined) add(some[n]!, value);
        }
      }
      if (!found) counts.late++;
    };

    return {
      state,
      apply(record, emit) {
        if (!slots.some((slot) => numberAt(record, slot) !== undefined)) return true;
        record.taken = true;
        if (record.time > state.newest) {
          state.newest = record.time;
          close(state.newest - lateness, emit);
        }
        addTo(record);
        return true;
      },
      idle(at, seenAt, emit) {
        if (open.length > 0 && at - seenAt >= length + lateness) close(open.at(-1)!.start + length, emit);
      },
    };
  };
}

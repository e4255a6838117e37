import { numberAt, type Counts } from '../record.js';
import type { StartStep } from './step.js';

type Passed = { values: (number | undefined)[]; at: number };

/** Holds records back whose values hardly changed since the last that continued. */
export function startDeadband(
  bands: readonly { slot: number; by: number }[],
  longestMs: number,
  counts: Counts,
): StartStep {
  return (saved) => {
    const state = (saved as Passed | undefined) ?? { values: bands.map(() => undefined), at: -Infinity };
    const passed = state.values;
    return {
      state,
      apply(record) {
        if (record.taken) return true;
        let [has, moved] = [false, record.time - state.at >= longestMs];
        for (let n = 0; n < bands.length; n++) {
          const value = numberAt(record, bands[n]!.slot);
          if (value === undefined) continue;
          has = true;
          const before = passed[n];
          if (before === undefined || Math.abs(value - before) > bands[n]!.by) moved = true;
        }
        if (!has) return true;
        if (!moved) {
          counts.dropped++;
          return false;
        }
        state.at = record.time;
        for (let n = 0; n < bands.length; n++) passed[n] = numberAt(record, bands[n]!.slot) ?? passed[n];
        return true;
      },
    };
  };
}

/** One of so many records continues, the first of them. */
export function startEvery(every: number, counts: Counts): StartStep {
  return (saved) => {
    const state = (saved as { seen: number } | undefined) ?? { seen: 0 };
    return {
      state,
      apply(record) {
        if (record.taken) return true;
        const goes = state.seen === 0;
        state.seen = (state.seen + 1) % every;
        if (!goes) counts.dropped++;
        return goes;
      },
    };
  };
}

/** A record continues when it says that it is so much later than the last that did, or earlier than it. */
export function startSpaced(ms: number, counts: Counts): StartStep {
  return (saved) => {
    const state = (saved as { passedAt: number | undefined } | undefined) ?? { passedAt: undefined };
    return {
      state,
      apply(record) {
        if (record.taken) return true;
        const { passedAt } = state;
        const goes = passedAt === undefined || record.time - passedAt >= ms || record.time < passedAt;
        if (goes) state.passedAt = record.time;
        else counts.dropped++;
        return goes;
      },
    };
  };
}

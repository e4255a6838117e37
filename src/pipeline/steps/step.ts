import { numberAt, type Counts, type PipelineRecord } from '../record.js';

/** Hands a record to the next step. */
export type Emit = (record: PipelineRecord) => void;

/** What a step keeps of one thing. */
export type Step = {
  /** Looks at a record and changes it. False when it goes no further. Its own results are emitted before. */
  apply(record: PipelineRecord, emit: Emit): boolean;
  /** Emits what ends because nothing came. `at` is now, `seenAt` when the thing was last heard. */
  idle?(at: number, seenAt: number, emit: Emit): void;
  /** All that it keeps, as it is now: plain data. A step that begins with a copy of it continues from there. Absent where it keeps nothing. */
  state?: unknown;
};

/** What a step is made of: where its values are, and what it may count. */
export type Making = { slots: readonly number[]; results: readonly number[]; fields: number; counts: Counts };

/** Makes what a step keeps, for each thing; with the `state` of one that was made alike, one that continues it. */
export type StartStep = (state?: unknown) => Step;

/** A step that looks at each number of a record by itself, and lets every record through. `n` is the place in `slots`. */
export const eachNumber = (
  slots: readonly number[],
  take: (n: number, value: number, record: PipelineRecord) => void,
  state?: unknown,
): Step => ({
  state,
  apply(record) {
    for (let n = 0; n < slots.length; n++) {
      const value = numberAt(record, slots[n]!);
      if (value !== undefined) take(n, value, record);
    }
    return true;
  },
});

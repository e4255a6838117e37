/** What a value of a record may be. A number is finite. */
export type Scalar = number | string | boolean;

/** How bad an alert is, from the least. */
export const severities = ['info', 'warning', 'critical'] as const;

/** How bad an alert is. */
export type Severity = (typeof severities)[number];

/** A limit that a value went over. */
export type Alert = { value: string; is: number; severity: Severity; max?: number; min?: number };

/** What goes from step to step: a message, or what a window says of many. */
export type PipelineRecord = {
  /** Milliseconds since 1970. */
  time: number;
  /** Of a window: when it began. */
  from: number | undefined;
  /** By the place of each name in the fields of the pipeline; undefined is missing. */
  values: (Scalar | undefined)[];
  /** A window has it: later steps look at it, and it is published only if it matches `now`. */
  taken: boolean;
  /** A place in `severities`, or -1. */
  severity: number;
  alerts: Alert[] | undefined;
  /** The message as it was decoded, for `validate`. */
  message: unknown;
};

/** Why a message went no further, or what was lost on the way. All of it is counted. */
export type Counts = {
  messages: number;
  records: number;
  published: number;
  deadLetters: number;
  /** Records for windows that were closed. */
  late: number;
  /** Records that a step held back: deadband, sample. */
  dropped: number;
  /** Values that were removed or replaced as outliers. */
  outliers: number;
  /** Results that were no finite number, and are left out. */
  nonFinite: number;
  /** Things that were forgotten to make room. */
  evicted: number;
  /** Windows with more values than percentiles are made of. */
  overfull: number;
};

/** Counts of nothing yet. */
export const noCounts = (): Counts => ({
  messages: 0,
  records: 0,
  published: 0,
  deadLetters: 0,
  late: 0,
  dropped: 0,
  outliers: 0,
  nonFinite: 0,
  evicted: 0,
  overfull: 0,
});

/** The number in a place of a record; undefined where there is none. */
export function numberAt(record: PipelineRecord, slot: number): number | undefined {
  const value = record.values[slot];
  return typeof value === 'number' ? value : undefined;
}

/** Puts a result into a record. What is not finite is left out and counted. */
export function put(record: PipelineRecord, slot: number, value: number | undefined, counts: Counts): void {
  if (value === undefined || Number.isFinite(value)) {
    // No minus zero leaves: JSON has none.
    record.values[slot] = value === undefined ? undefined : value + 0;
    return;
  }
  counts.nonFinite++;
  record.values[slot] = undefined;
}

/** A record of a number of fields, all of them missing. */
export function blank(fields: number, time: number): PipelineRecord {
  const values = new Array<Scalar | undefined>(fields).fill(undefined);
  return { time, from: undefined, values, taken: false, severity: -1, alerts: undefined, message: undefined };
}

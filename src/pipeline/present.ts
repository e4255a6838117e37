import { severities, type Alert, type PipelineRecord, type Scalar, type Severity } from './record.js';

/** A record as it is published. */
export type PublishedRecord = {
  time: number;
  from?: number;
  values: Record<string, Scalar>;
  severity?: Severity;
  alerts?: Alert[];
};

// Of results: no sensor has more, and digits are most of what is sent.
const digits = 12;

/** A record with the names of its values. `time` and `from` are milliseconds since 1970. Results (names with a dot) have 12 digits. */
export function presentRecord(fields: readonly string[], record: PipelineRecord): PublishedRecord {
  const values: Record<string, Scalar> = {};
  for (let slot = 0; slot < fields.length; slot++) {
    const value = record.values[slot];
    if (value !== undefined) values[fields[slot]!] = fields[slot]!.includes('.') ? rounded(value) : value;
  }
  const shown: PublishedRecord = { time: record.time, values };
  if (record.from !== undefined) shown.from = record.from;
  if (record.severity >= 0) shown.severity = severities[record.severity]!;
  if (record.alerts) shown.alerts = record.alerts;
  return shown;
}

function rounded(value: Scalar): Scalar {
  return typeof value !== 'number' || Number.isInteger(value) ? value : Number(value.toPrecision(digits));
}

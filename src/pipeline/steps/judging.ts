import { numberAt, severities, type Alert, type Severity } from '../record.js';
import type { StartStep, Step } from './step.js';

const mostAlerts = 32;

/** Notes on a record that a value is over or under a limit. */
export function startThreshold(
  slot: number,
  {
    threshold,
    max,
    min,
    severity,
  }: { threshold: string; max?: number | undefined; min?: number | undefined; severity: Severity },
): StartStep {
  const step: Step = {
    apply(record) {
      const value = numberAt(record, slot);
      if (value === undefined) return true;
      const [high, low] = [max !== undefined && value > max, min !== undefined && value < min];
      if (!high && !low) return true;
      record.severity = Math.max(record.severity, severities.indexOf(severity));
      const alert: Alert = { value: threshold, is: value, severity };
      if (high) alert.max = max!;
      if (low) alert.min = min!;
      record.alerts ??= [];
      if (record.alerts.length < mostAlerts) record.alerts.push(alert);
      return true;
    },
  };
  return () => step;
}

/** Takes values out of records. */
export function startRedact(slots: readonly number[]): StartStep {
  const step: Step = {
    apply(record) {
      for (const slot of slots) record.values[slot] = undefined;
      return true;
    },
  };
  return () => step;
}

/** The clock of this browser: the pages read the time here alone. */
export const now = (): Date => new Date();

/** So many days from now, as the API writes times. */
export const inDays = (days: number): string => new Date(now().getTime() + days * 86_400_000).toISOString();

/** Seconds in the largest unit that fits. */
export function spanOf(seconds: number): string {
  const units = [
    ['d', 86_400],
    ['h', 3_600],
    ['min', 60],
  ] as const;
  const [unit, size] = units.find(([, each]) => Math.abs(seconds) >= 2 * each) ?? (['s', 1] as const);
  return `${Math.round(seconds / size).toLocaleString()} ${unit}`;
}

/** Seconds in the largest unit of which they are a whole number: a setting is shown as it is. */
export function wholeSpanOf(seconds: number): string {
  const units = [
    ['d', 86_400],
    ['h', 3_600],
    ['min', 60],
  ] as const;
  const [unit, size] = units.find(([, each]) => seconds !== 0 && seconds % each === 0) ?? (['s', 1] as const);
  return `${(seconds / size).toLocaleString()} ${unit}`;
}

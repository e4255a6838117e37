/** Reads the present. The only place that does; everything else takes the time as a value. */
export type Clock = () => Date;

/** The wall clock of this machine. */
export const systemClock: Clock = () => new Date();

const lastSecond = Date.UTC(9999, 11, 31, 23, 59, 59);

/** RFC 3339, UTC, seconds: the way every time is spelled in answers. What comes after the year 9999 is its end. */
export function rfc3339(at: Date): string {
  if (at.getTime() > lastSecond) return '9999-12-31T23:59:59Z';
  return `${at.toISOString().slice(0, -5)}Z`;
}

/** The NumericDate of RFC 7519 §2: whole seconds since 1970. */
export function numericDate(at: Date): number {
  return Math.floor(at.getTime() / 1000);
}

/** `at` moved by whole seconds. */
export function addSeconds(at: Date, seconds: number): Date {
  return new Date(at.getTime() + seconds * 1000);
}

/** `at` with its milliseconds cut off, as X.509 and JWT have none. */
export function wholeSeconds(at: Date): Date {
  return new Date(Math.floor(at.getTime() / 1000) * 1000);
}

/** Milliseconds since it was made. */
export type Stopwatch = () => number;

/**
 * Starts a stopwatch. It never runs slower than time passes: the monotonic clock stands still while a machine
 * sleeps, and the wall clock can be set back, so the one that went further counts.
 */
export function createStopwatch(): Stopwatch {
  const [monotonic, wall] = [performance.now(), Date.now()];
  return () => Math.max(performance.now() - monotonic, Date.now() - wall);
}

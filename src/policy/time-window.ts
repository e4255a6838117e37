import type { TimeWindow } from './policy.js';
import { zoneOf, type Zone } from './zone.js';

/** Time windows, ORed, ready to be asked. Instants are milliseconds since 1970, UTC. */
export type TimeWindows = {
  /** True within one of the windows. */
  holdsAt(at: number): boolean;
  /** The first instant after `at` at which `holdsAt` changes; Infinity when it never does. */
  nextEdge(at: number): number;
};

/** The days of a week, in order. */
export const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;

const dayMinutes = 1440;
const weekMinutes = 7 * dayMinutes;
const msPerMinute = 60_000;
// 1970-01-01 was a Thursday; weeks here begin on Monday.
const epochMinuteOfWeek = 3 * dayMinutes;

/**
 * Membership is decided by the wall-clock minute in the zone of each window: minutes that a clock change
 * skips never come, minutes that it repeats come twice. Edges are found on the UTC line.
 * @throws RangeError for an unknown zone
 */
export function compileTimeWindows(windows: readonly TimeWindow[]): TimeWindows {
  const names = [...new Set(windows.map(({ timeZone }) => timeZone))];
  const weeks = names.map((name) => ({
    zone: zoneOf(name),
    flips: flipsOf(windows.filter(({ timeZone }) => timeZone === name)),
  }));
  // The stretch that was asked about last: most questions are about the present.
  let known = { from: 0, until: 0, holds: false };
  const stretchAt = (at: number) => {
    if (at < known.from || at >= known.until) known = readStretch(weeks, at);
    return known;
  };
  return { holdsAt: (at) => stretchAt(at).holds, nextEdge: (at) => stretchAt(at).until };
}

/** Where in a week membership changes, in minutes from Monday 00:00, and to what. */
type Flip = { minute: number; holds: boolean };
type Week = { zone: Zone; flips: Flip[] };

const maxSteps = 10_000;

function readStretch(weeks: Week[], at: number): { from: number; until: number; holds: boolean } {
  const holds = weeks.some((week) => holdsIn(week, at));
  let until = at;
  // Windows of two zones may hand over to each other: that is no edge.
  for (let step = 0; step < maxSteps; step++) {
    until = Math.min(...weeks.map((week) => nextChange(week, until)));
    if (until === Infinity || weeks.some((week) => holdsIn(week, until)) !== holds) break;
  }
  return { from: at, until, holds };
}

function holdsIn({ zone, flips }: Week, at: number): boolean {
  const minute = minuteOfWeek(localMinute(at, zone.spanAt(at).offset));
  // Before the first flip of the week, the last one of the week before still counts.
  return (flips.findLast((flip) => flip.minute <= minute) ?? flips.at(-1)!).holds;
}

/** The next instant at which one zone's windows change; perhaps Infinity. */
function nextChange(week: Week, at: number): number {
  if (week.flips.length === 1) return Infinity;
  const { offset, until } = week.zone.spanAt(at);
  const local = localMinute(at, offset);
  const minute = minuteOfWeek(local);
  const next = week.flips.find((flip) => flip.minute > minute)?.minute ?? week.flips[0]!.minute + weekMinutes;
  const instant = (local + next - minute) * msPerMinute - offset;
  if (instant < until) return instant;
  return holdsIn(week, until) === holdsIn(week, at) ? nextChange(week, until) : until;
}

/** The changes of membership in a week, in order; one at its start when there are none. */
function flipsOf(windows: TimeWindow[]): Flip[] {
  const inside = new Uint8Array(weekMinutes);
  for (const window of windows) fillWindow(inside, window);
  const flips: Flip[] = [];
  for (let minute = 0; minute < weekMinutes; minute++) {
    if (inside[minute] !== inside[(minute + weekMinutes - 1) % weekMinutes])
      flips.push({ minute, holds: inside[minute] === 1 });
  }
  return flips.length > 0 ? flips : [{ minute: 0, holds: inside[0] === 1 }];
}

function fillWindow(inside: Uint8Array, { from, to, days: names }: TimeWindow): void {
  const [start, end] = [minutesOf(from), minutesOf(to)];
  const length = end > start ? end - start : end + dayMinutes - start;
  for (const name of names) {
    const first = days.indexOf(name) * dayMinutes + start;
    for (let minute = first; minute < first + length; minute++) inside[minute % weekMinutes] = 1;
  }
}

function minutesOf(time: string): number {
  return Number(time.slice(0, 2)) * 60 + Number(time.slice(3));
}

function localMinute(at: number, offset: number): number {
  return Math.floor((at + offset) / msPerMinute);
}

function minuteOfWeek(local: number): number {
  return (((local + epochMinuteOfWeek) % weekMinutes) + weekMinutes) % weekMinutes;
}

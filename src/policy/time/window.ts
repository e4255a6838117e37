import { days, type TimeWindow } from '../document.js';
import { spellZone, zoneOf, type Zone } from './zone.js';

/** Time windows, ORed, ready to be asked. Instants are milliseconds since 1970, UTC. */
export type TimeWindows = {
  /** True within one of the windows. */
  holdsAt(at: number): boolean;
  /** The first instant after `at` at which `holdsAt` changes, when it is not after `horizon`; else Infinity. */
  nextEdge(at: number, horizon: number): number;
};

/** Counts what is done for windows, one for each change of a zone's windows that is looked up: a measure that no clock disturbs. */
type WindowWork = { lookups: number };

const dayMinutes = 1440;
const weekMinutes = 7 * dayMinutes;
const msPerMinute = 60_000;
// 1970-01-01 was a Thursday; weeks here begin on Monday.
const epochMinuteOfWeek = 3 * dayMinutes;

/** How far a caller that names no horizon wants to see: two years. */
const farMs = 2 * 366 * dayMinutes * msPerMinute;

/**
 * The wall-clock minute in the zone of each window decides membership: minutes that a clock change
 * skips never come, minutes that it repeats come twice. Edges are found on the UTC line, and only as far as asked.
 * @throws RangeError for an unknown zone
 */
export function compileTimeWindows(windows: readonly TimeWindow[], work: WindowWork = { lookups: 0 }): TimeWindows {
  const weeks = weeksOf(windows);
  let known: Stretch = { from: 0, until: 0, holds: false, edge: 0 };
  const stretchAt = (at: number, horizon: number): Stretch => {
    if (!(at >= known.from && at < known.until)) known = readStretch(weeks, at, work);
    // Windows of two zones may hand over to each other: that is no edge.
    while (known.edge === undefined && known.until <= horizon) extend(weeks, known, work);
    return known;
  };
  return {
    holdsAt: (at) => stretchAt(at, at).holds,
    nextEdge(at, horizon) {
      const { edge = Infinity } = stretchAt(at, Math.min(horizon, at + farMs));
      return edge <= horizon ? edge : Infinity;
    },
  };
}

/** Where in a week membership changes, in minutes from Monday 00:00, and to what. */
type Flip = { minute: number; holds: boolean };
type Week = { zone: Zone; flips: Flip[] };

/**
 * What is known around the instant that was asked about last, because most questions are about the present:
 * membership is the same from `from` up to `until`, where it changes when `edge` says so.
 */
type Stretch = { from: number; until: number; holds: boolean; edge: number | undefined };

function weeksOf(windows: readonly TimeWindow[]): Week[] {
  const byZone = new Map<string, TimeWindow[]>();
  for (const window of windows) {
    const name = spellZone(window.timeZone);
    const others = byZone.get(name);
    if (others) others.push(window);
    else byZone.set(name, [window]);
  }
  return [...byZone].map(([name, written]) => ({ zone: zoneOf(name), flips: flipsOf(written) }));
}

function readStretch(weeks: Week[], at: number, work: WindowWork): Stretch {
  const stretch: Stretch = { from: at, until: at, holds: holdsInAny(weeks, at), edge: undefined };
  extend(weeks, stretch, work);
  return stretch;
}

/** Moves the end of a stretch to the next change of any of its zones. */
function extend(weeks: Week[], stretch: Stretch, work: WindowWork): void {
  let next = Infinity;
  for (const week of weeks) next = Math.min(next, nextChange(week, stretch.until, work));
  stretch.until = next;
  if (next === Infinity || holdsInAny(weeks, next) !== stretch.holds) stretch.edge = next;
}

function holdsInAny(weeks: Week[], at: number): boolean {
  return weeks.some((week) => holdsIn(week, at));
}

function holdsIn({ zone, flips }: Week, at: number): boolean {
  const minute = minuteOfWeek(localMinute(at, zone.spanAt(at).offset));
  // Before the first flip of the week, the last one of the week before still counts.
  return (flips[countUpTo(flips, minute) - 1] ?? flips.at(-1)!).holds;
}

/** The next instant at which one zone's windows change; perhaps Infinity. */
function nextChange(week: Week, from: number, work: WindowWork): number {
  if (week.flips.length === 1) return Infinity;
  for (let at = from; ;) {
    work.lookups++;
    const { offset, until } = week.zone.spanAt(at);
    const local = localMinute(at, offset);
    const minute = minuteOfWeek(local);
    const next = week.flips[countUpTo(week.flips, minute)]?.minute ?? week.flips[0]!.minute + weekMinutes;
    const instant = (local + next - minute) * msPerMinute - offset;
    if (instant < until) return instant;
    if (holdsIn(week, until) !== holdsIn(week, at)) return until;
    at = until;
  }
}

/** The changes of membership in a week, in order; one at its start when there are none. */
function flipsOf(windows: readonly TimeWindow[]): Flip[] {
  const pieces = windows.flatMap(piecesOf).sort((one, other) => one.start - other.start);
  const merged: Piece[] = [];
  for (const piece of pieces) {
    const last = merged.at(-1);
    if (last && piece.start <= last.end) last.end = Math.max(last.end, piece.end);
    else merged.push({ ...piece });
  }
  const [first, last] = [merged[0]!, merged.at(-1)!];
  if (first.end - first.start === weekMinutes) return [{ minute: 0, holds: true }];
  const flips = merged.flatMap(({ start, end }) => [
    { minute: start, holds: true },
    { minute: end % weekMinutes, holds: false },
  ]);
  // What lasts over the end of the week continues at its start.
  if (first.start === 0 && last.end === weekMinutes) return flips.slice(1, -1);
  return flips.sort((one, other) => one.minute - other.minute);
}

/** A part of a week, in minutes from Monday 00:00: `start` <= m < `end`. */
type Piece = { start: number; end: number };

function piecesOf({ from, to, days: names }: TimeWindow): Piece[] {
  const [start, end] = [minutesOf(from), minutesOf(to)];
  const length = end > start ? end - start : end + dayMinutes - start;
  return [...new Set(names)].flatMap((name) => {
    const first = days.indexOf(name) * dayMinutes + start;
    const beyond = first + length - weekMinutes;
    if (beyond <= 0) return [{ start: first, end: first + length }];
    return [
      { start: first, end: weekMinutes },
      { start: 0, end: beyond },
    ];
  });
}

/** How many flips are not after a minute. */
function countUpTo(flips: Flip[], minute: number): number {
  let [low, high] = [0, flips.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (flips[middle]!.minute <= minute) low = middle + 1;
    else high = middle;
  }
  return low;
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

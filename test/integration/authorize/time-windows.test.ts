import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { days } from '../../../src/policy/document.js';
import { compileTimeWindows } from '../../../src/policy/time/window.js';
import type { TimeWindow } from '../../../src/policy/document.js';
import { describeWith } from '../../support/programs.js';

/** A year in a zone, and the windows that are asked about at every minute of it. */
const years: [zone: string, year: number][] = [
  ['Europe/Kyiv', 2026],
  ['America/New_York', 2026],
  ['Australia/Lord_Howe', 2026],
  ['Pacific/Apia', 2026],
  ['Pacific/Apia', 2011],
  ['Asia/Kathmandu', 2026],
  ['UTC', 2026],
];

type Window = Omit<TimeWindow, 'timeZone'>;
const windows: Window[][] = [
  [{ from: '06:00', to: '22:00', days: [...days] }],
  [{ from: '00:00', to: '24:00', days: ['sat', 'sun'] }],
  [{ from: '22:00', to: '06:00', days: ['fri'] }],
  [{ from: '01:45', to: '02:15', days: [...days] }],
  [{ from: '23:30', to: '02:30', days: ['sat', 'sun', 'thu'] }],
  [
    { from: '00:00', to: '12:00', days: ['mon', 'wed'] },
    { from: '12:00', to: '00:01', days: ['mon', 'tue'] },
  ],
];

type Offsets = { from: number; offset: number }[];

/** The offsets of a zone as the system's zdump lists them, in milliseconds. */
function readOffsets(zone: string, year: number): Offsets {
  const lines = execFileSync('zdump', ['-v', '-c', `${year - 1},${year + 2}`, zone], { encoding: 'utf8' }).split('\n');
  const changes = lines.flatMap((line) => {
    const [, text, seconds] = /\s{2}(.+) UT = .+ gmtoff=(-?\d+)$/.exec(line) ?? [];
    return text && seconds ? [{ from: Date.parse(`${text} UTC`), offset: Number(seconds) * 1000 }] : [];
  });
  return changes.length > 0 ? changes.sort((one, other) => one.from - other.from) : [{ from: -Infinity, offset: 0 }];
}

// A zone without changes in these years: what the system's date says.
function offsetAt(zone: string, at: number): number {
  const text = execFileSync('date', ['-d', `@${at / 1000}`, '+%z'], {
    encoding: 'utf8',
    env: { ...process.env, TZ: zone },
  });
  const [, sign, hours, minutes] = /([+-])(\d\d)(\d\d)/.exec(text)!;
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000;
}

type Local = { time: string; today: (typeof days)[number]; yesterday: (typeof days)[number] };

function localAt(milliseconds: number): Local {
  const local = new Date(milliseconds);
  return {
    time: local.toISOString().slice(11, 16),
    today: days[(local.getUTCDay() + 6) % 7]!,
    yesterday: days[(local.getUTCDay() + 5) % 7]!,
  };
}

function isInside({ from, to, days: named }: Window, { time, today, yesterday }: Local): boolean {
  if (from < to) return named.includes(today) && from <= time && time < to;
  return (named.includes(today) && time >= from) || (named.includes(yesterday) && time < to);
}

const minute = 60_000;

describeWith(['zdump', 'date'], 'time windows against zdump', () => {
  it.each(years)('every minute of %s %i, and every next edge', (zone, year) => {
    const [start, end] = [Date.UTC(year, 0, 1), Date.UTC(year + 1, 0, 1)];
    const table = readOffsets(zone, year).filter(({ from }) => from > start - 40 * 86_400_000 || from === -Infinity);
    const known: Offsets = [
      { from: -Infinity, offset: offsetAt(zone, start) },
      ...table.filter(({ from }) => from > start && from < end),
    ];
    const minutes: Local[] = [];
    for (let at = start, change = 0; at < end; at += minute) {
      while (known[change + 1] && known[change + 1]!.from <= at) change++;
      minutes.push(localAt(at + known[change]!.offset));
    }
    let checked = 0;
    for (const written of windows) {
      const compiled = compileTimeWindows(written.map((window) => ({ ...window, timeZone: zone })));
      const truth = minutes.map((local) => written.some((window) => isInside(window, local)));
      let edge = Infinity;
      for (let index = truth.length - 1; index >= 0; index--) {
        const at = start + index * minute;
        if (index + 1 < truth.length && truth[index + 1] !== truth[index]) edge = at + minute;
        // The year's end hides what comes after the last edge.
        const next = compiled.nextEdge(at + 1000, Infinity);
        const right = edge === Infinity ? next >= end : next === edge;
        if (compiled.holdsAt(at) !== truth[index] || compiled.holdsAt(at + minute - 1) !== truth[index] || !right)
          expect(
            [new Date(at).toISOString(), compiled.holdsAt(at), new Date(Math.min(next, end)).toISOString()],
            JSON.stringify(written),
          ).toEqual([new Date(at).toISOString(), truth[index], new Date(Math.min(edge, end)).toISOString()]);
        checked++;
      }
    }
    console.log(`time windows: ${zone} ${year} changes=${known.length - 1} minutes=${checked} wrong=0`);
  });
});

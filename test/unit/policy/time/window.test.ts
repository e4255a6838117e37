import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { TimeWindow } from '../../../../src/policy/document.js';
import { parsePolicy } from '../../../../src/policy/policy.js';
import { days } from '../../../../src/policy/document.js';
import { compileTimeWindows } from '../../../../src/policy/time/window.js';
import { spellZone, zoneDataVersion, zoneNames, zoneOf } from '../../../../src/policy/time/zone.js';
import { readZoneRule } from '../../../../src/policy/time/zone-rule.js';

const everyDay = [...days];
const at = (text: string) => Date.parse(text);
const hour = 3_600_000;

/** Windows of a minute each, one after another over a day, in as many zones. */
function manyWindows(count: number): TimeWindow[] {
  const zones = zoneNames();
  const clock = (minute: number) =>
    `${String(Math.floor(minute / 60) % 24).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;
  return Array.from({ length: count }, (_, index) => ({
    from: clock(index * 2),
    to: clock(index * 2 + 1),
    days: everyDay,
    timeZone: zones[index % zones.length]!,
  }));
}

describe('time windows', () => {
  it('follow rules that Node does not know yet: Vancouver stays on summer time, Morocco on UTC', () => {
    const yard: TimeWindow = { from: '08:00', to: '17:00', days: everyDay, timeZone: 'America/Vancouver' };
    const windows = compileTimeWindows([yard]);
    expect(windows.holdsAt(at('2026-11-28T15:30:00Z'))).toBe(true);
    expect(windows.holdsAt(at('2026-11-29T00:30:00Z'))).toBe(false);
    expect(zoneOf('Africa/Casablanca').spanAt(at('2026-11-28T00:00:00Z')).offset).toBe(0);
    expect(zoneDataVersion()).toMatch(/^20\d\d[a-z]$/);
  });

  it('follow a rule for as long as nothing else is known', () => {
    expect(zoneOf('Europe/Berlin').spanAt(at('2345-07-01T00:00:00Z')).offset).toBe(2 * hour);
    expect(zoneOf('Australia/Lord_Howe').spanAt(at('2345-01-01T00:00:00Z')).offset).toBe(11 * hour);
    expect(zoneOf('Asia/Tokyo').spanAt(8.64e15)).toMatchObject({ until: Infinity, offset: 9 * hour });
    expect(zoneOf('Europe/Berlin').spanAt(8.64e15).offset).toBe(2 * hour);
    expect(zoneOf('Europe/Berlin').spanAt(at('2026-07-01T00:00:00Z')).offset).toBe(2 * hour);
  });

  it.each([
    ['EST5EDT,M3.2.0,M11.1.0', 2026, ['2026-03-08T07:00:00Z', '2026-11-01T06:00:00Z']],
    ['IST-2IDT,M3.4.4/26,M10.5.0', 2026, ['2026-03-27T00:00:00Z', '2026-10-24T23:00:00Z']],
    ['<-02>2<-01>,M3.5.0/-1,M10.5.0/0', 2026, ['2026-03-29T01:00:00Z', '2026-10-25T01:00:00Z']],
    ['AAA0BBB,J60/0,J300/0', 2024, ['2024-03-01T00:00:00Z', '2024-10-26T23:00:00Z']],
    ['AAA0BBB,59/0,299/0', 2024, ['2024-02-29T00:00:00Z', '2024-10-25T23:00:00Z']],
  ])('reads the footer %s', (footer, year, changes) => {
    const rule = readZoneRule(footer)!;
    expect(rule.transitionsOf(year).map((change) => new Date(change.at).toISOString().replace('.000', ''))).toEqual(
      changes,
    );
  });

  it('keep one zone for all its names, however they are spelled, and refuse what is none', () => {
    expect(zoneOf('europe/BERLIN')).toBe(zoneOf('Europe/Oslo'));
    expect(spellZone('eUROPE/bERLIN')).toBe('Europe/Berlin');
    const statement = { id: 's', effect: 'allow', actions: ['open'], resources: ['endpoint:gate'] };
    const withZone = (timeZone: string) => ({
      name: 'p',
      statements: [
        { ...statement, condition: { timeWindows: [{ from: '08:00', to: '17:00', days: ['mon'], timeZone }] } },
      ],
    });
    const [saved] = parsePolicy(withZone('europe/berlin')).statements;
    expect(saved!.condition!.timeWindows![0]!.timeZone).toBe('Europe/Berlin');
    for (const name of ['Europe/Atlantis', '+02:00', '', '__proto__', 'constructor'])
      expect(() => parsePolicy(withZone(name))).toThrow(/is not in the IANA database/);
  });

  it('look up each zone once for a question about the next seconds: twice the windows, at most twice the work', () => {
    const workOf = (count: number) => {
      const work = { lookups: 0 };
      const windows = compileTimeWindows(manyWindows(count), work);
      const now = at('2026-11-28T12:00:30Z');
      for (let second = 0; second < 20; second++) windows.nextEdge(now + second * 1000, now + second * 1000 + 5000);
      return work.lookups;
    };
    expect(workOf(64)).toBeLessThanOrEqual(64 * 2);
    expect(workOf(128)).toBeLessThanOrEqual(128 * 2);
  });

  it('find no edge beyond the horizon, and go no further than to it, where two zones hand over for ever', () => {
    const work = { lookups: 0 };
    // Each covers what the other leaves open: membership never changes.
    const windows = compileTimeWindows(
      [
        { from: '00:00', to: '12:00', days: everyDay, timeZone: 'UTC' },
        { from: '12:00', to: '00:00', days: everyDay, timeZone: 'Etc/GMT' },
        { from: '12:00', to: '00:00', days: everyDay, timeZone: 'Africa/Abidjan' },
      ],
      work,
    );
    const now = at('2026-11-28T10:00:00Z');
    expect(windows.nextEdge(now, now + 5000)).toBe(Infinity);
    expect(work.lookups).toBeLessThanOrEqual(3);
    expect(windows.nextEdge(now, now + 7 * 24 * hour)).toBe(Infinity);
    expect(work.lookups).toBeLessThanOrEqual(3 * 16);
    expect(windows.nextEdge(now, Infinity)).toBe(Infinity);
  });

  it('answer the questions of the reported gate', () => {
    const { policies, requests } = JSON.parse(readFileSync('test/fixtures/vancouver.json', 'utf8')) as {
      policies: [{ statements: [{ condition: { timeWindows: TimeWindow[] } }] }];
      requests: { at: string }[];
    };
    const windows = compileTimeWindows(policies[0].statements[0].condition.timeWindows);
    expect(requests.map((request) => windows.holdsAt(at(request.at)))).toEqual([true, false]);
  });
});

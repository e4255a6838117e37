import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { zoneDataVersion, zoneNames, zoneOf } from '../../../src/policy/time/zone.js';

type Described = { zone: string; changes: number[]; at: number[]; offsets: number[] };

/** Lines that Python writes, with the tzdata package of a folder. Undefined where it is missing. */
function askPython(folder: string, ...args: string[]): string[] | undefined {
  const { status, stdout } = spawnSync('python3', ['test/support/judges/zone_oracle.py', ...args], {
    encoding: 'utf8',
    maxBuffer: 256 * 1024 * 1024,
    env: { ...process.env, PYTHONPATH: folder },
  });
  return status === 0 ? stdout.trim().split('\n') : undefined;
}

function releaseIn(folder: string): string | undefined {
  const [line] = askPython(folder) ?? [];
  return line === undefined ? undefined : (JSON.parse(line) as { release: string }).release;
}

const start = 0;
const end = Date.UTC(2041, 0, 1) / 1000;

/** The changes of a zone's offset as decisions see them, in seconds. */
function changesOf(zone: string): number[] {
  const changes: number[] = [];
  for (let at = start; ;) {
    const until = zoneOf(zone).spanAt(at * 1000).until / 1000;
    if (until >= end) return changes;
    changes.push(until);
    at = until;
  }
}

function differing(one: number[], other: number[]): string {
  const sides = [one.filter((at) => !other.includes(at)), other.filter((at) => !one.includes(at))];
  return `ours ${sides[0]!.join()} theirs ${sides[1]!.join()}`;
}

const release = releaseIn('.ci-tools/tzdata');
const title = `time zones against Python's zoneinfo with tzdata ${zoneDataVersion()}`;
const here = release === zoneDataVersion() || process.env['CI'] === 'true';

describe.skipIf(!here)(here ? title : `${title} (in .ci-tools/tzdata: ${release ?? 'none'})`, () => {
  it('has the same offset in every zone, on both sides of every change from 1970 to 2040 and at random instants', () => {
    expect(release, 'CI must have tzdata of the release that is checked in').toBe(zoneDataVersion());
    const seed = randomInt(2 ** 31);
    const [, ...lines] = askPython('.ci-tools/tzdata', String(seed))!;
    const described = lines.map((line) => JSON.parse(line) as Described);
    const wrong: string[] = [];
    for (const { zone, changes, at, offsets } of described) {
      at.forEach((instant, index) => {
        const { offset } = zoneOf(zone).spanAt(instant * 1000);
        if (offset !== offsets[index]! * 1000) wrong.push(`${zone} at ${instant}: ${offset}, not ${offsets[index]}000`);
      });
      if (changesOf(zone).join() !== changes.join())
        wrong.push(`${zone}: changes at ${differing(changesOf(zone), changes)}`);
    }
    const count = (of: (zone: Described) => unknown[]) => described.reduce((sum, zone) => sum + of(zone).length, 0);
    console.log(
      `time zones: release=${release} seed=${seed} zones=${described.length} changes=${count(({ changes }) => changes)} instants=${count(({ at }) => at)} wrong=${wrong.length}`,
    );
    expect(wrong.slice(0, 20)).toEqual([]);
    expect(described.map(({ zone }) => zone)).toEqual(zoneNames().sort());
    const newest = releaseIn('.ci-tools/tzdata-newest');
    if (newest !== undefined && newest > zoneDataVersion())
      console.log(`time zones: tzdata ${newest} is out: npm run zone-data brings it`);
  });
});

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { describeWith } from '../../support/programs.js';

const folder = mkdtempSync(join(tmpdir(), 'thingward-unit-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const units = ['deploy/systemd/thingward.service', 'deploy/edge/thingward-edge.service'];
// Of 10; what is left is the network, and that Node writes machine code.
const mostExposed = { [units[0]!]: 1.5, [units[1]!]: 3 };

describeWith(['systemd-analyze'], 'the units of systemd', () => {
  it.each(units)('%s is understood, and takes away what the program does not need', (unit) => {
    const path = join(folder, unit.split('/').at(-1)!);
    // The Node of this machine: systemd asks whether the program is there.
    writeFileSync(path, readFileSync(unit, 'utf8').replace('/usr/bin/node', process.execPath));
    const verified = spawnSync('systemd-analyze', ['verify', '--man=no', path], { encoding: 'utf8' });
    expect([verified.status, verified.stderr]).toEqual([0, '']);
    const judged = spawnSync('systemd-analyze', ['security', '--offline=true', '--no-pager', path], {
      encoding: 'utf8',
    });
    const [, exposure] = /Overall exposure level for \S+: ([\d.]+)/.exec(judged.stdout) ?? [];
    console.log(`${unit}: exposure ${exposure}`);
    expect(Number(exposure)).toBeLessThanOrEqual(mostExposed[unit]!);
  });
});

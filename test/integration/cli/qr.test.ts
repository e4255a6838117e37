import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { qrOf } from '../../../src/cli/output/qr.js';
import { runCli } from '../../support/cli/run.js';
import { describeWith } from '../../support/programs.js';
import { startServer } from '../../support/server.js';

const folder = mkdtempSync(join(tmpdir(), 'thingward-qr-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What another program reads in a drawing of half blocks: black where there is ink. */
function readBy(drawing: string): string {
  const lines = drawing.replace(/\n$/, '').split('\n');
  const width = Math.max(...lines.map((line) => line.length));
  const rows = lines.map((line) => line.padEnd(width));
  const dots = rows.flatMap((row) => {
    const cells = [...row];
    return [cells.map((cell) => '▀█'.includes(cell)), cells.map((cell) => '▄█'.includes(cell))];
  });
  const scale = 4;
  const wide = dots.flatMap((row) => {
    const line = row.flatMap((isDark) => Array<string>(scale).fill(isDark ? '1' : '0')).join(' ');
    return Array<string>(scale).fill(line);
  });
  const file = join(folder, 'qr.pbm');
  writeFileSync(file, `P1\n${dots[0]!.length * scale} ${wide.length}\n${wide.join('\n')}\n`);
  const { stdout, stderr } = spawnSync('zbarimg', ['-q', '--raw', '-Sdisable', '-Sqrcode.enable', file], {
    encoding: 'utf8',
  });
  expect(stdout, stderr).not.toBe('');
  return stdout.replace(/\n$/, '');
}

describeWith(['zbarimg'], 'QR codes', () => {
  it('say to a reader what was written, of any length', () => {
    const long = Array.from({ length: 180 }, (_, n) => 10_000 + n).join('');
    for (const text of ['x', 'https://things.example.com/ä', 'twe_'.padEnd(300, 'Ab0'), long])
      expect(readBy(qrOf(text, { colours: false }))).toBe(text);
  });

  it('of enrollments create --qr are the command for the device', async () => {
    const server = await startServer('embedded');
    try {
      const env = { THINGWARD_URL: server.url, THINGWARD_API_KEY: server.ownerKey };
      const args = ['enrollments', 'create', '--things', 'pump-17', '--policy', 'sensor', '--qr'];
      const { code, stdout } = await runCli(args, { env });
      expect(code).toBe(0);
      const lines = stdout.split('\n');
      const command = lines
        .filter((line) => line.startsWith('  ') && /umask|thingward/.test(line))
        .map((line) => line.trim());
      const drawing = lines.slice(lines.indexOf(`  ${command[1]}`) + 2).join('\n');
      expect(readBy(drawing)).toBe(command.join('\n'));
    } finally {
      await server.stop();
    }
  });
});

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { freePort } from '../../support/ports.js';
import { describeWith } from '../../support/programs.js';

const names = ['build', 'server', 'device', 'edge', 'connect', 'revoke', 'end'];
const blocks = new Map(
  [...readFileSync('README.md', 'utf8').matchAll(/<!-- test: tour (\w+) -->\n\n```sh\n([^]*?)```/g)].map(
    ([, name, code]) => [name!, code!],
  ),
);

// The whole of it, with `npm ci` in a clone, where TOUR is set; else what is built already.
const isWhole = process.env['TOUR'] !== undefined;

describeWith(['curl', 'mosquitto', 'mosquitto_sub'], 'the five minutes of the README', () => {
  const folder = mkdtempSync(join(tmpdir(), 'thingward-tour-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('lead from a checkout to a revoked device that the edge throws out', async () => {
    expect([...blocks.keys()]).toEqual(names);
    const ports = new Map([
      ['8080', ''],
      ['1883', ''],
      ['1884', ''],
    ]);
    for (const port of ports.keys()) ports.set(port, String(await freePort()));
    const withPorts = (text: string): string => text.replace(/\b(?:8080|1883|1884)\b/g, (port) => ports.get(port)!);
    if (!isWhole) symlinkSync(resolve('dist'), join(folder, 'dist'));
    const steps = names.map((name) => {
      const code = withPorts(blocks.get(name)!);
      return `${isWhole ? code : code.replace('npm ci && npm run build', 'true')}\necho "step ${name}: $SECONDS s"`;
    });
    // npm and programs beside each other, as in a terminal; what is left over ends with the shell.
    const clone = isWhole ? `git clone -q '${process.cwd()}' checkout && cd checkout\n` : '';
    const script = `set -eo pipefail\ntrap 'kill $(jobs -p) 2> /dev/null || true' EXIT\n${clone}${steps.join('\n')}`;
    const env = { PATH: process.env['PATH'], HOME: process.env['HOME'], THINGWARD_PORT: ports.get('8080')! };
    const child = spawn('bash', ['-c', script], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const [code] = (await once(child, 'exit')) as [number];
    console.log(output.match(/^step .*$/gm)?.join('\n'));
    expect(code, output).toBe(0);
    expect(output).toMatch(/provisioned|certificate/);
    expect(output).toMatch(/"status":"revoked"|"reason":"keyCompromise"/);
    expect(output).toMatch(/(thing|certificate)-revoked.*session ended/);
  });
});

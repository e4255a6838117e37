import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../support/ports.js';
import { runShell, type ShellResult } from '../../support/shell.js';

const folder = mkdtempSync(join(tmpdir(), 'thingward-package-'));
const at = (path: string): string => join(folder, path);
const sh = (script: string): Promise<ShellResult> => runShell(script, folder);
let packed: ShellResult;
let installed: ShellResult;

/** The checkout without what a build leaves behind, so that packing disturbs nobody who runs the built program. */
function copyCheckout(): string {
  const copy = at('checkout');
  const isSource = (path: string) =>
    !/\/(node_modules|dist|generated|data)(\/|$)/.test(resolve(path).slice(process.cwd().length));
  for (const name of ['src', 'console', 'prisma', 'scripts', 'packages'])
    cpSync(name, join(copy, name), { recursive: true, filter: isSource });
  const files = [
    'package.json',
    'package-lock.json',
    'tsconfig.json',
    'tsconfig.build.json',
    'prisma.config.ts',
    'openapi.yaml',
    'README.md',
    'LICENSE',
    '.npmrc',
  ];
  for (const name of files) copyFileSync(name, join(copy, name));
  symlinkSync(resolve('node_modules'), join(copy, 'node_modules'));
  return copy;
}

function sizeOf(path: string): number {
  const files = readdirSync(path, { recursive: true, withFileTypes: true }).filter((each) => each.isFile());
  return files.reduce((sum, file) => sum + statSync(join(file.parentPath, file.name)).size, 0);
}

const archive = (): string => readdirSync(folder).find((name) => /^thingward-\d.*\.tgz$/.test(name))!;

beforeAll(async () => {
  const checkout = copyCheckout();
  packed = await sh(`cd '${checkout}' && npm pack --pack-destination '${folder}' --ignore-scripts=false`);
  const agent = await sh(
    `cd '${join(checkout, 'packages/agent')}' && npm pack --pack-destination '${folder}' --ignore-scripts=false --silent`,
  );
  expect(agent.code, agent.output).toBe(0);
  writeFileSync(at('package.json'), '{ "name": "somebody", "private": true }');
  installed = await sh('npm install --no-audit --no-fund --prefer-offline ./thingward-*.tgz');
}, 900_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the package of the server, packed and installed in an empty folder', () => {
  it('has the program, its migrations, its console and what it runs with, without warnings', () => {
    expect(packed.code, packed.output).toBe(0);
    expect(installed.code, installed.output).toBe(0);
    expect(installed.output).not.toMatch(/warn/i);
    const home = at('node_modules/thingward');
    const sizes = [statSync(at(archive())).size, sizeOf(join(home, 'dist')), sizeOf(at('node_modules'))];
    const [one, two, three] = sizes.map((size) => (size / 1e6).toFixed(1));
    console.log(`thingward: ${one} MB packed, ${two} MB of program, ${three} MB with what it depends on`);
    expect(sizes[0]).toBeLessThan(4_000_000);
    expect(sizes[2]).toBeLessThan(250_000_000);
    for (const path of [
      'dist/main.js',
      'dist/console/index.html',
      'dist/db/generated/client.js',
      'dist/client/client.d.ts',
    ])
      expect(existsSync(join(home, path)), path).toBe(true);
    expect(readdirSync(join(home, 'prisma/migrations'))).toEqual(readdirSync('prisma/migrations'));
    // `npm ci` in the unpacked archive installs what was tested, and in the checkout nothing is left that npm takes for a lock file.
    const lock = (path: string) =>
      JSON.parse(readFileSync(path, 'utf8')) as { packages: Record<string, { version: string }> };
    const shipped = Object.entries(lock(join(home, 'npm-shrinkwrap.json')).packages).filter(([path]) => path !== '');
    const tested = lock('package-lock.json').packages;
    expect(shipped.length).toBeGreaterThan(100);
    for (const [path, { version }] of shipped) expect(tested[path]?.version, path).toBe(version);
    expect(existsSync(at('checkout/npm-shrinkwrap.json'))).toBe(false);
  });

  it('boots, gives a device an identity through the package of the agent, renews it, and starts again', async () => {
    const agentInstalled = await sh(
      'mkdir device && cd device && echo "{}" > package.json && npm install --offline --no-audit --no-fund --silent ../thingward-agent-*.tgz',
    );
    expect(agentInstalled.code, agentInstalled.output).toBe(0);
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const first = await serve(port);
    try {
      const ownerKey = /^ {2}(twk_\S{43})$/m.exec(first.output())?.[1];
      expect(ownerKey, first.output()).toBeTruthy();
      // The commands that it prints lead to the program that printed them.
      expect(first.output()).toContain(`  ${at('node_modules/.bin/thingward')} agent provision --server ${url} `);
      const auth = { authorization: `Bearer ${ownerKey}` };
      const answer = await fetch(`${url}/v1/enrollments`, {
        method: 'POST',
        headers: { ...auth, 'content-type': 'application/json' },
        body: '{"thingNamePattern":"pump-*","maxUses":5}',
      });
      writeFileSync(at('device/token.txt'), ((await answer.json()) as { token: string }).token);
      const device = (line: string) => sh(`cd device && npx --no-install thingward-agent ${line}`);
      const made = await device(`provision --server ${url} --enrollment-file token.txt --name pump-1 --out pump-1`);
      expect(made.code, made.output).toBe(0);
      expect((await device('renew --force --out pump-1')).output).toMatch(/^renewed: certificate/);
      const listed = (await (await fetch(`${url}/v1/certificates?thing=pump-1`, { headers: auth })).json()) as {
        items: object[];
      };
      expect(listed.items).toHaveLength(2);
      const page = await fetch(`${url}/console/`);
      expect([page.status, (await page.text()).includes('<div id="root"')]).toEqual([200, true]);
    } finally {
      await first.stop();
    }
    const second = await serve(port);
    expect(second.output()).not.toContain('twk_');
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    await second.stop();
  });
});

/** Runs the installed command until it listens. @throws Error with what it said when it ends before */
async function serve(port: number): Promise<{ output(): string; stop(): Promise<void> }> {
  const env = { PATH: process.env['PATH'], HOME: folder, THINGWARD_PORT: String(port), LOG_LEVEL: 'warn' };
  const child: ChildProcess = spawn(at('node_modules/.bin/thingward'), ['serve'], { cwd: folder, env, stdio: 'pipe' });
  let output = '';
  for (const stream of [child.stdout!, child.stderr!])
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = once(child, 'exit');
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await ended;
  };
  while (!output.includes('listens on')) {
    if (child.exitCode !== null) throw new Error(`thingward serve ended: ${output}`);
    await new Promise((done) => setTimeout(done, 50));
  }
  return { output: () => output, stop };
}

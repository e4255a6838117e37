import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runCli } from '../../support/cli/run.js';
import { acceptByPasskey, siteOfTest } from '../../support/people/browser.js';
import { codeIn } from '../../support/people/command-line.js';
import { describeWith } from '../../support/programs.js';
import { startServer, type TestServer } from '../../support/server.js';

const folder = mkdtempSync(join(tmpdir(), 'thingward-login-'));
const opened = join(folder, 'opened');
const stored = join(folder, 'config/thingward/contexts.json');
let server: TestServer;
let env: Record<string, string>;

beforeAll(async () => {
  server = await startServer('embedded');
  // What opens pages on this machine: it notes which.
  mkdirSync(join(folder, 'bin'));
  writeFileSync(
    join(folder, 'bin/xdg-open'),
    `#!/bin/sh\necho "$1" > '${opened}.draft' && mv '${opened}.draft' '${opened}'\n`,
  );
  chmodSync(join(folder, 'bin/xdg-open'), 0o755);
  env = {
    PATH: `${join(folder, 'bin')}:${process.env['PATH']}`,
    HOME: folder,
    XDG_CONFIG_HOME: join(folder, 'config'),
  };
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Runs `thingward login` on a terminal, and what people do in the browser once it has opened. */
async function login(inBrowser: (page: URL) => Promise<void>) {
  rmSync(opened, { force: true });
  const command = `'${process.execPath}' '${resolve('dist/main.js')}' login '${server.url}' --name mine`;
  const child = spawn('script', ['-qec', command, '/dev/null'], { cwd: folder, env, stdio: ['pipe', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = new Promise<number | null>((done) => child.on('close', done));
  let isOver = false;
  void ended.then(() => (isOver = true));
  while (!existsSync(opened) && !isOver) await new Promise((done) => setTimeout(done, 20));
  expect(existsSync(opened), output).toBe(true);
  await inBrowser(new URL(readFileSync(opened, 'utf8').trim()));
  return { code: await ended, output };
}

const comeBack = (page: URL, answer: Record<string, string>, host = '127.0.0.1') => {
  const query = new URLSearchParams({ state: page.searchParams.get('state')!, ...answer });
  return fetch(`http://${host}:${page.searchParams.get('port')}/callback?${query.toString()}`);
};

describeWith(['script'], 'thingward login in the browser', () => {
  it('stores a key that does what the person may do, and ends with them', async () => {
    const { body } = await server.owner.post('/v1/people', { name: 'Ada', role: 'operator' });
    const { browser, id } = await acceptByPasskey(server, body.link);
    const { code, output } = await login(async (page) => {
      expect(page.href.startsWith(`${siteOfTest(server)}/console/command-line?`), page.href).toBe(true);
      const given = await codeIn(browser, page.searchParams.get('challenge')!);
      for (const [wrong, host] of [
        [{ state: 'x'.repeat(43), code: given }, '127.0.0.1'],
        [{ code: given }, 'localhost'],
      ] as const)
        expect(
          await comeBack(page, wrong, host).then(
            ({ status }) => status,
            () => 400,
          ),
        ).toBe(400);
      const answer = await comeBack(page, { code: given });
      expect([answer.status, await answer.text()]).toEqual([200, expect.stringContaining('logged in')]);
      expect(answer.headers.get('cache-control')).toBe('no-store');
    });
    expect(code, output).toBe(0);
    expect(output).toMatch(/Logged in to http.* as context mine, for Ada of default until 20\d\d-/);
    expect(statSync(stored).mode & 0o777).toBe(0o600);
    const { contexts } = JSON.parse(readFileSync(stored, 'utf8')) as { contexts: { mine: { key: string } } };
    expect(output).not.toContain(contexts.mine.key);

    const run = (...args: string[]) => runCli(args, { env, cwd: folder });
    expect((await run('things', 'list', '-o', 'json')).stdout).toBe('[]\n');
    expect(await run('policies', 'apply', '-f', '.', '--yes')).toMatchObject({ code: 0 });
    await server.owner.send('DELETE', `/v1/people/${id}`);
    expect(await run('things', 'list')).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('thingward login URL'),
    });
  });

  it('stores nothing when the person refuses', async () => {
    rmSync(stored, { force: true });
    const { code, output } = await login(async (page) => void (await comeBack(page, { error: 'access_denied' })));
    expect({ code, output }).toMatchObject({ code: 3, output: expect.stringContaining('refused in the browser') });
    expect(existsSync(stored)).toBe(false);
  });
});

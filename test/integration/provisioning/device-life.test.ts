import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { spawnSync } from 'node:child_process';
import { createHash, createPublicKey } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { liveThrough, runAt, type LonelyDevice } from '../../support/device-life.js';
import { describeWith } from '../../support/programs.js';
import { startServer, type TestServer } from '../../support/server.js';

const blocks = new Map(
  [...readFileSync('docs/devices.md', 'utf8').matchAll(/<!-- test: life ([a-z-]+) -->\n\n```sh\n([^]*?)```/g)].map(
    ([, name, commands]) => [name!, commands!],
  ),
);

/** The commands of the paper, in a folder. */
function inShell(server: TestServer, folder: string, name: string): LonelyDevice {
  let enrollment = '';
  const env = () => ({ THINGWARD_URL: server.url, NAME: name, ENROLLMENT: enrollment });
  const run = (block: string, signal?: AbortSignal) =>
    runAt(server, folder, ['bash', '-euo', 'pipefail', '-c', blocks.get(block)!], env(), signal);
  return {
    async provision(token, signal) {
      enrollment = token;
      await run('functions');
      return run('first-boot', signal);
    },
    startAnew(token) {
      enrollment = token;
      return run('re-enrollment');
    },
    token: () => runAt(server, folder, ['bash', '-euc', '. ./device.sh; token'], env()),
    daily: () => run('renewal'),
  };
}

/** A program of examples/ with the commands `provision`, `token` and `daily`. */
function program(server: TestServer, folder: string, name: string, command: string[]): LonelyDevice {
  const run = (verb: string, enrollment = '', signal?: AbortSignal) => {
    const env = { THINGWARD_URL: server.url, NAME: name, ENROLLMENT: enrollment };
    return runAt(server, folder, [...command, verb], env, signal);
  };
  return {
    provision: (token, signal) => run('provision', token, signal),
    startAnew(token) {
      for (const file of ['device.key', 'device.crt']) rmSync(join(folder, file));
      return run('provision', token);
    },
    token: () => run('token'),
    daily: () => run('daily'),
  };
}

let server: TestServer;
beforeAll(async () => {
  server = await startServer('embedded');
});
afterAll(() => server.stop());

const folderFor = (what: string) => mkdtempSync(join(tmpdir(), `device-${what}-`));

describeWith(['openssl', 'curl', 'bash', 'faketime'], 'docs/devices.md, with curl and openssl', () => {
  it('brings a device through more than a year', { timeout: 600_000 }, async () => {
    expect([...blocks.keys()]).toEqual(['functions', 'first-boot', 'fingerprint', 'token', 'renewal', 're-enrollment']);
    const folder = folderFor('shell');
    await liveThrough(server, 'life-shell', inShell(server, folder, 'life-shell'));
    const env = { THINGWARD_URL: server.url, NAME: 'life-shell', ENROLLMENT: '' };
    const shown = await runAt(server, folder, ['bash', '-euc', blocks.get('fingerprint')!], env);
    const key = createPublicKey(readFileSync(join(folder, 'device.key'))).export({ type: 'spki', format: 'der' });
    expect(shown).toBe(createHash('sha256').update(key).digest('hex'));
    rmSync(folder, { recursive: true });
  });

  it('shows what it knows of itself, with a token', { timeout: 120_000 }, async () => {
    const folder = folderFor('self');
    const device = inShell(server, folder, 'life-self');
    const { token } = (await server.owner.post('/v1/enrollments', { thingNamePattern: '*', maxUses: 1 })).body;
    await device.provision(token);
    const env = { THINGWARD_URL: server.url, NAME: 'life-self', ENROLLMENT: '' };
    const self = JSON.parse(await runAt(server, folder, ['bash', '-euc', blocks.get('token')!], env));
    expect(self.thing.name).toBe('life-self');
    rmSync(folder, { recursive: true });
  });
});

describeWith(['python3:cryptography', 'faketime'], 'examples/python', () => {
  it('brings a device through more than a year', { timeout: 600_000 }, async () => {
    const folder = folderFor('python');
    const command = ['python3', join(process.cwd(), 'examples/python/device.py')];
    await liveThrough(server, 'life-python', program(server, folder, 'life-python', command));
    rmSync(folder, { recursive: true });
  });
});

const mbedtls3 = resolve('.ci-tools/mbedtls');

describe.each([
  { version: '2.28', needs: '/usr/include/mbedtls/ssl.h', where: [] },
  { version: '3', needs: join(mbedtls3, 'library/libmbedtls.a'), where: [`MBEDTLS=${mbedtls3}`] },
])('examples/mbedtls, with Mbed TLS $version', ({ version, needs, where }) => {
  describeWith(['cc', needs, 'faketime'], 'as it is', () => {
    it('compiles without a warning, and brings a device through more than a year', { timeout: 600_000 }, async () => {
      const folder = folderFor('mbedtls');
      const flags = [`OUT=${folder}/device`, 'CFLAGS=-O2 -Wall -Wextra -Werror', ...where];
      const made = spawnSync('make', ['-C', 'examples/mbedtls', ...flags], { encoding: 'utf8' });
      expect(made.status, made.stderr).toBe(0);
      const name = `life-c-${version.replace('.', '-')}`;
      await liveThrough(server, name, program(server, folder, name, [join(folder, 'device')]));
      rmSync(folder, { recursive: true });
    });
  });
});

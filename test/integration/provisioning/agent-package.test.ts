import { spawn, type ChildProcess } from 'node:child_process';
import { createPublicKey, createPrivateKey, X509Certificate } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { enroll } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';
import { runShell, type ShellResult } from '../../support/shell.js';

const folder = mkdtempSync(join(tmpdir(), 'thingward-agent-'));
const device = join(folder, 'device');
let server: TestServer;
let token: string;

beforeAll(async () => {
  server = await startServer('embedded');
  ({ token } = await enroll(server));
  writeFileSync(join(folder, 'token.txt'), token);
  writeFileSync(join(folder, 'package.json'), '{ "name": "device", "private": true }');
  const packed = await sh(`npm pack '${resolve('packages/agent')}' --silent --ignore-scripts=false`);
  expect(packed.code, packed.output).toBe(0);
  const installed = await sh('npm install --offline --no-audit --no-fund --silent ./thingward-agent-*.tgz');
  expect(installed, installed.output).toMatchObject({ code: 0 });
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

const sh = (script: string): Promise<ShellResult> => runShell(script, folder);
// The shell finds it where npx does, which takes a second for it.
const agent = (line: string): Promise<ShellResult> => sh(`thingward-agent ${line}`);
const byNpx = (line: string): Promise<ShellResult> => sh(`npx --no-install thingward-agent ${line}`);
const read = (name: string): string => readFileSync(join(device, name), 'utf8');
const serialNumber = (): string => new X509Certificate(read('device.crt')).serialNumber.toLowerCase();
const provision = () => `provision --server ${server.url} --enrollment-file token.txt --name pump-17 --out ./device`;

function sizeOf(path: string): number {
  const files = readdirSync(path, { recursive: true, withFileTypes: true }).filter((each) => each.isFile());
  return files.reduce((sum, file) => sum + statSync(join(file.parentPath, file.name)).size, 0);
}

describe('thingward-agent, packed and installed in an empty folder', () => {
  it('is small, and needs no other package', () => {
    const archive = readdirSync(folder).find((name) => name.endsWith('.tgz'))!;
    const [packed, unpacked] = [
      statSync(join(folder, archive)).size,
      sizeOf(join(folder, 'node_modules/thingward-agent')),
    ];
    console.log(
      `thingward-agent: ${Math.round(packed / 1000)} kB packed, ${Math.round(unpacked / 1000)} kB on the disk`,
    );
    expect(unpacked).toBeLessThan(1_000_000);
    expect(readdirSync(join(folder, 'node_modules')).filter((name) => !name.startsWith('.'))).toEqual([
      'thingward-agent',
    ]);
  });

  it('gets an identity, and runs a command until it has heard of each certificate', async () => {
    const first = await byNpx(`${provision()} --json --exec 'echo "$1" >> heard; exit 7'`);
    expect(first.code, first.output).toBe(4);
    const [made, failed] = first.output
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as object);
    expect(made).toMatchObject({
      thingName: 'pump-17',
      account: 'default',
      serialNumber: serialNumber(),
      out: './device',
    });
    expect(failed).toEqual({ error: expect.stringContaining('ended with 7: correct it'), later: true });

    const hook = `--exec 'echo "$1" >> heard'`;
    const heard = () => readFileSync(join(folder, 'heard'), 'utf8');
    expect((await agent(`${provision()} ${hook}`)).code).toBe(0);
    expect((await agent(`renew --out device ${hook}`)).output).toMatch(/^not due yet/);
    expect(heard()).toBe('./device\n./device\n');
    const before = serialNumber();
    expect((await agent(`renew --out ./device --force ${hook}`)).output).toMatch(/^renewed: certificate/);
    expect(serialNumber()).not.toBe(before);
    expect(heard()).toBe('./device\n./device\n./device\n');
    const key = createPublicKey(createPrivateKey(read('device.key')));
    expect(new X509Certificate(read('device.crt')).publicKey.equals(key)).toBe(true);
    const { output } = await agent('token --out device');
    expect((await server.as(output.trim()).get('/v1/self')).status).toBe(200);
  });

  it('is a library too', async () => {
    const script = `import { accessToken } from 'thingward-agent'; console.log((await accessToken({ out: 'device' })).length > 0)`;
    writeFileSync(join(folder, 'library.mjs'), script);
    expect(await sh('node library.mjs')).toEqual({ code: 0, output: 'true\n' });
    expect(existsSync(join(folder, 'node_modules/thingward-agent/dist/agent/agent.d.ts'))).toBe(true);
  });

  it('says in one line what to do, and by its exit code whether to run it again', async () => {
    mkdirSync(join(folder, 'lost'));
    for (const name of ['device.crt', 'agent.json']) writeFileSync(join(folder, 'lost', name), read(name));
    const cases: [string, number, RegExp][] = [
      ['fly', 2, /; see: thingward-agent --help$/],
      ['provision --server x --name x --out new', 2, /--enrollment TOKEN or --enrollment-file FILE/],
      ['provision --server x --name x --out new --enrollment twe_x', 2, /x is no address of a server: write it as/],
      ['renew --out nowhere', 3, /has no identity: run thingward-agent provision first/],
      ['renew --force --out lost', 3, /lost\/device\.key is missing, .* re-enroll the thing/],
      [`provision --server ${server.url} --name y --out new --enrollment twe_${'A'.repeat(43)}`, 3, /get a new one/],
      ['provision --server http://192.0.2.1 --name y --out new --enrollment twe_x', 3, /use https/],
      [`${provision()} --ca nowhere.pem`, 2, /nowhere\.pem cannot be read .*name another file/],
      [
        'provision --server http://127.0.0.1:1 --name y --out new --enrollment twe_x',
        4,
        /cannot be reached \(ECONNREFUSED\): check/,
      ],
    ];
    for (const [line, code, text] of cases) {
      const ran = await agent(line);
      expect({ line, code: ran.code }, ran.output).toEqual({ line, code });
      expect(ran.output.trim().split('\n'), line).toHaveLength(1);
      expect(ran.output.trim()).toMatch(text);
    }
    expect(existsSync(join(folder, 'lost/device.key'))).toBe(false);
  });

  it('keeps an identity fresh in little memory, or in none between two looks of a timer', async () => {
    rmSync(join(device, 'token.json'));
    expect((await agent('run --once --out device')).code).toBe(0);
    expect(existsSync(join(device, 'token.json'))).toBe(true);

    rmSync(join(device, 'token.json'));
    const program = join(folder, 'node_modules/thingward-agent/dist/thingward-agent.js');
    const children: ChildProcess[] = [];
    const start = (...args: string[]) => {
      const child = spawn(process.execPath, args, { cwd: folder, stdio: 'ignore' });
      children.push(child);
      return child;
    };
    try {
      const running = start(program, 'run', '--out', 'device');
      while (!existsSync(join(device, 'token.json')) && running.exitCode === null) await pause(50);
      const bare = start('-e', 'setInterval(() => {}, 1000)');
      await pause(2000);
      const [own, least] = [memoryOf(running.pid!), memoryOf(bare.pid!)];
      const shown = `${own.rss} MB of RSS, of which Node by itself has ${least.rss} MB; private ${own.private} MB, of Node ${least.private} MB`;
      console.log(`thingward-agent: ${shown}`);
      expect(own.rss - least.rss).toBeLessThan(16);
    } finally {
      children.forEach((child) => child.kill());
    }
  });
});

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

/** Resident memory of a process in megabytes: all of it, and without what it shares with other processes of Node. */
function memoryOf(pid: number): { rss: number; private: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const megabytes = (name: string) =>
    Math.round(Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)![1]) * 0.1024) / 100;
  return { rss: megabytes('VmRSS'), private: megabytes('RssAnon') };
}

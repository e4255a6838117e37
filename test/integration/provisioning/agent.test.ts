import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, statSync, watch, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { request } from 'node:http';
import { join, resolve } from 'node:path';
import { spawn } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { accessToken, provision, renew } from '../../../src/agent/agent.js';
import { enroll } from '../../support/fleet.js';
import { freePort } from '../../support/ports.js';
import { describeWith } from '../../support/programs.js';
import { seeded } from '../../support/seeded.js';
import { startServer, type TestServer } from '../../support/server.js';
import { runShell, runThingward, userFolder } from '../../support/shell.js';

let server: TestServer;
beforeAll(async () => {
  server = await startServer('embedded');
});
afterAll(() => server.stop());

// `npm run agent-kills` kills the agents of 30 devices.
const devices = Number(process.env['AGENT_DEVICES'] ?? 3);

const keyFits = (folder: string) => {
  const certificate = new X509Certificate(readFileSync(join(folder, 'device.crt')));
  const key = createPublicKey(createPrivateKey(readFileSync(join(folder, 'device.key'))));
  return certificate.publicKey.equals(key);
};

describe('the agent as a library', () => {
  it('provisions, hands out tokens, renews, and keeps key and certificate together', async () => {
    const { path, remove } = userFolder();
    const { token } = await enroll(server);
    const out = join(path, 'device');
    const options = { server: server.url, enrollment: token, name: 'lib-1', out };
    const first = await provision(options);
    expect(await provision(options)).toEqual(first);
    expect(statSync(join(out, 'device.key')).mode & 0o777).toBe(0o600);
    expect(statSync(join(out, 'token.json')).mode & 0o777).toBe(0o600);
    const clock = server.now;
    const held = await accessToken({ out, clock });
    expect(await accessToken({ out, clock })).toBe(held);
    server.advance(880);
    const refreshed = await accessToken({ out, clock });
    expect(refreshed).not.toBe(held);
    expect((await server.as(refreshed).get('/v1/self')).body.thing.name).toBe('lib-1');

    expect((await renew({ out, clock })).renewed).toBe(false);
    server.advance(61 * 86_400);
    const renewed = await renew({ out, clock });
    expect(renewed.renewed).toBe(true);
    expect(renewed.serialNumber).not.toBe(first.serialNumber);
    expect(keyFits(out)).toBe(true);
    expect((await server.as(await accessToken({ out, clock })).get('/v1/self')).status).toBe(200);
    expect((await server.owner.get(`/v1/certificates/${first.serialNumber}`)).body.status).toBe('superseded');
    server.advance(-61 * 86_400 - 880);
    remove();
  });

  it('recovers by client_credentials when its refresh family has ended', async () => {
    const { path, remove } = userFolder();
    const { token } = await enroll(server);
    const clock = server.now;
    await provision({ server: server.url, enrollment: token, name: 'lib-2', out: path, clock });
    await server.database.client.refreshFamily.updateMany({ data: { revokedAt: server.now() } });
    const tokens = JSON.parse(readFileSync(join(path, 'token.json'), 'utf8')) as object;
    writeFileSync(join(path, 'token.json'), JSON.stringify({ ...tokens, expiresAt: 0 }));
    expect((await server.as(await accessToken({ out: path, clock })).get('/v1/self')).status).toBe(200);
    remove();
  });

  it('learns the time from the server, however wrong its clock', async () => {
    const { token } = await enroll(server);
    for (const [n, clock] of [
      () => new Date('1970-01-02T00:00:00Z'),
      () => new Date('2049-06-01T00:00:00Z'),
    ].entries()) {
      const { path, remove } = userFolder();
      await provision({ server: server.url, enrollment: token, name: `clock-${n}`, out: path, clock });
      rmSync(join(path, 'token.json'));
      expect((await server.as(await accessToken({ out: path, clock })).get('/v1/self')).status).toBe(200);
      rmSync(join(path, 'token.json'));
      const moved = () => new Date(clock().getTime() + 86_400_000);
      expect((await server.as(await accessToken({ out: path, clock: moved })).get('/v1/self')).status).toBe(200);
      expect((await renew({ out: path, clock: moved, force: true })).renewed).toBe(true);
      remove();
    }
  });

  it('says what to do when the server refuses', async () => {
    const { path, remove } = userFolder();
    const options = { server: server.url, name: 'lib-3', out: path };
    await expect(provision({ ...options, enrollment: `twe_${'A'.repeat(43)}` })).rejects.toMatchObject({
      code: 'invalid-credential',
      message: expect.stringContaining('get a new one'),
    });
    await expect(provision({ ...options, server: 'http://192.0.2.1', enrollment: 'x' })).rejects.toThrow(
      /is not this machine: use https/,
    );
    await expect(accessToken({ out: path })).rejects.toThrow(/has no identity: run thingward agent provision/);
    remove();
  });
});

describe('the agent, killed at random moments and run again', () => {
  /** Runs the agent and kills it when the files in its folder have changed so often; says whether it had not ended by itself. */
  async function runAndKill(args: string[], path: string, changes: number): Promise<boolean> {
    let seen = 0;
    const child = spawn(process.execPath, [resolve('dist/main.js'), ...args], { stdio: 'ignore' });
    const ended = new Promise((done) => child.once('exit', done));
    const watcher = watch(path, () => ++seen === changes && child.kill('SIGKILL'));
    await ended;
    watcher.close();
    return child.signalCode === 'SIGKILL';
  }

  it('ends with one certificate for each device, whose key it holds', async () => {
    const { id, token } = await enroll(server, { thingNamePattern: 'killed-*' });
    const random = seeded('agent kill loop');
    let kills = 0;
    for (let n = 0; n < devices; n++) {
      const { path, remove } = userFolder();
      const args = [
        'agent',
        'provision',
        '--server',
        server.url,
        '--enrollment',
        token,
        '--name',
        `killed-${n}`,
        '--out',
        path,
      ];
      // The first changes are the key, before anything is asked; about the twentieth puts the certificate in its place.
      for (const most of [4, 20, 20]) if (await runAndKill(args, path, random.between(1, most + 1))) kills++;
      const last = await runThingward(args);
      expect(last.code, last.output).toBe(0);
      expect(keyFits(path)).toBe(true);
      for (let attempt = 0; attempt < 3; attempt++)
        if (await runAndKill(['agent', 'renew', '--force', '--out', path], path, random.between(1, 21))) kills++;
      const renewed = await runThingward(['agent', 'token', '--out', path]);
      expect(renewed.code, renewed.output).toBe(0);
      expect(keyFits(path)).toBe(true);
      expect(
        readdirSync(path).filter((name) => name.endsWith('.key') && statSync(join(path, name)).mode & 0o077),
      ).toEqual([]);
      remove();
    }
    expect((await server.owner.get(`/v1/enrollments/${id}`)).body.uses).toBe(devices);
    expect((await server.owner.get(`/v1/things?enrollment=${id}`)).body.items).toHaveLength(devices);
    expect(kills).toBeGreaterThan(0);
    console.log(`agent kill loop: devices=${devices} kills=${kills} extra things=0`);
  });
});

describeWith(['openssl', 'faketime'], 'the agent over TLS', () => {
  const { path: folder, remove } = userFolder();
  let url = '';
  let close: () => void;

  beforeAll(async () => {
    await runShell(
      `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -days 3650 -subj /CN=ca
       openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout other.key -out other.pem -days 3650 -subj /CN=ca
       openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout tls.key -out tls.csr -subj /CN=server
       printf 'subjectAltName=IP:127.0.0.1' > ext
       openssl x509 -req -in tls.csr -CA ca.pem -CAkey ca.key -days 30 -extfile ext -out tls.pem`,
      folder,
    );
    const port = await freePort();
    url = `https://127.0.0.1:${port}`;
    // A TLS terminator before the server, as a proxy would be.
    const terminator = createServer(
      { key: readFileSync(join(folder, 'tls.key')), cert: readFileSync(join(folder, 'tls.pem')) },
      (incoming, outgoing) => {
        const onward = request(
          `${server.url}${incoming.url}`,
          { method: incoming.method!, headers: incoming.headers },
          (answer) => {
            outgoing.writeHead(answer.statusCode!, answer.headers);
            answer.pipe(outgoing);
          },
        );
        incoming.pipe(onward);
      },
    );
    await new Promise<void>((done) => terminator.listen(port, '127.0.0.1', done));
    close = () => terminator.close();
  });
  afterAll(() => {
    close();
    remove();
  });

  const agent = (name: string, ca: string, clock?: string) => {
    const prefix = clock ? `FAKETIME_DONT_FAKE_MONOTONIC=1 faketime '${clock}' ` : '';
    return runShell(
      `${prefix}thingward agent provision --server ${url} --enrollment "$TOKEN" --name ${name} --out ${name} ${ca}`,
      folder,
      { TOKEN: token },
    );
  };
  let token = '';
  beforeAll(async () => {
    token = (await enroll(server)).token;
  });

  it('with a pinned CA provisions at the right time, years ago and years ahead', async () => {
    for (const [name, clock] of [
      ['tls-now', undefined],
      ['tls-1971', '1971-01-02 00:00:00'],
      ['tls-2040', '2040-01-01 00:00:00'],
    ] as const) {
      const result = await agent(name, '--ca ca.pem', clock);
      expect(result.code, `${name}: ${result.output}`).toBe(0);
      expect(keyFits(join(folder, name))).toBe(true);
    }
  });

  it('refuses another CA of the same name, at the right time and at a wrong one', async () => {
    for (const [name, clock] of [
      ['bad-now', undefined],
      ['bad-1971', '1971-01-02 00:00:00'],
      ['bad-2040', '2040-01-01 00:00:00'],
    ] as const) {
      const result = await agent(name, '--ca other.pem', clock);
      expect([result.code, name], result.output).toEqual([3, name]);
    }
    expect((await agent('unpinned', '')).code).toBe(3);
    expect(
      (await server.owner.get('/v1/things')).body.items.filter(({ name }: { name: string }) =>
        /^(bad|unpinned)/.test(name),
      ),
    ).toEqual([]);
  });
});

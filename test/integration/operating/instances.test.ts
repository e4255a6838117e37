import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { spawn, type ChildProcess } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createClient, type Ask, type Client } from '../../support/client.js';
import { csrPem } from '../../support/pki/csr.js';
import { databaseKinds, emptyDatabase } from '../../support/databases/databases.js';
import { freePort } from '../../support/ports.js';
import { startProgram, type Program } from '../../support/program.js';
import { describeWith } from '../../support/programs.js';

const withPostgres = databaseKinds.includes('postgresql') ? ['nginx'] : ['nginx', 'initdb'];

const mostTries = 1000;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** NGINX's own 502 and 504 say nothing about the request: a device sends the same one again. */
const askAgain: Ask = async (...call) => {
  for (let tries = 0; ; tries++) {
    const response = await fetch(...call);
    if (![502, 504].includes(response.status) || tries === mostTries) return response;
    await response.text();
    await pause(100);
  }
};

describeWith(withPostgres, 'two instances on one PostgreSQL behind NGINX', () => {
  const folder = mkdtempSync(join(tmpdir(), 'thingward-nginx-'));
  const ownerKey = `twk_${randomBytes(32).toString('base64url')}`;
  let programs: Program[];
  let nginx: ChildProcess;
  let owner: Client;
  let url: string;

  beforeAll(async () => {
    const { settings } = await emptyDatabase('postgresql');
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    const common = {
      ...settings,
      THINGWARD_OWNER_KEY: ownerKey,
      THINGWARD_PUBLIC_URL: url,
      THINGWARD_PKI_URL: url,
      THINGWARD_TRUSTED_PROXIES: '127.0.0.1/32',
    };
    // Both at once: one migrates and makes the account, the other waits and finds it.
    programs = await Promise.all([startProgram(common), startProgram(common)]);
    nginx = startNginx(port);
    owner = createClient(url, ownerKey);
    for (let n = 0; n < 6000; n++) {
      if ((await fetch(`${url}/readyz`).catch(() => undefined))?.status === 200) break;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  });

  afterAll(async () => {
    nginx.kill('SIGQUIT');
    for (const program of programs) await program.kill();
    rmSync(folder, { recursive: true, force: true });
  });

  /** The configuration of deploy/, with this machine's addresses in place of the containers'. */
  function startNginx(port: number): ChildProcess {
    const config = readFileSync('deploy/nginx.conf', 'utf8')
      .replace('thingward-1:8080', programs[0]!.url.slice(7))
      .replace('thingward-2:8080', programs[1]!.url.slice(7))
      // How long a starved machine takes for an answer is not what is tested: only a connection that breaks is a failure.
      .replace(/(proxy_(?:connect|send|read)|client_(?:header|body)|send)_timeout +\w+;/g, '$1_timeout 600s;')
      .replace('listen 8080;', `listen 127.0.0.1:${port};`)
      .replace(
        'http {',
        `http { client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;`,
      );
    // Its workers write large bodies into the folder, which belongs to whoever runs this.
    const user = process.getuid?.() === 0 ? 'user root;\n' : '';
    writeFileSync(join(folder, 'nginx.conf'), `${user}pid ${folder}/pid;\nerror_log ${folder}/error.log;\n${config}`);
    return spawn('nginx', ['-p', folder, '-c', join(folder, 'nginx.conf'), '-g', 'daemon off;'], { stdio: 'ignore' });
  }

  it('both know the account, its owner and its CA', async () => {
    const chains = await Promise.all(
      programs.map(async (program) => (await fetch(`${program.url}/ca/chain.pem`)).text()),
    );
    expect(chains[0]).toBe(chains[1]);
    for (const program of programs)
      expect((await createClient(program.url, ownerKey).get('/v1/accounts')).body.items).toHaveLength(1);
  });

  it('share a quota: 1,000 calls over both on maxUses 100, exactly 100', async () => {
    const { token } = (await owner.post('/v1/enrollments', { thingNamePattern: 'shared-*', maxUses: 100 })).body;
    const agent = createClient(url, token, 'patient', askAgain);
    const answers = await Promise.all(
      Array.from({ length: 1000 }, (_, n) => agent.post('/v1/provision', { thingName: `shared-${n}`, csr: csrPem() })),
    );
    // One that was asked again, because NGINX had no answer, may get its first answer: 200.
    expect(answers.filter(({ status }) => status === 201 || status === 200)).toHaveLength(100);
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(900);
    const things = (await owner.get('/v1/things?limit=1000')).body.items as { name: string }[];
    expect(things.filter(({ name }) => name.startsWith('shared-'))).toHaveLength(100);
  });

  it('a name asked for on both at once becomes one thing', async () => {
    const { token } = (await owner.post('/v1/enrollments', { thingNamePattern: 'both-*', maxUses: 1000 })).body;
    for (let round = 0; round < 20; round++) {
      const csr = csrPem();
      const body = { thingName: `both-${round}`, csr };
      const answers = await Promise.all(
        programs.flatMap(({ url }) => [
          createClient(url, token).post('/v1/provision', body),
          createClient(url, token).post('/v1/provision', body),
        ]),
      );
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 200, 201]);
      expect(new Set(answers.map(({ body }) => body.certificate.pem)).size).toBe(1);
    }
  });

  it('the address of the device reaches the audit through NGINX, and what a device claims does not', async () => {
    const { token } = (await owner.post('/v1/enrollments', { thingNamePattern: 'address-1', maxUses: 1 })).body;
    const claimed = { 'x-forwarded-for': '203.0.113.9' };
    expect(
      (await createClient(url, token).send('POST', '/v1/provision', { thingName: 'address-1', csr: csrPem() }, claimed))
        .status,
    ).toBe(201);
    expect((await owner.get('/v1/audit?target=thing:address-1')).body.items[0].sourceIp).toBe('127.0.0.1');
  });

  it.each([
    ['/v1/things/x/reenroll', 64],
    ['/v1/authorize', 512],
    ['/access/v1/evaluation', 512],
    ['/v1/policies', 1024],
    ['/v1/policies/simulate', 1024],
    ['/v1/revocations/bulk', 2048],
    ['/access/v1/evaluations', 4096],
    ['/v1/authorize/batch', 16_384],
  ])('a body for %s gets its %i KiB through NGINX', async (path, limit) => {
    const headers = { authorization: `Bearer ${ownerKey}`, 'content-type': 'application/json' };
    const send = async (to: string, octets: number) => {
      const body = `{"unknown":1${' '.repeat(octets - 13)}}`;
      const response = await fetch(to + path, { method: 'POST', headers, body });
      const { type } = (await response.json().catch(() => ({ type: 'not JSON' }))) as { type: string };
      return [response.status, type];
    };
    const most = limit * 1024;
    const direct = await send(programs[0]!.url, most);
    expect([400, 422]).toContain(direct[0]);
    expect(await send(url, most)).toEqual(direct);
    // That is all that the API takes: one octet more is refused before it is sent.
    const refused = request(programs[0]!.url + path, {
      method: 'POST',
      headers: { ...headers, 'content-length': most + 1 },
    });
    refused.flushHeaders();
    const [answer] = (await once(refused, 'response')) as [IncomingMessage];
    expect(answer.statusCode).toBe(413);
    refused.destroy();
  });

  it('an instance that is killed costs no reader an answer, and a device asks again', async () => {
    const { token } = (await owner.post('/v1/enrollments', { thingNamePattern: 'spared-*', maxUses: 1000 })).body;
    // NGINX sends no POST twice: the device does, with the same request, as it may.
    const provisionOne = async (n: number) => {
      const request = { thingName: `spared-${n}`, csr: csrPem() };
      for (let tries = 0; ; tries++) {
        const response = await fetch(`${url}/v1/provision`, {
          method: 'POST',
          headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
          body: JSON.stringify(request),
        });
        if (response.status < 500 || tries === mostTries) return response;
        await response.text();
        await pause(100);
      }
    };
    const readOne = () => owner.get('/v1/things?limit=1');
    const early = Array.from({ length: 200 }, (_, n) => provisionOne(n));
    const reads = Array.from({ length: 100 }, readOne);
    await programs[1]!.kill('SIGKILL');
    const answers = await Promise.all([...early, ...Array.from({ length: 100 }, (_, n) => provisionOne(200 + n))]);
    expect(new Set(answers.map(({ status }) => status))).toEqual(
      new Set(answers.some(({ status }) => status === 200) ? [201, 200] : [201]),
    );
    expect(
      new Set((await Promise.all([...reads, ...Array.from({ length: 100 }, readOne)])).map(({ status }) => status)),
    ).toEqual(new Set([200]));
    expect(
      (await owner.get('/v1/things?limit=1000')).body.items.filter(({ name }: { name: string }) =>
        name.startsWith('spared-'),
      ),
    ).toHaveLength(300);
  });
});

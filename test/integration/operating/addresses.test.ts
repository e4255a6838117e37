import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { createServer, type Server } from 'node:https';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { accessToken, lookUp, provision, renew } from '../../../src/agent/agent.js';
import { startProgram } from '../../support/program.js';
import { databaseKinds, freshDatabase } from '../../support/databases/databases.js';
import { enroll } from '../../support/fleet.js';
import { csrPem } from '../../support/pki/csr.js';
import { freePort } from '../../support/ports.js';
import { describeWith } from '../../support/programs.js';
import { startServer, type TestServer } from '../../support/server.js';
import { runShell, runThingward, userFolder } from '../../support/shell.js';

/** Two authorities, and a certificate of each for 127.0.0.1. */
const makeAuthorities = (folder: string) =>
  runShell(
    `for n in 1 2; do
       openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca$n.key -out ca$n.pem -days 3650 -subj /CN=ca$n
       openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout tls$n.key -out tls$n.csr -subj /CN=server
       printf 'subjectAltName=IP:127.0.0.1' > ext
       openssl x509 -req -in tls$n.csr -CA ca$n.pem -CAkey ca$n.key -days 30 -extfile ext -out tls$n.pem
     done`,
    folder,
  );

describeWith(['openssl'], 'a server with its own TLS', () => {
  const { path: folder, remove } = userFolder();
  const at = (name: string) => join(folder, name);
  let server: TestServer;
  let pki = '';
  beforeAll(async () => {
    await makeAuthorities(folder);
    const port = await freePort();
    pki = `http://127.0.0.1:${port}`;
    server = await startServer('embedded', {
      THINGWARD_TLS_CERT_FILE: at('tls1.pem'),
      THINGWARD_TLS_KEY_FILE: at('tls1.key'),
      THINGWARD_PKI_PORT: String(port),
    });
  });
  afterAll(async () => {
    await server.stop();
    remove();
  });

  it('serves the lists and OCSP that certificates name on a port without TLS, and nothing else', async () => {
    const owner = server.direct(server.ownerKey);
    const { token } = (await owner.post('/v1/enrollments', { thingNamePattern: '*', maxUses: 10 })).body;
    const { body } = await server.direct(token).post('/v1/provision', { thingName: 'one', csr: csrPem() });
    const { pem, chainPem, serialNumber } = body.certificate;
    const certificate = new X509Certificate(pem);
    expect(certificate.infoAccess).toContain(`OCSP - URI:${pki}/ocsp`);
    const [list] = /http:\/\/127\.0\.0\.1[^\0-\x20]*?\.crl/.exec(certificate.raw.toString('latin1'))!;
    expect(list.startsWith(`${pki}/crl/`)).toBe(true);
    expect((await fetch(list)).headers.get('content-type')).toBe('application/pkix-crl');
    expect(await (await fetch(`${pki}/ca/chain.pem`)).text()).toContain('BEGIN CERTIFICATE');
    writeFileSync(at('device.pem'), pem);
    writeFileSync(at('chain.pem'), chainPem);
    const ocsp = () =>
      runShell(`openssl ocsp -issuer chain.pem -cert device.pem -CAfile chain.pem -url ${pki}/ocsp`, folder);
    expect(await ocsp()).toMatchObject({ code: 0, output: expect.stringContaining('device.pem: good') });
    await owner.post(`/v1/certificates/${serialNumber}/revoke`, { reason: 'keyCompromise' });
    expect((await ocsp()).output).toContain('device.pem: revoked');
    for (const path of ['/v1/things', '/docs', '/metrics', '/openapi.json', '/.well-known/jwks.json', '/healthz'])
      expect(
        (await fetch(`${pki}${path}`, { headers: { authorization: `Bearer ${server.ownerKey}` } })).status,
        path,
      ).toBe(404);
    const lost = await fetch(`${pki}/v1/provision`, { method: 'POST' });
    expect(lost.status).toBe(404);
    // What it leads to answers, which an address of its own would not.
    const [, api] = / The API is at (https:\S+)$/.exec(((await lost.json()) as { detail: string }).detail)!;
    expect(api).toBe(server.url.replace('http:', 'https:'));
  });
});

describeWith(['openssl'], 'devices of a server whose TLS changes', () => {
  const { path: folder, remove } = userFolder();
  const at = (name: string) => join(folder, name);
  const read = (name: string) => readFileSync(at(name), 'utf8');
  let server: TestServer;
  let terminator: Server;
  let url = '';
  beforeAll(async () => {
    await makeAuthorities(folder);
    const port = await freePort();
    url = `https://127.0.0.1:${port}`;
    writeFileSync(at('trust.pem'), `text around\n${read('ca1.pem')}`);
    server = await startServer('embedded', {
      THINGWARD_PUBLIC_URL: url,
      THINGWARD_TLS_CA_FILE: at('trust.pem'),
    });
    // A TLS terminator before the server, as a proxy would be.
    terminator = createServer({ key: read('tls1.key'), cert: read('tls1.pem') }, (incoming, outgoing) => {
      const { method, headers } = incoming;
      const onward = request(`${server.url}${incoming.url}`, { method: method!, headers }, (answer) => {
        outgoing.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(outgoing);
      });
      incoming.pipe(onward);
    });
    await new Promise<void>((done) => terminator.listen(port, '127.0.0.1', done));
  });
  afterAll(async () => {
    terminator.close();
    await server.stop();
    remove();
  });
  const selfOf = async (out: string) => server.as(await accessToken({ out })).get('/v1/self');

  it('are told whom to trust at renewal and by /v1/self, and survive a new authority of the server', async () => {
    const { token } = await enroll(server);
    const [one, other] = [at('one'), at('other')];
    for (const out of [one, other])
      await provision({ server: url, enrollment: token, name: out.split('/').at(-1)!, out, ca: read('ca1.pem') });
    expect((await selfOf(one)).body.trust).toBe(read('ca1.pem'));
    // The next authority is announced while the old certificate still serves.
    writeFileSync(at('trust.pem'), read('ca1.pem') + read('ca2.pem'));
    const agentFile = join(one, 'agent.json');
    const state = JSON.parse(readFileSync(agentFile, 'utf8'));
    writeFileSync(agentFile, JSON.stringify({ ...state, links: { ...state.links, renew: `${url}/v1/renew?old` } }));
    expect((await renew({ out: one, force: true })).renewed).toBe(true);
    await lookUp({ out: other });
    for (const out of [one, other])
      expect(readFileSync(join(out, 'trust.pem'), 'utf8')).toBe(read('ca1.pem') + read('ca2.pem'));
    expect(JSON.parse(readFileSync(agentFile, 'utf8')).links).toEqual({
      token: `${url}/v1/token`,
      renew: `${url}/v1/renew`,
    });
    // A file that cannot be read changes nothing.
    writeFileSync(at('trust.pem'), 'nothing');
    expect((await selfOf(other)).body.trust).toBe(read('ca1.pem') + read('ca2.pem'));

    terminator.setSecureContext({ key: read('tls2.key'), cert: read('tls2.pem') });
    terminator.closeAllConnections();
    for (const out of [one, other]) expect((await renew({ out, force: true })).renewed).toBe(true);
    // Who was told nothing is refused, as it must be.
    await expect(
      provision({ server: url, enrollment: token, name: 'late', out: at('late'), ca: read('ca1.pem') }),
    ).rejects.toThrow(/certificate/);
  });

  it('look at their dates: an expired certificate is renewed where that is allowed, and named where it is not', async () => {
    writeFileSync(at('trust.pem'), read('ca2.pem'));
    const ca = read('ca2.pem');
    const make = async (changes: object, name: string) => {
      const { id, token } = await enroll(server, changes);
      const options = { server: url, enrollment: token, name, out: at(name), ca, clock: server.now };
      return { id, options, identity: await provision(options) };
    };
    const allowed = await make({ renewGraceSeconds: 86_400 }, 'allowed');
    const refused = await make({}, 'refused');
    server.advance(90 * 86_400 + 3600);
    const { options } = allowed;
    const again = await provision(options);
    expect(again.serialNumber).not.toBe(allowed.identity.serialNumber);
    expect((await server.as(await accessToken(options)).get('/v1/self')).status).toBe(200);
    await expect(provision(refused.options)).rejects.toThrow(
      /expired at .*renewing: .*re-enroll the thing.*provisioning again: /,
    );
    await expect(accessToken(refused.options)).rejects.toThrow(/expired at .*re-enroll the thing/);
    // An operator helps: with the token of a re-enrollment the same command works again.
    const { token } = (await server.owner.post('/v1/things/refused/reenroll')).body;
    const back = await provision({ ...refused.options, enrollment: token });
    expect(back.notAfter > server.now()).toBe(true);
    server.advance(-90 * 86_400 - 3600);
  });
});

describeWith([], 'the program at its start', () => {
  it('warns of misspelt settings and of addresses that nobody reaches, and names what to set', async () => {
    const database = await freshDatabase(databaseKinds[0]!);
    const program = await startProgram({
      ...database.settings,
      THINGWARD_HOST: '0.0.0.0',
      THINGWARD_PUBLIC_ULR: 'https://things.example.com',
      THINGWARD_API_KEY: 'twk_of_the_command_line',
    });
    const output = program.output();
    await program.kill();
    database.remove();
    expect(output).toContain(
      'THINGWARD_PUBLIC_ULR is no setting and changes nothing: did you mean THINGWARD_PUBLIC_URL?',
    );
    expect(output).not.toContain('THINGWARD_API_KEY is');
    expect(output).toMatch(/certificates will name http:\/\/127\.0\.0\.1:\d+ .*set THINGWARD_PKI_URL/);
  });

  it('recognises what Kubernetes sets for a Service of its name', async () => {
    const result = await runThingward(['serve'], { THINGWARD_PORT: 'tcp://10.0.0.1:8080' });
    expect([result.code, result.output]).toEqual([1, expect.stringContaining('enableServiceLinks: false')]);
  });
});

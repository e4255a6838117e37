import { createHash, X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answer as answerShape } from '../../../src/authorize/schema.js';
import { problemOf, type Client } from '../../support/client.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { enroll, pemOf, provision, type Device } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';

const fingerprintOf = (device: Device): string =>
  createHash('sha256')
    .update(new X509Certificate(pemOf(device)).raw)
    .digest('hex');
const tokenOf = ({ answer }: Device): string => answer.body.token.accessToken as string;

async function newKey(server: TestServer, flags: object = {}): Promise<Client> {
  return server.as((await server.owner.post('/v1/api-keys', { permissions: ['authorize:query'], ...flags })).body.key);
}

/** Asks, checks the answer against the schema that is published, and says it in short. */
async function ask(proxy: Client, principal: object, resource: string, extra: object = {}, action = 'publish') {
  const answer = await proxy.post('/v1/authorize', { principal, action, resource, ...extra });
  expect(answer.status, answer.text).toBe(200);
  return answerShape.strict().parse(answer.body);
}

describe.each(databaseKinds)('authorize on %s', (kind) => {
  let server: TestServer;
  let proxy: Client;
  let device: Device;
  let telemetry: string;

  beforeAll(async () => {
    server = await startServer(kind);
    server.freeze();
    proxy = await newKey(server);
    const { token } = await enroll(server, { policies: ['sensor', 'actuator'], attributes: { site: 'berlin' } });
    device = await provision(server, token, 'pump-1');
    telemetry = 'topic:default/pump-1/telemetry/temp';
  });
  afterAll(() => server.stop());

  it('every principal form gets the same allow, with the statement that decided', async () => {
    const fingerprint = fingerprintOf(device);
    for (const principal of [
      { token: tokenOf(device), fingerprint },
      { token: tokenOf(device), certificatePem: pemOf(device) },
      { fingerprint },
      { fingerprint: fingerprint.toUpperCase().replace(/(..)(?=.)/g, '$1:') },
      { certificatePem: pemOf(device) },
      { thingName: 'pump-1' },
    ]) {
      expect(await ask(proxy, principal, telemetry), JSON.stringify(principal)).toMatchObject({
        decision: 'allow',
        reasons: ['telemetry'],
        policy: 'sensor@1',
        statement: 'telemetry',
      });
    }
  });

  it('denies what no statement allows, and what is malformed', async () => {
    const principal = { thingName: 'pump-1' };
    expect((await ask(proxy, principal, 'topic:default/pump-2/telemetry/temp')).reasons).toEqual([
      'no-matching-statement',
    ]);
    expect((await ask(proxy, principal, 'topic:default/pump-1/telemetry/+')).reasons).toEqual(['malformed-resource']);
    expect((await ask(proxy, principal, 'endpoint:x')).reasons).toEqual(['malformed-resource']);
    expect((await ask(proxy, principal, 'topic:default/pump-1/#', {}, 'subscribe')).decision).toBe('allow');
    expect((await ask(proxy, principal, 'topic:default/#', {}, 'subscribe')).decision).toBe('deny');
    expect((await ask(proxy, principal, telemetry, { context: { clientId: 'pump-2' } })).reasons).toEqual([
      'binding-mismatch',
    ]);
    expect((await ask(proxy, principal, telemetry, { context: { clientId: 'pump-1' } })).decision).toBe('allow');
  });

  it('a token needs its certificate, unless the key sees none', async () => {
    const other = await provision(server, (await enroll(server)).token, 'pump-other');
    const token = tokenOf(device);
    const bearer = await newKey(server, { bearer: true });
    expect((await ask(proxy, { token }, telemetry)).reasons).toEqual(['binding-mismatch']);
    expect((await ask(proxy, { token, fingerprint: fingerprintOf(other) }, telemetry)).reasons).toEqual([
      'binding-mismatch',
    ]);
    expect((await ask(bearer, { token }, telemetry)).decision).toBe('allow');
    expect((await ask(bearer, { token, fingerprint: fingerprintOf(other) }, telemetry)).reasons).toEqual([
      'binding-mismatch',
    ]);
    expect((await ask(bearer, { token: `${token.slice(0, -4)}AAAA` }, telemetry)).reasons).toEqual(['token-invalid']);
  });

  it('unknown principals, and those of another account, are unknown', async () => {
    const acme = server.as((await server.owner.post('/v1/accounts', { name: 'acme' })).body.ownerKey);
    for (const principal of [
      { thingName: 'pump-1' },
      { fingerprint: fingerprintOf(device) },
      { certificatePem: pemOf(device) },
      { token: tokenOf(device), fingerprint: fingerprintOf(device) },
    ]) {
      expect((await ask(acme, principal, telemetry)).reasons, JSON.stringify(principal)).toEqual(['unknown-principal']);
    }
    for (const principal of [{ thingName: 'nobody' }, { fingerprint: '0'.repeat(64) }])
      expect((await ask(proxy, principal, telemetry)).reasons).toEqual(['unknown-principal']);
  });

  it('a certificate counts in every form in which proxies pass it on, alone and with a token', async () => {
    const pem = pemOf(device);
    const { chainPem } = device.answer.body.certificate;
    for (const certificatePem of [
      pem + chainPem,
      encodeURIComponent(pem),
      encodeURIComponent(pem + chainPem),
      `Subject: CN=pump-1\r\n${pem.replaceAll('\n', '\r\n')}`,
      pem.replaceAll('\n', ' '),
      pem.replaceAll('\n', '\n\t'),
      new X509Certificate(pem).raw.toString('base64'),
      `:${new X509Certificate(pem).raw.toString('base64')}:`,
    ])
      for (const principal of [{ certificatePem }, { token: tokenOf(device), certificatePem }])
        expect((await ask(proxy, principal, telemetry)).decision, certificatePem.slice(0, 60)).toBe('allow');
  });

  it('400 invalid-request for a certificate that cannot be read; in a batch it spoils its own answer alone', async () => {
    const question = (principal: object) => ({ principal, action: 'publish', resource: telemetry });
    const unreadable = ['no certificate', pemOf(device).slice(0, -30), pemOf(device).replace('MII', '%II')];
    for (const certificatePem of unreadable)
      for (const principal of [{ certificatePem }, { token: tokenOf(device), certificatePem }]) {
        const answer = await proxy.post('/v1/authorize', question(principal));
        expect([answer.status, problemOf(answer)], certificatePem).toEqual([400, 'invalid-request']);
        expect(answer.body.detail).toMatch(/^principal\.certificatePem: .*send the certificate as PEM/);
      }
    const requests = [{ thingName: 'pump-1' }, { certificatePem: 'nope' }, { certificatePem: pemOf(device) }].map(
      question,
    );
    const { status, body } = await proxy.post('/v1/authorize/batch', { requests });
    expect(status).toBe(200);
    expect(body.decisions.map(({ decision }: { decision: string }) => decision)).toEqual(['allow', 'deny', 'allow']);
    expect(answerShape.strict().parse(body.decisions[1])).toMatchObject({
      reasons: ['cannot-decide'],
      detail: expect.stringMatching(/^principal\.certificatePem: it/),
    });
  });

  it('an answer is good for five seconds, for a follower of the feed a minute, and never beyond its token or window', async () => {
    const follower = await newKey(server, { followsFeed: true });
    const life = async (client: Client, principal: object, resource = telemetry, action = 'publish') =>
      (Date.parse((await ask(client, principal, resource, {}, action)).validUntil) - server.now().getTime()) / 1000;
    expect(await life(proxy, { thingName: 'pump-1' })).toBeGreaterThan(3);
    expect(await life(proxy, { thingName: 'pump-1' })).toBeLessThanOrEqual(5);
    expect(await life(follower, { thingName: 'pump-1' })).toBeGreaterThan(58);
    // A token that is about to expire, and a window that is about to close.
    const fresh = await provision(server, (await enroll(server)).token, 'pump-brief');
    server.advance(897);
    expect(
      await life(
        follower,
        { token: tokenOf(fresh), fingerprint: fingerprintOf(fresh) },
        'topic:default/pump-brief/telemetry/x',
      ),
    ).toBeLessThanOrEqual(3);
    server.advance(3);
    const expired = await ask(proxy, { token: tokenOf(fresh), fingerprint: fingerprintOf(fresh) }, telemetry);
    expect(expired.reasons).toEqual(['token-expired']);
    const untilNine = (new Date(server.now()).setUTCHours(21, 59, 58, 0) - server.now().getTime()) / 1000;
    server.advance(untilNine < 0 ? untilNine + 86_400 : untilNine);
    const write = () => ask(follower, { thingName: 'pump-1' }, 'endpoint:control_endpoint', {}, 'write');
    expect(await write()).toMatchObject({ decision: 'allow', validUntil: expect.stringMatching(/T22:00:00Z$/) });
    server.advance(3);
    expect((await write()).reasons).toEqual(['outside-time-window']);
  });

  it('a change of attributes reaches tokens already issued at once, and says so', async () => {
    await server.owner.post('/v1/policies', {
      name: 'by-site',
      statements: [
        { id: 'site', effect: 'allow', actions: ['read'], resources: ['endpoint:${thing.attributes.site}'] },
      ],
    });
    const { token } = await enroll(server, { policies: ['by-site'], attributes: { site: 'berlin' } });
    const meter = await provision(server, token, 'meter-1');
    const principal = { token: tokenOf(meter), fingerprint: fingerprintOf(meter) };
    const read = (resource: string) => ask(proxy, principal, resource, {}, 'read');
    expect(await read('endpoint:berlin')).toMatchObject({ decision: 'allow', policy: 'by-site@1' });
    await server.owner.send('PATCH', '/v1/things/meter-1', { attributes: { site: 'kyiv' } });
    expect(await read('endpoint:berlin')).toMatchObject({ decision: 'deny', refresh: true });
    expect(await read('endpoint:kyiv')).toMatchObject({ decision: 'allow', refresh: true });
    await server.owner.send('PUT', '/v1/things/meter-1/policies', { policies: ['sensor'] });
    expect((await read('endpoint:kyiv')).decision).toBe('deny');
    expect(await ask(proxy, { thingName: 'meter-1' }, 'topic:default/meter-1/telemetry/x')).toMatchObject({
      decision: 'allow',
    });
  });

  it('an edit of a policy reaches tokens already issued at once; a rollback too', async () => {
    const document = (resource: string) => ({
      name: 'edited',
      statements: [{ id: 'read', effect: 'allow', actions: ['read'], resources: [resource] }],
    });
    await server.owner.post('/v1/policies', document('endpoint:one'));
    const { token } = await enroll(server, { policy: 'edited' });
    const meter = await provision(server, token, 'meter-2');
    const principal = { token: tokenOf(meter), fingerprint: fingerprintOf(meter) };
    const decisions = async () => [
      (await ask(proxy, principal, 'endpoint:one', {}, 'read')).policy,
      (await ask(proxy, principal, 'endpoint:two', {}, 'read')).policy,
    ];
    expect(await decisions()).toEqual(['edited@1', undefined]);
    await server.owner.post('/v1/policies/edited/versions', document('endpoint:two'));
    expect(await decisions()).toEqual(['edited@1', undefined]);
    const activated = await server.owner.post('/v1/policies/edited/activate', { version: 2 });
    expect(activated.body).toMatchObject({ name: 'edited', activeVersion: 2 });
    expect(await decisions()).toEqual([undefined, 'edited@2']);
    await server.owner.post('/v1/policies/edited/activate', { version: 1 });
    expect(await decisions()).toEqual(['edited@1', undefined]);
    const answer = await proxy.post('/v1/authorize', {
      principal,
      action: 'read',
      resource: 'endpoint:one',
      atLeast: activated.body.cursor,
    });
    expect(answer.status).toBe(200);
  });

  it('atLeast: 503 for a cursor that the log has not reached, 409 for one of another epoch, 400 for none', async () => {
    const { cursor } = await ask(proxy, { thingName: 'pump-1' }, telemetry);
    const [epoch, position] = cursor.split(':') as [string, string];
    const hasty = server.as(server.ownerKey, 'impatient');
    const at = (atLeast: string) =>
      hasty.post('/v1/authorize', {
        principal: { thingName: 'pump-1' },
        action: 'publish',
        resource: telemetry,
        atLeast,
      });
    expect((await at(cursor)).status).toBe(200);
    const ahead = await at(`${epoch}:${Number(position) + 5}`);
    expect([ahead.status, ahead.headers.get('retry-after')]).toEqual([503, '1']);
    expect((await at(`00000000-0000-4000-8000-000000000000:${position}`)).status).toBe(409);
    expect((await at('soon')).status).toBe(400);
  });

  it('a batch answers each question in its place', async () => {
    const questions = [
      { principal: { thingName: 'pump-1' }, action: 'publish', resource: telemetry },
      { principal: { thingName: 'nobody' }, action: 'publish', resource: telemetry },
      { principal: { fingerprint: fingerprintOf(device) }, action: 'read', resource: 'endpoint:telemetry_endpoint' },
    ];
    const { status, body } = await proxy.post('/v1/authorize/batch', { requests: questions });
    expect(status).toBe(200);
    expect(body.decisions.map(({ decision }: { decision: string }) => decision)).toEqual(['allow', 'deny', 'allow']);
    const many = await proxy.post('/v1/authorize/batch', { requests: Array(1000).fill(questions[0]) });
    expect(many.body.decisions).toHaveLength(1000);
    expect((await proxy.post('/v1/authorize/batch', { requests: Array(1001).fill(questions[0]) })).status).toBe(400);
    expect((await proxy.post('/v1/authorize/batch', { requests: [{ ...questions[0], extra: 1 }] })).status).toBe(400);
  });

  it('last-seen and the sample of decisions are written in the background', async () => {
    server.advance(2);
    await ask(proxy, { thingName: 'pump-1' }, telemetry, { context: { sourceIp: '10.0.0.1' } });
    await server.services.chores.run('write-last-seen');
    await server.services.chores.run('write-decisions');
    expect((await server.owner.get('/v1/things/pump-1')).body.lastSeenAt).toMatch(/Z$/);
    const { items } = (await server.owner.get('/v1/decisions?limit=1')).body;
    expect(items).toMatchObject([
      {
        thingName: 'pump-1',
        resource: telemetry,
        decision: 'allow',
        reason: 'telemetry',
        context: { sourceIp: '10.0.0.1' },
      },
    ]);
  });

  it('400 for what is not a question', async () => {
    const good = { principal: { thingName: 'pump-1' }, action: 'publish', resource: telemetry };
    for (const body of [
      {},
      { ...good, principal: { thingName: 'a b' } },
      { ...good, principal: {} },
      { ...good, principal: { thingName: 'pump-1', fingerprint: '0'.repeat(64) } },
      { ...good, principal: { fingerprint: 'xyz' } },
      { ...good, principal: 'pump-1' },
      { ...good, action: 7 },
      { ...good, resource: ['topic:a'] },
      { ...good, context: { qos: 'one' } },
      { ...good, context: { unknown: 1 } },
      { ...good, extra: true },
      [],
    ]) {
      expect((await proxy.post('/v1/authorize', body)).status, JSON.stringify(body)).toBe(400);
    }
  });
});

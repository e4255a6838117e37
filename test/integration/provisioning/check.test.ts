import { hash } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { problemOf } from '../../support/client.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { openEstStage, type EstStage } from '../../support/est/stage.js';
import { enroll, provision } from '../../support/fleet.js';
import { startReceiver, until, type Reaction } from '../../support/monitoring/receiver.js';
import { csrPem, newKey } from '../../support/pki/csr.js';

const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const say = (answer: object): Reaction => ({ status: 200, body: JSON.stringify(answer) });

describe.each(databaseKinds)('the check of an enrollment on %s', (kind) => {
  let stage: EstStage;
  let checker: Awaited<ReturnType<typeof startReceiver>>;
  beforeAll(async () => {
    stage = await openEstStage(kind, { THINGWARD_OUTBOUND_ALLOW: '127.0.0.1' });
    for (const name of ['alpha', 'beta'])
      await stage.server.owner.post('/v1/policies', {
        name,
        statements: [{ id: 'a', effect: 'allow', actions: ['publish'], resources: ['topic:a'] }],
      });
  });
  afterAll(() => stage.stop());
  beforeEach(async () => void (checker = await startReceiver(() => say({ allow: true }))));
  afterEach(() => checker.stop());

  let names = 0;
  const fresh = () => `checked-${names++}`;
  const open = (more: object = {}, check: object = {}) =>
    enroll(stage.server, { check: { url: checker.url, secret, timeoutMs: 5000, ...check }, ...more });
  const usesOf = async (id: string) => (await stage.server.owner.get(`/v1/enrollments/${id}`)).body.uses as number;

  it('is asked about each device, signed as Standard Webhooks say it, and not again for a repeated request', async () => {
    const { id, token } = await open({ thingType: 'pump', attributes: { site: 'oslo' }, deviceAttributes: ['model'] });
    const name = fresh();
    const { csr, answer } = await provision(stage.server, token, name, { attributes: { model: 'x1' } });
    expect(answer.status).toBe(201);
    const [{ headers, body, json }] = checker.received as [(typeof checker.received)[0]];
    expect(new Webhook(secret).verify(body, headers as Record<string, string>)).toEqual(json);
    expect(json).toEqual({
      account: 'default',
      enrollment: id,
      thingName: name,
      thingType: 'pump',
      attributes: { site: 'oslo', model: 'x1' },
      policies: ['sensor'],
      csr: expect.stringContaining('BEGIN CERTIFICATE REQUEST'),
      source: '127.0.0.1',
      claims: {},
    });
    expect(json.csr.replaceAll(/\s/g, '')).toBe(csr.replaceAll(/\s/g, ''));
    checker.set(() => say({ allow: false }));
    const again = await stage.server
      .as(token)
      .post('/v1/provision', { thingName: name, csr, attributes: { model: 'x1' } });
    expect([again.status, checker.received.length]).toEqual([200, 1]);
  });

  it('shows its secret once where the server made it, and never one that was given', async () => {
    const made = await stage.server.owner.post('/v1/enrollments', {
      thingNamePattern: '*',
      maxUses: 1,
      check: { url: checker.url },
    });
    expect(made.status).toBe(201);
    const { token } = made.body;
    await provision(stage.server, token, fresh());
    const [{ headers, body }] = checker.received as [(typeof checker.received)[0]];
    expect(new Webhook(made.body.checkSecret).verify(body, headers as Record<string, string>)).toBeTruthy();
    const given = await open();
    expect(given).not.toHaveProperty('checkSecret');
    const shown = await stage.server.owner.get(`/v1/enrollments/${given.id}`);
    expect(shown.body.check).toEqual({ url: checker.url, timeoutMs: 5000 });
    const { text } = await stage.server.owner.get('/v1/enrollments?limit=1000');
    expect(text).not.toContain('whsec_');
    expect((await stage.server.owner.get('/v1/audit?limit=1000')).text).not.toContain('whsec_');
  });

  it('refuses a device, which hears why, and nothing is issued', async () => {
    const { id, token } = await open();
    checker.set(() => say({ allow: false, reason: 'stolen\r\nfrom a truck' }));
    const name = fresh();
    const { answer } = await provision(stage.server, token, name);
    expect([answer.status, problemOf(answer)]).toEqual([403, 'check-refused']);
    expect(answer.body.reason).toBe('stolen  from a truck');
    expect((await stage.server.owner.get(`/v1/things/${name}`)).status).toBe(404);
    expect(await usesOf(id)).toBe(0);
  });

  it('narrows what a device gets', async () => {
    const { token } = await open({
      policies: ['alpha', 'beta'],
      attributes: { site: 'oslo' },
      deviceAttributes: ['model', 'line'],
    });
    checker.set(() => say({ allow: true, attributes: { model: 'x2', site: 'oslo' }, policies: ['beta', 'beta'] }));
    const name = fresh();
    const asked = { attributes: { model: 'x1', line: '4' } };
    expect((await provision(stage.server, token, name, asked)).answer.status).toBe(201);
    expect((await stage.server.owner.get(`/v1/things/${name}`)).body).toMatchObject({
      attributes: { site: 'oslo', model: 'x2' },
      policies: ['beta'],
    });
    checker.set(() => say({ allow: true, attributes: {}, policies: [] }));
    const bare = fresh();
    expect((await provision(stage.server, token, bare, asked)).answer.status).toBe(201);
    expect((await stage.server.owner.get(`/v1/things/${bare}`)).body).toMatchObject({
      attributes: { site: 'oslo' },
      policies: [],
    });
  });

  const clearly = (body: string, status = 200) => ({ status, body });
  it.each<[string, () => Reaction]>([
    ['a policy that the enrollment lacks', () => say({ allow: true, policies: ['alpha', 'beta'] })],
    ['an attribute that devices may not set', () => say({ allow: true, attributes: { line: '4' } })],
    ['another value of an attribute of the enrollment', () => say({ allow: true, attributes: { site: 'rome' } })],
    ['an attribute named as members of objects are', () => say({ allow: true, attributes: { constructor: 'x' } })],
    ['a status other than 200', () => clearly('{"allow":true}', 201)],
    ['a redirect', () => ({ status: 307, headers: { location: checker.url }, body: '{"allow":true}' })],
    ['an error', () => clearly('', 500)],
    ['no answer in time', () => 'hang'],
    ['an answer that is too long', () => clearly(`{"allow":true,"reason":"${'a'.repeat(70_000)}"}`)],
    ['no JSON', () => clearly('allow: true')],
    ['nothing', () => clearly('')],
    ['another shape', () => clearly('{"allow":"yes"}')],
    ['a list', () => clearly('[true]')],
    ['null', () => clearly('null')],
    ['attributes that no thing has', () => say({ allow: true, attributes: { model: '' } })],
    ['JSON without end', () => clearly('['.repeat(60_000))],
  ])('503 and nothing issued for %s', async (_what, react) => {
    const { id, token } = await open(
      { policies: ['alpha'], attributes: { site: 'oslo' }, deviceAttributes: ['model'], maxUses: 1 },
      { timeoutMs: 300 },
    );
    checker.set(react);
    const name = fresh();
    const { csr, answer } = await provision(stage.server, token, name);
    expect([answer.status, problemOf(answer)], answer.text).toEqual([503, 'check-away']);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await stage.server.owner.get(`/v1/things/${name}`)).status).toBe(404);
    expect(await usesOf(id)).toBe(0);
    checker.set(() => say({ allow: true }));
    expect((await stage.server.as(token).post('/v1/provision', { thingName: name, csr })).status).toBe(201);
  });

  it('503 where nobody listens, without a word of the network', async () => {
    const { token } = await open({}, { url: 'http://127.0.0.1:1/' });
    const { answer } = await provision(stage.server, token, fresh());
    expect([answer.status, problemOf(answer)]).toEqual([503, 'check-away']);
    expect(answer.text).not.toMatch(/ECONN|127\.0\.0\.1/);
  });

  it('503 for a URL that leads where no tenant may send the server', async () => {
    for (const url of [
      'http://169.254.169.254/latest',
      'https://10.0.0.1/',
      'http://[::1]:1/',
      'http://0x7f000001.example/',
    ]) {
      const { token } = await open({}, { url, timeoutMs: 2000 });
      expect((await provision(stage.server, token, fresh())).answer.status, url).toBe(503);
    }
  });

  it('holds no connection of the database while it waits, and others are served', async () => {
    const { token } = await open({}, { timeoutMs: 10_000 });
    checker.set(() => 'hang');
    const waiting = Promise.all(Array.from({ length: 20 }, () => provision(stage.server, token, fresh())));
    await until(() => checker.received.length === 20);
    const other = await enroll(stage.server);
    expect((await provision(stage.server, other.token, fresh())).answer.status).toBe(201);
    checker.set(() => say({ allow: true }));
    await checker.stop();
    expect((await waiting).map(({ answer }) => answer.status)).toEqual(Array<number>(20).fill(503));
    checker = await startReceiver();
  });

  it('is asked about so many devices of an account at once, and no more', async () => {
    const { token } = await open({}, { timeoutMs: 10_000 });
    checker.set(() => 'hang');
    const all = Array.from({ length: 70 }, () => provision(stage.server, token, fresh()));
    const settled: number[] = [];
    for (const each of all) void each.then(({ answer }) => settled.push(answer.status));
    await until(() => checker.received.length >= 64 && settled.length >= 6);
    expect([checker.received.length, settled]).toEqual([64, Array<number>(6).fill(503)]);
    await checker.stop();
    await Promise.all(all);
    checker = await startReceiver(() => say({ allow: true }));
    const next = await open();
    expect((await provision(stage.server, next.token, fresh())).answer.status).toBe(201);
  });

  it('is not asked for what is refused anyway', async () => {
    const { id, token } = await open({ thingNamePattern: 'checked-*' });
    await provision(stage.server, token, 'other');
    await stage.server.as(token).post('/v1/provision', { thingName: fresh(), csr: 'no csr' });
    const taken = fresh();
    await provision(stage.server, token, taken);
    expect(checker.received).toHaveLength(1);
    expect(problemOf((await provision(stage.server, token, taken)).answer)).toBe('thing-exists');
    await stage.server.owner.post(`/v1/enrollments/${id}/revoke`, {});
    expect((await provision(stage.server, token, fresh())).answer.status).toBe(401);
    expect(checker.received).toHaveLength(1);
  });

  it('issues nothing for an enrollment that is revoked while it is asked', async () => {
    let answer = () => {};
    const slow = createServer((_request, response) => void (answer = () => void response.end('{"allow":true}')));
    await new Promise<void>((resolve) => slow.listen(0, '127.0.0.1', resolve));
    const { port } = slow.address() as AddressInfo;
    const { id, token } = await open({}, { url: `http://127.0.0.1:${port}/`, timeoutMs: 10_000 });
    const asked = new Promise((resolve) => slow.once('request', resolve));
    const name = fresh();
    const asking = provision(stage.server, token, name);
    await asked;
    await stage.server.owner.post(`/v1/enrollments/${id}/revoke`, {});
    answer();
    expect((await asking).answer.status).toBe(401);
    expect((await stage.server.owner.get(`/v1/things/${name}`)).status).toBe(404);
    await new Promise((resolve) => slow.close(resolve));
  });

  it('is asked when an operator approves a device, who hears of a refusal; the device still waits', async () => {
    const { token } = await open({ approval: 'required', policies: ['alpha', 'beta'] });
    const name = fresh();
    const { csr, answer } = await provision(stage.server, token, name);
    expect([answer.status, checker.received.length]).toEqual([202, 0]);
    checker.set(() => say({ allow: false, reason: 'not paid' }));
    const refused = await stage.server.owner.post(`/v1/waiting/${answer.body.id}/approve`, {});
    expect([refused.status, problemOf(refused)]).toEqual([403, 'check-refused']);
    expect((await stage.server.owner.get(`/v1/waiting/${answer.body.id}`)).body.status).toBe('waiting');
    checker.set(() => say({ allow: true, policies: ['alpha'] }));
    expect((await stage.server.owner.post(`/v1/waiting/${answer.body.id}/approve`, {})).status).toBe(200);
    expect(checker.received[1]!.json).toMatchObject({ thingName: name, policies: ['alpha', 'beta'] });
    expect((await stage.server.as(token).post('/v1/provision', { thingName: name, csr })).status).toBe(201);
    expect((await stage.server.owner.get(`/v1/things/${name}`)).body.policies).toEqual(['alpha']);
  });

  it('is asked for devices that come by EST', async () => {
    const { token } = await open();
    const name = fresh();
    const body = stage.request(name);
    checker.set(() => say({ allow: false, reason: 'unknown serial' }));
    const refused = await stage.ask('simpleenroll', { token, body });
    expect([refused.status, refused.text]).toEqual([403, expect.stringContaining('unknown serial')]);
    checker.set(() => 500);
    const away = await stage.ask('simpleenroll', { token, body });
    expect([away.status, Number(away.headers['retry-after']) > 0]).toEqual([503, true]);
    checker.set(() => say({ allow: true }));
    expect((await stage.ask('simpleenroll', { token, body })).status).toBe(200);
    expect(checker.received[2]!.json).toMatchObject({ thingName: name, source: '127.0.0.1' });
  });

  it('is asked before the server makes a key, without a request of the device', async () => {
    const { token } = await open();
    const thingName = fresh();
    const answer = await stage.server.as(token).post('/v1/provision', { thingName, keyType: 'ec-p256' });
    expect([answer.status, checker.received[0]!.json.keyType]).toEqual([201, 'ec-p256']);
    expect(checker.received[0]!.json).not.toHaveProperty('csr');
  });

  it('lets two equal requests at once have one identity', async () => {
    const { id, token } = await open();
    const [thingName, csr] = [fresh(), csrPem({ key: newKey() })];
    const answers = await Promise.all(
      [1, 2, 3].map(() => stage.server.as(token).post('/v1/provision', { thingName, csr })),
    );
    expect(new Set(answers.map(({ body }) => hash('sha256', String(body.certificate?.pem)))).size).toBe(1);
    expect(await usesOf(id)).toBe(1);
  });

  it.each([
    {},
    { url: 'ftp://example.com' },
    { url: 'https://example.com', timeoutMs: 99 },
    { url: 'https://example.com', timeoutMs: 10_001 },
    { url: 'https://example.com', secret: 'whsec_short' },
    { url: 'https://example.com', more: 1 },
    'https://example.com',
  ])('400 for the check %j', async (check) => {
    const answer = await stage.server.owner.post('/v1/enrollments', { thingNamePattern: '*', maxUses: 1, check });
    expect(answer.status).toBe(400);
  });

  it('is nothing that a version without it could pass over', async () => {
    const { id } = await open();
    const { client } = stage.server.database;
    await expect(client.$executeRawUnsafe(`UPDATE enrollments SET uses = uses + 1 WHERE id = '${id}'`)).rejects.toThrow(
      'enrollments_vouched',
    );
  });
});

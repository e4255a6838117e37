import { spawnSync } from 'node:child_process';
import { Webhook } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { problemOf } from '../../support/client.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { enroll, provision, renew } from '../../support/fleet.js';
import { startReceiver, until, type Received } from '../../support/monitoring/receiver.js';
import { describeWith } from '../../support/programs.js';
import { startServer, type TestServer } from '../../support/server.js';

const all = [
  'thing.provisioned',
  'thing.suspended',
  'certificate.issued',
  'certificate.renewed',
  'certificate.revoked',
  'enrollment.exhausted',
  'device.waiting',
  'policy.activated',
];

const statements = [{ id: 'a', effect: 'allow', actions: ['publish'], resources: ['topic:a'] }];

describe.each(databaseKinds)('webhooks on %s', (kind) => {
  let server: TestServer;
  let receiver: Awaited<ReturnType<typeof startReceiver>>;
  const deliver = () => server.services.chores.run('deliver');
  const make = async (types: string[], more: object = {}) => {
    const answer = await server.owner.post('/v1/webhooks', { url: receiver.url, types, ...more });
    expect(answer.status, answer.text).toBe(201);
    return answer.body as { id: string; secret: string };
  };
  const told = (count: number): Promise<Received[]> =>
    until(() => receiver.received.length >= count && receiver.received, deliver);
  const deliveries = async (id: string, query = '') =>
    (await server.owner.get(`/v1/webhooks/${id}/deliveries${query}`)).body.items as any[];

  beforeAll(async () => {
    server = await startServer(kind, { THINGWARD_OUTBOUND_ALLOW: '127.0.0.1' });
  });
  afterAll(() => server.stop());
  beforeEach(async () => void (receiver = await startReceiver()));
  afterEach(async () => {
    for (const { id } of (await server.owner.get('/v1/webhooks')).body.items)
      await server.owner.send('DELETE', `/v1/webhooks/${id}`);
    await receiver.stop();
  });

  it('tells what happens as signed CloudEvents', async () => {
    const { secret } = await make(all);
    const { token } = await enroll(server, { maxUses: 2 });
    const device = await provision(server, token, 'pump-1');
    await renew(server, device);
    await provision(server, token, 'pump-2');
    const { serialNumber } = device.answer.body.certificate;
    await server.owner.post(`/v1/certificates/${serialNumber}/revoke`, { reason: 'keyCompromise' });
    await server.owner.post('/v1/things/pump-2/suspend');
    const approving = await enroll(server, { approval: 'required' });
    await provision(server, approving.token, 'pump-3');
    expect((await server.owner.post('/v1/policies', { name: 'p', statements })).status).toBe(201);
    const got = await told(11);
    const types = got.map(({ json }) => json.type).sort();
    expect([...new Set(types)]).toEqual([...all].sort());
    for (const { headers, body, json } of got) {
      expect(new Webhook(secret).verify(body, headers as Record<string, string>)).toEqual(json);
      expect(headers['content-type']).toBe('application/cloudevents+json');
      expect(json).toMatchObject({
        specversion: '1.0',
        datacontenttype: 'application/json',
        id: headers['webhook-id'],
      });
      expect(json.source).toMatch(/\/accounts\/default$/);
      expect(Date.parse(json.time)).toBeGreaterThan(0);
    }
    const ofPump1 = got.filter(({ json }) => json.subject === 'thing:pump-1').map(({ json }) => json.type);
    expect(ofPump1).toEqual(['thing.provisioned', 'certificate.issued', 'certificate.renewed', 'certificate.revoked']);
    const revoked = got.find(({ json }) => json.type === 'certificate.revoked')!;
    expect(revoked.json.data).toEqual({ thingName: 'pump-1', serialNumber, reason: 'keyCompromise' });
    expect(new Set(got.map(({ json }) => json.id)).size).toBe(got.length);
  });

  it('tells every entry of the audit, those of webhooks too, and nothing that was rolled back', async () => {
    await make(['audit.*']);
    await server.owner.post('/v1/segments', { name: 'floor-1', cidr: '10.0.0.0/8' });
    // Refused in its transaction.
    expect((await server.owner.post('/v1/segments', { name: 'floor-1', cidr: '10.0.0.0/8' })).status).toBe(409);
    const got = await told(2);
    const audit = (await server.owner.get('/v1/audit?limit=2')).body.items.reverse();
    expect(got.map(({ json }) => json.type)).toEqual(['audit.webhook.create', 'audit.segment.create']);
    expect(got.map(({ json }) => json.data)).toEqual(audit);
  });

  it('tries again, in order for each thing, and lets no thing wait for another', async () => {
    const { id } = await make(['audit.*']);
    await told(1);
    receiver.received.length = 0;
    receiver.set(({ json }) => (json.subject === 'segment:bad' ? 400 : 204));
    const name = (which: string, deviceLimit: number) =>
      server.owner.send('PATCH', `/v1/segments/${which}`, { deviceLimit });
    for (const each of ['bad', 'good']) await server.owner.post('/v1/segments', { name: each, cidr: '10.0.0.0/8' });
    await name('bad', 10);
    await name('good', 10);
    await told(3);
    const seen = () => receiver.received.map(({ json }) => `${json.subject} ${json.data.action}`);
    expect(seen()).toEqual([
      'segment:bad segment.create',
      'segment:good segment.create',
      'segment:good segment.change',
    ]);
    await until(async () => (await deliveries(id, '?status=pending')).find(({ attempts }) => attempts === 1));
    const [later, first] = await deliveries(id, '?status=pending');
    expect(first).toMatchObject({ subject: 'segment:bad', attempts: 1, answerStatus: 400 });
    expect(later).toMatchObject({ subject: 'segment:bad', attempts: 0 });
    receiver.set(() => 204);
    receiver.received.length = 0;
    server.advance(10);
    await told(2);
    expect(seen()).toEqual(['segment:bad segment.create', 'segment:bad segment.change']);
    expect(receiver.received[0]!.headers['webhook-id']).toBe(first.event);
    await until(async () => (await deliveries(id, '?status=pending')).length === 0);
  });

  it('parks after a day what nobody takes, shows it, and tells it again when asked to', async () => {
    const { id } = await make(['policy.activated']);
    receiver.set(() => ({ status: 503, body: 'closed'.repeat(1000) }));
    await server.owner.post('/v1/policies', { name: `parked-${kind}`, statements });
    await told(1);
    await until(async () => (await deliveries(id))[0]?.attempts === 1);
    // Not before its time.
    await deliver();
    expect(receiver.received).toHaveLength(1);
    for (let hours = 0; hours < 20; hours++) {
      server.advance(3600 * 1.11);
      await until(async () => (await deliveries(id))[0].attempts > hours + 1, deliver);
      expect((await deliveries(id))[0].status).toBe('pending');
    }
    server.advance(3 * 3600);
    const parked = await until(async () => (await deliveries(id, '?status=parked'))[0], deliver);
    expect(parked.answer).toHaveLength(1024);
    expect(parked).toMatchObject({ status: 'parked', answerStatus: 503, type: 'policy.activated' });
    const attempts = receiver.received.length;
    expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    server.advance(7200);
    await deliver();
    expect(receiver.received).toHaveLength(attempts);
    receiver.set(() => 204);
    const retry = `/v1/webhooks/${id}/deliveries/${parked.id}/retry`;
    expect((await server.owner.post(retry)).body).toMatchObject({ status: 'pending' });
    await told(attempts + 1);
    await until(async () => (await deliveries(id))[0].status === 'delivered');
    expect(problemOf(await server.owner.post(retry))).toBe('conflict');
  });

  it('a receiver that hangs holds up no other, also not of its account', async () => {
    const hostile = await startReceiver(() => 'hang');
    await server.owner.post('/v1/webhooks', { url: hostile.url, types: ['audit.*'] });
    await make(['audit.*']);
    await until(() => hostile.received.length > 0 && receiver.received.length > 0, deliver);
    const before = receiver.received.length;
    for (let n = 0; n < 5; n++) await server.owner.send('PATCH', '/v1/segments/good', { deviceLimit: 20 + n });
    await told(before + 5);
    expect(hostile.received).toHaveLength(1);
    await hostile.stop();
  });

  it('reaches no private address, follows no redirect, and says why', async () => {
    const { id } = (await server.owner.post('/v1/webhooks', { url: 'http://10.0.0.1/x', types: ['audit.*'] })).body;
    const refused = await until(async () => (await deliveries(id))[0]?.answer && (await deliveries(id))[0], deliver);
    expect(refused.answer).toContain('private address');
    expect(refused.answerStatus).toBeUndefined();
    const elsewhere = await startReceiver();
    receiver.set(() => ({ status: 302, headers: { location: elsewhere.url } }));
    const other = await make(['audit.*']);
    await until(async () => (await deliveries(other.id)).find(({ answerStatus }) => answerStatus === 302), deliver);
    expect(elsewhere.received).toHaveLength(0);
    await elsewhere.stop();
  });

  it('gives the secret once, takes one, and refuses what is none', async () => {
    const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
    const made = await make(['audit.*'], { secret });
    expect(made.secret).toBe(secret);
    const path = `/v1/webhooks/${made.id}`;
    const shown = await server.owner.get(path);
    expect(shown.body).not.toHaveProperty('secret');
    for (const wrong of ['', 'whsec_', 'whsec_AAAA', `whsec_${'A'.repeat(200)}`, 'x', 1, null])
      expect(problemOf(await server.owner.send('PATCH', path, { secret: wrong }))).toBe('invalid-request');
    const next = `whsec_${Buffer.alloc(64, 9).toString('base64')}`;
    const patched = await server.owner.send(
      'PATCH',
      path,
      { secret: next },
      { 'if-match': shown.headers.get('etag')! },
    );
    expect(patched.status).toBe(200);
    expect(problemOf(await server.owner.send('PATCH', path, {}, { 'if-match': shown.headers.get('etag')! }))).toBe(
      'precondition-failed',
    );
    const got = await told(2);
    const { body, headers } = got.at(-1)!;
    // The clock of this server is far ahead by now, which a verifier would refuse.
    const [id, at] = [headers['webhook-id'] as string, new Date(1000 * Number(headers['webhook-timestamp']))];
    expect(headers['webhook-signature']).toBe(new Webhook(next).sign(id, at, body));
    const audit = JSON.stringify((await server.owner.get('/v1/audit?limit=1000')).body);
    expect(audit).not.toContain(next.slice(10));
    expect(JSON.stringify(await server.database.client.receiver.findMany())).not.toContain(next.slice(10));
  });

  it('tells nobody what they may not read', async () => {
    const keyOf = async (permissions: string[]) =>
      server.as((await server.owner.post('/v1/api-keys', { permissions })).body.key);
    const writer = await keyOf(['webhooks:write', 'webhooks:read', 'things:read']);
    expect(problemOf(await writer.post('/v1/webhooks', { url: receiver.url, types: ['audit.*'] }))).toBe('forbidden');
    const own = await writer.post('/v1/webhooks', { url: receiver.url, types: ['thing.suspended'] });
    expect(own.status).toBe(201);
    const path = `/v1/webhooks/${own.body.id}`;
    expect(problemOf(await writer.send('PATCH', path, { types: ['certificate.issued'] }))).toBe('forbidden');
    const { id } = await make(['audit.*']);
    for (const [method, body] of [
      ['PATCH', { url: 'https://evil.example' }],
      ['DELETE', undefined],
    ] as const)
      expect(problemOf(await writer.send(method, `/v1/webhooks/${id}`, body))).toBe('forbidden');
    const { ownerKey } = (await server.owner.post('/v1/accounts', { name: 'acme' })).body;
    const acme = server.as(ownerKey);
    for (const [method, of] of [
      ['GET', ''],
      ['PATCH', ''],
      ['DELETE', ''],
      ['GET', '/deliveries'],
      ['POST', '/deliveries/1/retry'],
    ] as const)
      expect(problemOf(await acme.send(method, `/v1/webhooks/${id}${of}`, method === 'PATCH' ? {} : undefined))).toBe(
        'not-found',
      );
    receiver.received.length = 0;
    await acme.post('/v1/segments', { name: 'secret-segment', cidr: '10.0.0.0/8' });
    await server.owner.post('/v1/segments', { name: `mine-${kind}`, cidr: '10.0.0.0/8' });
    await until(() => receiver.received.some(({ body }) => body.includes(`mine-${kind}`)), deliver);
    expect(receiver.received.some(({ body }) => body.includes('secret-segment'))).toBe(false);
  });
});

describeWith(['python3:standardwebhooks'], 'the library of Standard Webhooks for Python', () => {
  it('takes what is told, and nothing that was changed on the way', async () => {
    const receiver = await startReceiver();
    const server = await startServer('embedded', { THINGWARD_OUTBOUND_ALLOW: '127.0.0.1' });
    const request = { url: receiver.url, types: ['audit.*'] };
    const { secret } = (await server.owner.post('/v1/webhooks', request)).body;
    const { body, headers } = await until(
      () => receiver.received[0],
      () => server.services.chores.run('deliver'),
    );
    const verify = (given: object) =>
      spawnSync('python3', ['test/support/monitoring/verify.py'], { input: JSON.stringify(given), encoding: 'utf8' });
    const { stdout, stderr } = verify({ secret, body, headers });
    expect(stdout, stderr).toBe('audit.webhook.create\n');
    const changed = body.replace('webhook.create', 'webhook.delete');
    expect(verify({ secret, body: changed, headers }).stderr).toContain('WebhookVerificationError');
    await server.stop();
    await receiver.stop();
  });
});

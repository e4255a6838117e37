import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { problemOf } from '../../support/client.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { startReceiver, until } from '../../support/monitoring/receiver.js';
import { startServer, type TestServer } from '../../support/server.js';

const watched = { metric: 'decisions.deny', condition: 'greater_than', threshold: 2, severity: 'critical' };

describe.each(databaseKinds)('alerts on %s', (kind) => {
  let server: TestServer;
  let receiver: Awaited<ReturnType<typeof startReceiver>>;
  let channel: { id: string; secret: string };
  const run = (chore: string) => server.services.chores.run(chore);
  const evaluate = async (): Promise<void> => {
    await run('write-figures');
    await run('read-account-figures');
    await run('evaluate-alerts');
  };
  const deny = async (times: number): Promise<void> => {
    for (let n = 0; n < times; n++)
      await server.owner.post('/v1/authorize', {
        principal: { thingName: 'nobody' },
        action: 'publish',
        resource: 'topic:a',
      });
  };
  const told = (count: number) =>
    until(
      () => receiver.received.length >= count && receiver.received,
      () => run('deliver'),
    );
  const alerts = async (query = '') => (await server.owner.get(`/v1/alerts${query}`)).body.items as any[];

  beforeAll(async () => {
    server = await startServer(kind, { THINGWARD_OUTBOUND_ALLOW: '127.0.0.1' });
    server.freeze();
    receiver = await startReceiver();
    const request = { name: 'on call', type: 'webhook', url: receiver.url };
    channel = (await server.owner.post('/v1/alerts/channels', request)).body;
  });
  afterAll(async () => {
    await server.stop();
    await receiver.stop();
  });

  it('every account has the built-in rules, which can be switched off and not deleted', async () => {
    await server.owner.post('/v1/accounts', { name: 'acme' }).then(async ({ body }) => {
      const { items } = (await server.as(body.ownerKey).get('/v1/alerts/rules')).body;
      expect(items.map(({ builtIn }: { builtIn: string }) => builtIn).sort()).toEqual([
        'aws-drift',
        'certificates-not-renewed',
        'credentials-guessed',
        'denials-surge',
        'edge-stale',
        'enrollment-nearly-used',
        'list-ends-soon',
      ]);
    });
    const { items } = (await server.owner.get('/v1/alerts/rules')).body;
    expect(items).toHaveLength(7);
    const path = `/v1/alerts/rules/${items[0].id}`;
    expect(problemOf(await server.owner.send('DELETE', path))).toBe('conflict');
    const off = await server.owner.send('PATCH', path, { enabled: false, threshold: 7 });
    expect(off.body).toMatchObject({ enabled: false, threshold: 7, builtIn: items[0].builtIn });
    await server.owner.send('PATCH', path, { enabled: true });
  });

  it('fires once, tells again after each cooldown with an id of its own, and tells the end', async () => {
    const made = await server.owner.post('/v1/alerts/rules', { name: 'denials', ...watched, channels: [channel.id] });
    expect(made.body).toMatchObject({ cooldownSeconds: 300, forSeconds: 0, enabled: true });
    await deny(3);
    await evaluate();
    await evaluate();
    expect(await told(1)).toHaveLength(1);
    const [alert] = await alerts('?status=firing');
    expect(alert).toMatchObject({ ruleName: 'denials', value: 3, status: 'firing', severity: 'critical' });
    const [first] = receiver.received;
    const { data } = new Webhook(channel.secret).verify(first!.body, first!.headers as Record<string, string>) as any;
    expect(data).toMatchObject({ alert: alert.id, rule: 'denials', status: 'firing', value: 3, threshold: 2 });
    // Within the cooldown nothing is told, and after it once more.
    server.advance(30);
    await deny(3);
    await evaluate();
    server.advance(270);
    await deny(4);
    await evaluate();
    await evaluate();
    const [, again] = await told(2);
    expect(again!.json.data.value).toBe(4);
    server.advance(180);
    await evaluate();
    await evaluate();
    const all = await told(3);
    expect(all).toHaveLength(3);
    expect(all[2]!.json).toMatchObject({
      type: 'alert.resolved',
      data: { alert: alert.id, status: 'resolved', value: 0 },
    });
    expect(new Set(all.map(({ headers }) => headers['webhook-id'])).size).toBe(3);
    expect(await alerts('?status=firing')).toEqual([]);
    expect((await server.owner.get(`/v1/alerts/${alert.id}`)).body).toMatchObject({ status: 'resolved' });
  });

  it('the same notification has the same id in every attempt', async () => {
    receiver.received.length = 0;
    receiver.set(() => 500);
    await deny(3);
    await evaluate();
    await told(1);
    await until(async () => {
      server.advance(10);
      await run('deliver');
      return receiver.received.length > 1;
    });
    receiver.set(() => 204);
    expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    const [open] = await alerts('?status=firing');
    const acknowledged = await server.owner.post(`/v1/alerts/${open.id}/acknowledge`);
    expect(acknowledged.body).toMatchObject({ status: 'acknowledged', acknowledgedBy: expect.stringMatching(/^key:/) });
    expect((await server.owner.post(`/v1/alerts/${open.id}/acknowledge`)).status).toBe(200);
    // Nobody is told again who knows; the end is told.
    server.advance(400);
    await deny(5);
    await evaluate();
    server.advance(180);
    await evaluate();
    await until(
      () => receiver.received.some(({ json }) => json.type === 'alert.resolved'),
      async () => {
        server.advance(10);
        await run('deliver');
      },
    );
    const firing = receiver.received.filter(({ json }) => json.type === 'alert.firing');
    expect(new Set(firing.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    expect(problemOf(await server.owner.post(`/v1/alerts/${open.id}/acknowledge`))).toBe('conflict');
    const actions = (await server.owner.get('/v1/audit?action=alert.acknowledge')).body.items;
    expect(actions).toHaveLength(1);
  });

  it('waits for so long as forSeconds says', async () => {
    const rule = { name: 'slow', ...watched, metric: 'edges.stale', threshold: 0, forSeconds: 100 };
    const { id } = (await server.owner.post('/v1/alerts/rules', rule)).body;
    await server.owner.post('/v1/proxies', { name: 'gate' });
    await evaluate();
    server.advance(99);
    await evaluate();
    expect(await alerts(`?rule=${id}`)).toEqual([]);
    server.advance(1);
    await evaluate();
    expect(await alerts(`?rule=${id}`)).toHaveLength(1);
    expect((await server.owner.send('DELETE', `/v1/alerts/rules/${id}`)).status).toBe(204);
    expect(await alerts(`?rule=${id}&status=resolved`)).toHaveLength(1);
  });

  it('tells Slack text, and says what the other side answered to a test', async () => {
    receiver.set(() => ({ status: 418, body: 'I am a teapot' }));
    const slack = { name: 'slack', type: 'slack', url: receiver.url };
    const made = (await server.owner.post('/v1/alerts/channels', slack)).body;
    expect(made.url).toBe(`http://127.0.0.1:${receiver.port}/…`);
    const test = await server.owner.post(`/v1/alerts/channels/${made.id}/test`);
    expect(test.body).toEqual({ delivered: false, status: 418, answer: 'I am a teapot' });
    receiver.set(() => 200);
    receiver.received.length = 0;
    const renamed = await server.owner.send('PATCH', `/v1/alerts/channels/${made.id}`, { name: '<!channel>' });
    expect(renamed.status).toBe(200);
    expect((await server.owner.post(`/v1/alerts/channels/${made.id}/test`)).body).toMatchObject({ delivered: true });
    expect(receiver.received[0]!.json.text).toContain('&lt;!channel&gt;');
    const away = { name: 'private', type: 'webhook', url: 'https://10.1.2.3/' };
    const { id } = (await server.owner.post('/v1/alerts/channels', away)).body;
    const refused = (await server.owner.post(`/v1/alerts/channels/${id}/test`)).body;
    expect(refused).toMatchObject({ delivered: false, answer: expect.stringContaining('private address') });
    expect(refused).not.toHaveProperty('status');
  });

  it('refuses what is no rule and no channel, and whoever may not', async () => {
    const rules = [
      { ...watched, name: 'x', metric: 'nothing' },
      { ...watched, name: 'x', cooldownSeconds: 1 },
      { ...watched, name: 'x', threshold: '5' },
      { ...watched, name: '' },
      { ...watched, name: 'x', channels: ['7d0c4f0e-6f0b-4b57-9a53-3f4c6d2b8e11'] },
      { ...watched, name: 'x', more: 1 },
    ];
    for (const rule of rules)
      expect(problemOf(await server.owner.post('/v1/alerts/rules', rule)), JSON.stringify(rule)).toBe(
        'invalid-request',
      );
    expect(problemOf(await server.owner.post('/v1/alerts/rules', { ...watched, name: 'denials' }))).toBe('conflict');
    const channels = [
      { name: 'x', type: 'webhook' },
      { name: 'x', type: 'slack', url: receiver.url, secret: channel.secret },
      { name: 'x', type: 'email', to: ['a@b.example'], url: receiver.url },
      { name: 'x', type: 'webhook', url: 'ftp://a/' },
      { name: 'x', type: 'email', to: ['a@b.example\r\nbcc: c@d.example'] },
    ];
    for (const each of channels)
      expect(problemOf(await server.owner.post('/v1/alerts/channels', each)), JSON.stringify(each)).toBe(
        'invalid-request',
      );
    const mail = { name: 'x', type: 'email', to: ['a@b.example'] };
    expect(problemOf(await server.owner.post('/v1/alerts/channels', mail))).toBe('conflict');
    const { key } = (await server.owner.post('/v1/api-keys', { permissions: ['alerts:write', 'alerts:read'] })).body;
    expect(problemOf(await server.as(key).post('/v1/alerts/rules', { ...watched, name: 'y' }))).toBe('forbidden');
    const { ownerKey } = (await server.owner.post('/v1/accounts', { name: 'other' })).body;
    const [{ id }] = (await server.owner.get('/v1/alerts/rules')).body.items;
    const other = server.as(ownerKey);
    expect(problemOf(await other.get(`/v1/alerts/rules/${id}`))).toBe('not-found');
    expect(problemOf(await other.post(`/v1/alerts/channels/${channel.id}/test`))).toBe('not-found');
    const stolen = { ...watched, name: 'y', channels: [channel.id] };
    expect(problemOf(await other.post('/v1/alerts/rules', stolen))).toBe('invalid-request');
    expect((await other.get('/v1/alerts')).body.items).toEqual([]);
  });

  it('shows alerts in pages, by their state', async () => {
    const all = await alerts();
    expect(all.length).toBeGreaterThan(2);
    const seen: string[] = [];
    for (let cursor = ''; ;) {
      const { items, nextCursor } = (await server.owner.get(`/v1/alerts?limit=1${cursor}`)).body;
      seen.push(...items.map(({ id }: { id: string }) => id));
      if (nextCursor === undefined) break;
      cursor = `&cursor=${nextCursor}`;
    }
    expect(seen).toEqual(all.map(({ id }) => id));
  });
});

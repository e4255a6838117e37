import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { databaseKinds } from '../../support/databases/databases.js';
import { enroll, provision, renew } from '../../support/fleet.js';
import { startReceiver, until } from '../../support/monitoring/receiver.js';
import { startServer, type TestServer } from '../../support/server.js';

const day = 86_400;

describe.each(databaseKinds)('what happens by time alone on %s', (kind) => {
  let server: TestServer;
  let marks = 0;
  let receiver: Awaited<ReturnType<typeof startReceiver>>;
  const run = (chore: string) => server.services.chores.run(chore);
  const of = (type: string) => receiver.received.filter(({ json }) => json.type === type);
  const told = (type: string, count: number) =>
    until(
      () => of(type).length >= count && of(type),
      () => run('deliver'),
    );
  /** Tells everything that waits: something that is told after it has come. */
  const settle = async () => {
    receiver.received.length = 0;
    await server.owner.post('/v1/segments', { name: `mark-${marks++}`, cidr: '10.0.0.0/8' });
    await told('audit.segment.create', 1);
  };
  const listen = async (types: string[]) =>
    (await server.owner.post('/v1/webhooks', { url: receiver.url, types })).body as { id: string };
  const useChannel = async (builtIn: string) => {
    const channel = { name: builtIn, type: 'webhook', url: receiver.url };
    const { id } = (await server.owner.post('/v1/alerts/channels', channel)).body;
    const { items } = (await server.owner.get('/v1/alerts/rules')).body;
    const rule = items.find((each: { builtIn?: string }) => each.builtIn === builtIn);
    await server.owner.send('PATCH', `/v1/alerts/rules/${rule.id}`, { channels: [id] });
    return rule as { id: string; forSeconds: number };
  };
  const evaluate = async () => {
    for (const chore of ['write-figures', 'read-account-figures', 'evaluate-alerts']) await run(chore);
  };

  beforeAll(async () => {
    server = await startServer(kind, { THINGWARD_OUTBOUND_ALLOW: '127.0.0.1' });
    server.freeze();
  });
  afterAll(() => server.stop());
  beforeEach(async () => void (receiver = await startReceiver()));
  afterEach(async () => {
    for (const path of ['/v1/webhooks', '/v1/alerts/channels'])
      for (const { id } of (await server.owner.get(path)).body.items)
        await server.owner.send('DELETE', `${path}/${id}`);
    await receiver.stop();
  });

  it('certificate.expiring: once for each that runs out, without a newer one beside it; the built-in rule tells of it', async () => {
    await listen(['certificate.expiring', 'audit.*']);
    const rule = await useChannel('certificates-not-renewed');
    const { token } = await enroll(server);
    const [forgotten, renewed, suspended] = [
      await provision(server, token, 'forgotten'),
      await provision(server, token, 'renewed'),
      await provision(server, token, 'suspended'),
    ];
    const { serialNumber, notAfter } = forgotten.answer.body.certificate;
    await run('tell-expiring');
    const end = Date.parse(notAfter);
    const until7Days = (end - server.now().getTime()) / 1000 - 7 * day;
    expect(until7Days).toBeGreaterThan(day);
    server.advance(until7Days - 60);
    await run('tell-expiring');
    await settle();
    expect(of('certificate.expiring')).toEqual([]);
    await renew(server, renewed);
    expect(suspended.answer.status).toBe(201);
    await server.owner.post('/v1/things/suspended/suspend');
    server.advance(120);
    await run('tell-expiring');
    await run('tell-expiring');
    await settle();
    await told('certificate.expiring', 1);
    const [event, ...more] = of('certificate.expiring');
    expect(more).toEqual([]);
    expect(event!.json).toMatchObject({
      subject: 'thing:forgotten',
      data: { thingName: 'forgotten', serialNumber, notAfter },
    });
    await evaluate();
    server.advance(rule.forSeconds);
    await evaluate();
    const [alert] = await told('alert.firing', 1);
    expect(alert!.json.data).toMatchObject({ rule: 'certificates-not-renewed', metric: 'certificates.ending' });
    expect(alert!.json.data.value).toBeGreaterThan(0);
    // One that is renewed after all ends the alert, and is not told again.
    await renew(server, forgotten);
    server.advance(180);
    await run('tell-expiring');
    await evaluate();
    const [over] = await told('alert.resolved', 1);
    expect(over!.json.data).toMatchObject({ rule: 'certificates-not-renewed', status: 'resolved' });
    expect(of('certificate.expiring')).toHaveLength(1);
  });

  it('edge.stale: once each time that an edge falls silent; the built-in rule tells of it', async () => {
    await listen(['edge.stale', 'audit.*']);
    const rule = await useChannel('edge-stale');
    const { id } = (await server.owner.post('/v1/proxies', { name: 'gate' })).body;
    const confirm = async () => {
      const { cursor } = (await server.owner.get('/v1/revocations')).body;
      const answer = await server.owner.post(`/v1/proxies/${id}/applied`, { cursor, incarnation: 'i', mode: 'live' });
      expect(answer.status, answer.text).toBeLessThan(300);
    };
    // Confirmations have the time of the database, which nobody moves: the last one is moved instead.
    const fallSilent = () =>
      server.database.client
        .$executeRaw`UPDATE proxies SET confirmed_at = (SELECT done_at FROM duties WHERE name = 'stale-edges') - interval '14.9 seconds' WHERE id = ${id}::uuid`;
    await run('tell-stale-edges');
    await confirm();
    await run('tell-stale-edges');
    await settle();
    expect(of('edge.stale')).toEqual([]);
    await fallSilent();
    await until(
      () => of('edge.stale').length > 0,
      async () => {
        await run('tell-stale-edges');
        await run('deliver');
      },
    );
    await run('tell-stale-edges');
    const [event] = of('edge.stale');
    expect(event!.json).toMatchObject({ subject: 'proxy:gate', data: { edge: id, name: 'gate' } });
    await settle();
    expect(of('edge.stale')).toEqual([]);
    await evaluate();
    server.advance(rule.forSeconds);
    await evaluate();
    const [alert] = await told('alert.firing', 1);
    expect(alert!.json.data).toMatchObject({ rule: 'edge-stale', metric: 'edges.stale' });
    // It comes back, and falls silent once more: that is another event.
    await confirm();
    await run('tell-stale-edges');
    await fallSilent();
    await until(
      () => of('edge.stale').length > 0,
      async () => {
        await run('tell-stale-edges');
        await run('deliver');
      },
    );
    expect(of('edge.stale')[0]!.json.id).not.toBe(event!.json.id);
  });

  it('a queue that is full takes nothing more, says since when, and holds up no other; with room it takes again', async () => {
    const { id } = await listen(['audit.*']);
    const get = async () => (await server.owner.get(`/v1/webhooks/${id}`)).body as { fullSince?: string };
    const queued = async () => server.database.client.delivery.count({ where: { receiverId: id } });
    // All that a queue holds, to be tried tomorrow.
    await server.database.client.$executeRaw`
      INSERT INTO deliveries (receiver_id, account_name, message_id, type, subject, data, at, since, next_at)
      SELECT ${id}::uuid, 'default', 'm-' || n, 'audit.x', 'x:' || n, '{}', now(), now(), now() + interval '100 years'
      FROM generate_series(1, 10000) n`;
    await run('sweep-deliveries');
    expect(Date.parse((await get()).fullSince!)).toBe(Math.floor(server.now().getTime() / 1000) * 1000);
    const before = await queued();
    const other = await listen(['audit.*']);
    await server.owner.post('/v1/segments', { name: 'not-told', cidr: '10.0.0.0/8' });
    expect(await queued()).toBe(before);
    await until(
      () => receiver.received.some(({ json }) => json.subject === 'segment:not-told'),
      () => run('deliver'),
    );
    server.advance(60);
    const since = (await get()).fullSince;
    await run('sweep-deliveries');
    expect((await get()).fullSince).toBe(since);
    expect((await server.owner.get(`/v1/webhooks/${other.id}`)).body.fullSince).toBeUndefined();
    await server.database.client
      .$executeRaw`DELETE FROM deliveries WHERE receiver_id = ${id}::uuid AND message_id LIKE 'm-%'`;
    await run('sweep-deliveries');
    expect((await get()).fullSince).toBeUndefined();
    const room = await queued();
    await server.owner.post('/v1/segments', { name: 'told', cidr: '10.0.0.0/8' });
    expect(await queued()).toBe(room + 1);
  });
});

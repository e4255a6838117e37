import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { problemOf } from '../../support/client.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { enroll, provision } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';

describe.each(databaseKinds)('segments on %s', (kind) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer(kind);
  });
  afterAll(() => server.stop());

  const create = (name: string, extra: object = {}) =>
    server.owner.post('/v1/segments', { name, cidr: '10.1.0.0/16', ...extra });

  it('a segment has the defaults of the product, can be changed, and is deleted once it is empty', async () => {
    const created = await create('hall');
    expect(created.status).toBe(201);
    expect(created.body).toMatchObject({
      name: 'hall',
      securityLevel: 'standard',
      allowedProtocols: ['MQTT', 'CoAP'],
      egressRules: [],
      ingressRules: [],
      deviceLimit: 1000,
      trafficPolicy: {
        bandwidthLimit: '10Mbps',
        connectionLimit: 100,
        rateLimit: { requestsPerSecond: 1000, burst: 100 },
        qos: { priority: 'normal', latencyTargetMs: 100 },
      },
      things: 0,
    });
    expect(problemOf(await create('hall'))).toBe('segment-exists');
    expect((await create('bad', { cidr: '10.1.0.0/33' })).status).toBe(400);
    const { token } = await enroll(server, { segment: 'hall' });
    expect((await provision(server, token, 'in-hall')).answer.status).toBe(201);
    expect((await server.owner.get('/v1/things/in-hall')).body.segment).toBe('hall');
    expect((await server.owner.send('PATCH', '/v1/segments/hall', { deviceLimit: 0 })).status).toBe(409);
    expect((await server.owner.send('PATCH', '/v1/segments/hall', { deviceLimit: 1 })).body).toMatchObject({
      deviceLimit: 1,
      things: 1,
    });
    expect(problemOf((await provision(server, token, 'one-too-many')).answer)).toBe('segment-full');
    expect((await server.owner.send('DELETE', '/v1/segments/hall')).status).toBe(409);
    expect((await server.owner.send('DELETE', '/v1/segments/hall/things/in-hall')).status).toBe(204);
    const { items } = (await server.owner.get('/v1/enrollments')).body;
    const used = items.find(({ segment }: { segment?: string }) => segment === 'hall');
    expect((await server.owner.send('DELETE', '/v1/segments/hall')).status).toBe(409);
    await server.owner.post(`/v1/enrollments/${used.id}/revoke`);
    expect((await server.owner.send('DELETE', '/v1/segments/hall')).status).toBe(204);
    expect((await server.owner.get('/v1/segments/hall')).status).toBe(404);
    expect(
      problemOf(await server.owner.post('/v1/enrollments', { thingNamePattern: '*', maxUses: 1, segment: 'hall' })),
    ).toBe('unknown-segment');
  });

  it('authorize wants a protocol and a source inside, tells the limits, and follows a move at once', async () => {
    await create('floor', { allowedProtocols: ['MQTT'], trafficPolicy: { bandwidthLimit: '1Mbps' } });
    await create('yard', { cidr: '10.2.0.0/16' });
    const { token } = await enroll(server, { segment: 'floor' });
    const device = await provision(server, token, 'seg-1');
    const bearer = server.as(
      (await server.owner.post('/v1/api-keys', { permissions: ['authorize:query'], bearer: true })).body.key,
    );
    const ask = async (context?: object) =>
      (
        await bearer.post('/v1/authorize', {
          principal: { token: device.answer.body.token.accessToken },
          action: 'publish',
          resource: 'topic:default/seg-1/telemetry/x',
          ...(context ? { context } : {}),
        })
      ).body;
    const inside = await ask({ protocol: 'mqtts', sourceIp: '10.1.2.3' });
    expect(inside).toMatchObject({ decision: 'allow', limits: { bandwidthLimit: '1Mbps', connectionLimit: 100 } });
    for (const context of [
      undefined,
      { protocol: 'mqtts' },
      { sourceIp: '10.1.2.3' },
      { protocol: 'coap', sourceIp: '10.1.2.3' },
      { protocol: 'amqp', sourceIp: '10.1.2.3' },
      { protocol: 'mqtt', sourceIp: '10.2.2.3' },
      { protocol: 'mqtt', sourceIp: 'x' },
    ])
      expect((await ask(context)).reasons, JSON.stringify(context)).toEqual(['outside-segment']);
    expect((await ask({ protocol: 'ws', sourceIp: '::ffff:10.1.2.3' })).decision).toBe('allow');
    expect((await server.owner.send('PUT', '/v1/segments/yard/things/seg-1')).status).toBe(200);
    expect(await ask({ protocol: 'mqtts', sourceIp: '10.1.2.3' })).toMatchObject({
      reasons: ['outside-segment'],
      refresh: true,
    });
    expect((await ask({ protocol: 'coaps', sourceIp: '10.2.2.3' })).decision).toBe('allow');
    await server.owner.send('PATCH', '/v1/segments/yard', { allowedProtocols: ['HTTP'] });
    expect((await ask({ protocol: 'coaps', sourceIp: '10.2.2.3' })).reasons).toEqual(['outside-segment']);
  });

  it('the limit is exact when provisioning and moving race for it', async () => {
    const limit = 20;
    await create('race', { deviceLimit: limit });
    const [inside, outside] = [await enroll(server, { segment: 'race' }), await enroll(server)];
    const movers = Array.from({ length: 20 }, (_, n) => `mover-${n}`);
    await Promise.all(movers.map((name) => provision(server, outside.token, name)));
    const results = await Promise.all([
      ...Array.from(
        { length: 40 },
        async (_, n) => (await provision(server, inside.token, `racer-${n}`)).answer.status,
      ),
      ...movers.map(async (name) => (await server.owner.send('PUT', `/v1/segments/race/things/${name}`)).status),
    ]);
    const won = results.filter((status) => status < 300).length;
    const { things } = (await server.owner.get('/v1/segments/race')).body;
    console.log(`segments on ${kind}: limit=${limit} tried=${results.length} admitted=${won} inside=${things}`);
    expect([won, things]).toEqual([limit, limit]);
    expect(results.filter((status) => status >= 300)).toEqual(Array(results.length - limit).fill(409));
  });
});

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { databaseKinds } from '../../support/databases/databases.js';
import { siteReport } from '../../support/edge/site.js';
import { createEdgeStage, eventually, type EdgeStage } from '../../support/edge/stage.js';
import { startReceiver, until } from '../../support/monitoring/receiver.js';
import { describeWith } from '../../support/programs.js';
import { startServer, type TestServer } from '../../support/server.js';

describe.each(databaseKinds)('the machines of edges on %s', (kind) => {
  let server: TestServer;
  let edgeKey: string;
  let names = 0;

  beforeAll(async () => {
    server = await startServer(kind, { THINGWARD_OUTBOUND_ALLOW: '127.0.0.1' });
    server.freeze();
    edgeKey = (await server.owner.post('/v1/api-keys', { role: 'edge' })).body.key as string;
  });
  afterAll(() => server.stop());

  const register = async (): Promise<string> =>
    (await server.as(edgeKey).post('/v1/proxies', { name: `site-${names++}` })).body.id;
  const report = (id: string, body: object) => server.as(edgeKey).post(`/v1/proxies/${id}/site`, body);
  /** A report every ten seconds. */
  const reported = async (id: string, ...cpu: number[]) => {
    for (const share of cpu) {
      server.advance(10);
      expect((await report(id, siteReport(share))).status).toBe(204);
    }
    return (await server.owner.get(`/v1/sites/${id}`)).body;
  };

  it('are shown as they were reported, with an average of five reports', async () => {
    const id = await register();
    const first = await reported(id, 0.5);
    expect(first).toMatchObject({ id, stale: false, signal: 'steady', ...siteReport(0.5) });
    expect(first).not.toHaveProperty('utilization');
    const fifth = await reported(id, 0.4, 0.6, 0.5, 0.5);
    expect(fifth.utilization).toEqual({
      cpu: expect.closeTo(0.5),
      memory: expect.closeTo(0.5),
      mean: expect.closeTo(0.5),
    });
    const { items } = (await server.owner.get('/v1/sites')).body;
    expect(items).toContainEqual(fifth);
  });

  it('a signal begins, ends and is told once each', async () => {
    const receiver = await startReceiver();
    const types = ['site.scale-up', 'site.scale-down', 'site.steady'];
    const webhook = (await server.owner.post('/v1/webhooks', { url: receiver.url, types })).body.id as string;
    const id = await register();
    const { signal, signalSince } = await reported(id, ...Array<number>(7).fill(0.95));
    expect(signal).toBe('scale-up');
    const again = await reported(id, 0.95);
    expect([again.signal, again.signalSince]).toEqual(['scale-up', signalSince]);
    expect(
      (await server.owner.get('/v1/sites?signal=scale-up')).body.items.map((site: { id: string }) => site.id),
    ).toEqual([id]);
    expect((await reported(id, ...Array<number>(5).fill(0.6))).signal).toBe('steady');
    const told = await until(
      () => receiver.received.length >= 2 && receiver.received.map(({ json }) => json),
      () => server.services.chores.run('deliver'),
    );
    expect(told).toMatchObject([
      { type: 'site.scale-up', data: { edge: id, signal: 'scale-up', utilization: { mean: expect.closeTo(0.95) } } },
      { type: 'site.steady', data: { edge: id, signal: 'steady' } },
    ]);
    await server.owner.send('DELETE', `/v1/webhooks/${webhook}`);
    await receiver.stop();
  });

  it('go stale in silence, and go with their edges', async () => {
    const id = await register();
    await reported(id, 0.5);
    server.advance(31);
    expect((await server.owner.get(`/v1/sites/${id}`)).body.stale).toBe(true);
    expect((await server.as(edgeKey).send('DELETE', `/v1/proxies/${id}`)).status).toBe(204);
    expect((await server.owner.get(`/v1/sites/${id}`)).status).toBe(404);
    expect((await report(id, siteReport(0.5))).status).toBe(404);
  });

  it('are reported by their own key, once a second, in the shape that is asked for', async () => {
    const id = await register();
    await reported(id, 0.5);
    expect((await report(id, siteReport(0.5))).status).toBe(429);
    server.advance(10);
    const other = (await server.owner.post('/v1/api-keys', { role: 'edge' })).body.key as string;
    expect((await server.as(other).post(`/v1/proxies/${id}/site`, siteReport(0.5))).status).toBe(403);
    const { capacity, load } = siteReport(0.5);
    for (const wrong of [
      { capacity, load: { ...load, cpu: 1.1 } },
      { capacity, load: { ...load, memory: -1 } },
      { capacity: { ...capacity, cores: 0 }, load },
      { capacity, load: { ...load, pipelines: Array(1001).fill({ name: 'a', version: 1 }) } },
      { capacity, load, more: 1 },
      { capacity },
    ])
      expect((await report(id, wrong)).status).toBe(400);
    // No more is in use than there is.
    const over = await report(id, { capacity, load: { ...load, memory: Number.MAX_SAFE_INTEGER } });
    expect(over.status).toBe(204);
  });

  it('ten reports at once are one, and a clock that was put back begins a new average', async () => {
    const id = await register();
    await reported(id, ...Array<number>(5).fill(0.95));
    server.advance(10);
    const answers = await Promise.all(Array.from({ length: 10 }, () => report(id, siteReport(0.95))));
    expect(answers.map(({ status }) => status).sort()).toEqual([204, ...Array<number>(9).fill(429)]);
    server.advance(-3600);
    expect((await report(id, siteReport(0.1))).status).toBe(204);
    const site = (await server.owner.get(`/v1/sites/${id}`)).body;
    expect([site.signal, site.utilization]).toEqual(['scale-up', undefined]);
    server.advance(3600);
  });

  it('of another account are not there', async () => {
    const id = await register();
    await reported(id, 0.5);
    const { ownerKey } = (await server.owner.post('/v1/accounts', { name: `elsewhere-${kind}` })).body as {
      ownerKey: string;
    };
    const owner = server.as(ownerKey);
    expect((await owner.get('/v1/sites')).body.items).toEqual([]);
    expect((await owner.get(`/v1/sites/${id}`)).status).toBe(404);
    expect((await owner.post(`/v1/proxies/${id}/site`, siteReport(0.5))).status).toBe(404);
  });

  it('are read in pages', async () => {
    for (let nth = 0; nth < 3; nth++) await reported(await register(), 0.5);
    const all = (await server.owner.get('/v1/sites')).body.items as { id: string }[];
    const found: { id: string }[] = [];
    for (let cursor = ''; ;) {
      const { body } = await server.owner.get(`/v1/sites?limit=2${cursor}`);
      found.push(...body.items);
      if (!body.nextCursor) break;
      cursor = `&cursor=${body.nextCursor}`;
    }
    expect(found).toEqual(all);
  });
});

describeWith(['openssl'], 'an edge that runs', () => {
  let stage: EdgeStage;
  beforeAll(async () => void (stage = await createEdgeStage()));
  afterAll(() => stage.stop());

  it('says what its machine has, and what of it is in use', async () => {
    const { name, token } = await stage.addDevice();
    const edge = await stage.startEdge([{ protocol: 'http' }], { site: { bandwidth: 1_000_000 } });
    const ask = () =>
      fetch(`http://127.0.0.1:${edge.portOf(0)}/${name}/a`, { headers: { authorization: `Bearer ${token}` } }).then(
        (answer) => answer.text(),
      );
    for (let nth = 0; nth < 20; nth++) await ask();
    const [site] = await eventually(
      async () => (await stage.server.owner.get('/v1/sites')).body.items as Record<string, any>[],
      (items) => items.length > 0,
    );
    expect(site).toMatchObject({ name: edge.name, stale: false, signal: 'steady', capacity: { bandwidth: 1_000_000 } });
    expect(site!.capacity.memory).toBeGreaterThan(site!.load.memory);
    expect(site!.load.disk).toBeGreaterThan(0);
    expect(site!.load.messages).toBeGreaterThan(0);
    expect(site!.load.bandwidth).toBeGreaterThan(0);
  });
});

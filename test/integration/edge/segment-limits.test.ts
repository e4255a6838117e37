import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createEdgeStage, eventually, type EdgeStage } from '../../support/edge/stage.js';
import { describeWith } from '../../support/programs.js';

describeWith(['openssl'], 'the limits of a segment, for HTTP', () => {
  let stage: EdgeStage;
  let port: number;

  beforeAll(async () => {
    stage = await createEdgeStage();
    port = (await stage.startEdge([{ protocol: 'http' }])).portOf(0);
  });
  afterAll(() => stage?.stop());

  /** A device in a segment of its own, with this traffic policy. */
  const addTo = async (segment: string, trafficPolicy: object) => {
    const device = await stage.addDevice();
    const { owner } = stage.server;
    const made = await owner.post('/v1/segments', {
      name: segment,
      cidr: '127.0.0.0/8',
      allowedProtocols: ['HTTP'],
      trafficPolicy: { bandwidthLimit: '10Gbps', connectionLimit: 100, ...trafficPolicy },
    });
    expect(made.status, made.text).toBe(201);
    const assigned = await owner.send('PUT', `/v1/segments/${segment}/things/${device.name}`);
    expect(assigned.status, assigned.text).toBeLessThan(300);
    return device;
  };
  const ask = (path: string, token: string, init: RequestInit = {}) =>
    fetch(`http://127.0.0.1:${port}${path}`, { ...init, headers: { authorization: `Bearer ${token}` } });

  it('requests: a burst passes, some wait for their turn, and more are 429', async () => {
    const { name, token } = await addTo('slow', { rateLimit: { requestsPerSecond: 2, burst: 2 } });
    const before = stage.service.got.length;
    const answers = await Promise.all(Array.from({ length: 30 }, () => ask(`/${name}/a`, token)));
    const good = answers.filter(({ status }) => status === 200);
    const refused = answers.filter(({ status }) => status === 429);
    expect(good.length + refused.length).toBe(30);
    expect(good.length).toBeGreaterThan(2);
    expect(refused.length).toBeGreaterThan(0);
    expect(stage.service.got.length - before).toBe(good.length);
    expect(refused[0]!.headers.get('retry-after')).toBe('5');
    expect(await refused[0]!.json()).toMatchObject({ type: 'urn:thingward:problem:too-many-requests', status: 429 });
  });

  it('connections: one more is 429, until one of them is done', async () => {
    const { name, token } = await addTo('narrow', { connectionLimit: 1 });
    const first = connect(port, '127.0.0.1');
    first.on('error', () => {});
    const say = (path: string): void =>
      void first.write(`GET /${name}/${path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\n\r\n`);
    say('slow');
    await once(first, 'data');
    const second = await ask(`/${name}/a`, token);
    expect([second.status, second.headers.get('connection')]).toEqual([429, 'close']);
    first.destroy();
    await eventually(
      async () => (await ask(`/${name}/a`, token)).status,
      (status) => status === 200,
    );
  });

  it('octets: what is slowed down arrives whole, in both directions', async () => {
    const { name, token } = await addTo('steady', { bandwidthLimit: '100Mbps' });
    const body = 'x'.repeat(300_000);
    const answer = await ask(`/${name}/a`, token, { method: 'POST', body });
    expect(((await answer.json()) as { body: string }).body).toBe(body);
  });
});

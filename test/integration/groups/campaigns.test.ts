import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { provision as provisionAgent } from '../../../src/agent/agent.js';
import { keepFresh } from '../../../src/agent/run.js';
import { problemOf, type Answer, type Client } from '../../support/client.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { enroll, pemOf, provision, renew, type Device } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';

describe.each(databaseKinds)('campaigns on %s', (kind) => {
  let server: TestServer;
  let n = 0;

  beforeAll(async () => {
    server = await startServer(kind);
  });
  afterAll(() => server.stop());

  const run = () => server.services.chores.run('run-campaigns');
  const read = async (id: string) => (await server.owner.get(`/v1/campaigns/${id}`)).body;
  const begin = async (body: object, by: Client = server.owner): Promise<string> => {
    const answer = await by.post('/v1/campaigns', body);
    expect(answer.status, answer.text).toBe(201);
    return answer.body.id as string;
  };
  const keyOf = async (permissions: string[]) => {
    const { id, key } = (await server.owner.post('/v1/api-keys', { permissions })).body as { id: string; key: string };
    return { id, client: server.as(key) };
  };
  const thingOf = async (name: string) => (await server.owner.get(`/v1/things/${name}`)).body;

  /** Some things of a type of their own. */
  async function fleet(size: number, extra: object = {}): Promise<{ type: string; devices: Device[] }> {
    const type = `kind-${n++}`;
    const { token } = await enroll(server, { thingType: type, ...extra });
    const devices: Device[] = [];
    for (let each = 0; each < size; each++) devices.push(await provision(server, token, `${type}-${each}`));
    expect(devices.every(({ answer }) => answer.status === 201)).toBe(true);
    return { type, devices };
  }

  it('a policy is attached to every thing of a group, wave by wave, and each is in the audit', async () => {
    const { type, devices } = await fleet(7);
    await server.owner.post('/v1/groups', { name: type, query: { type } });
    const body = { group: type, do: 'attach', policies: ['camera'], waves: [10, 50, 100] };
    const dry = await server.owner.post('/v1/campaigns', { ...body, dryRun: true });
    expect(dry.body).toEqual({ things: 7, leftOut: 0, waves: [1, 3, 3], sample: expect.any(Array) });
    expect(problemOf(await server.owner.post('/v1/campaigns', { ...body, expectedCount: 8 }))).toBe('count-changed');
    const id = await begin({ ...body, expectedCount: 7 });
    expect(problemOf(await server.owner.send('DELETE', `/v1/groups/${type}`))).toBe('group-in-use');
    // What changes now neither joins nor leaves.
    await server.owner.send('PATCH', `/v1/groups/${type}`, { query: 'name = nobody' });
    await run();
    expect(await read(id)).toMatchObject({
      status: 'done',
      wave: 3,
      counts: { waiting: 0, asked: 0, done: 7, failed: 0, skipped: 0 },
      waves: [
        { upTo: 10, things: 1, done: 1 },
        { upTo: 50, things: 3, done: 3 },
        { upTo: 100, things: 3, done: 3 },
      ],
    });
    for (const { name } of devices) expect((await thingOf(name)).policies).toContain('camera');
    const audit = (await server.owner.get('/v1/audit?action=thing.set-policies&limit=100')).body.items as {
      detail: { campaign?: string };
    }[];
    expect(audit.filter(({ detail }) => detail.campaign === id)).toHaveLength(7);
    expect((await server.owner.send('DELETE', `/v1/groups/${type}`)).status).toBe(204);
    const off = await begin({ query: { type }, do: 'detach', policies: ['camera'] });
    await run();
    expect((await read(off)).status).toBe('done');
    for (const { name } of devices) expect((await thingOf(name)).policies).not.toContain('camera');
  });

  it('it pauses when too many of a wave fail, goes on when somebody resumes it, and ends where it is cancelled', async () => {
    const { type, devices } = await fleet(10, {
      attributes: Object.fromEntries(Array.from({ length: 50 }, (_, each) => [`a${each}`, 'x'])),
    });
    await server.owner.send('PATCH', `/v1/things/${devices[0]!.name}`, { attributes: { a0: null } });
    await server.owner.post(`/v1/things/${devices[1]!.name}/revoke`, { reason: 'keyCompromise' });
    const body = {
      query: { type },
      do: 'set-attributes',
      attributes: { b: 'y' },
      waves: [50, 100],
      pauseOver: { failures: 0 },
    };
    const id = await begin(body);
    await run();
    const paused = await read(id);
    expect(paused).toMatchObject({
      status: 'paused',
      reasonCode: 'failures',
      wave: 1,
      things: 9,
      counts: { waiting: 4 },
    });
    const failed = await server.owner.get(`/v1/campaigns/${id}/things?state=failed&limit=2`);
    expect(failed.body.items[0]).toMatchObject({
      state: 'failed',
      wave: 1,
      reason: expect.stringContaining('50 attributes'),
    });
    const next = await server.owner.get(
      `/v1/campaigns/${id}/things?state=failed&limit=2&cursor=${failed.body.nextCursor as string}`,
    );
    expect(next.body.items.length).toBeGreaterThan(0);
    await run();
    expect((await read(id)).counts).toEqual(paused.counts);
    expect((await server.owner.post(`/v1/campaigns/${id}/resume`)).body).toMatchObject({ status: 'running' });
    await run();
    expect(await read(id)).toMatchObject({ status: 'paused', reasonCode: 'failures', wave: 2 });
    expect((await server.owner.post(`/v1/campaigns/${id}/cancel`)).body).toMatchObject({ status: 'cancelled' });
    expect(problemOf(await server.owner.post(`/v1/campaigns/${id}/resume`))).toBe('conflict');
    expect((await thingOf(devices[0]!.name)).attributes.b).toBe('y');
  });

  it('a device is asked by renewAt until it has renewed; who is late or refused has failed', async () => {
    const { type, devices } = await fleet(3);
    const selfOf = async (device: Device): Promise<Answer> =>
      server.as((device.answer.body.token as { accessToken: string }).accessToken).get('/v1/self');
    expect((await selfOf(devices[0]!)).body.renewAt).toBeUndefined();
    const id = await begin({
      query: { type },
      do: 'renew',
      waves: [100],
      renewWithinSeconds: 600,
      pauseOver: { failures: '100 %' },
    });
    await run();
    expect((await read(id)).counts).toMatchObject({ asked: 3, done: 0 });
    const renewAt = (await selfOf(devices[0]!)).body.renewAt as string;
    expect(Date.parse(renewAt)).toBeLessThanOrEqual(server.now().getTime());
    await server.owner.post(`/v1/campaigns/${id}/pause`);
    expect((await selfOf(devices[0]!)).body.renewAt).toBeUndefined();
    await server.owner.post(`/v1/campaigns/${id}/resume`);
    const renewed = await renew(server, devices[0]!);
    expect(renewed.answer.status, renewed.answer.text).toBe(201);
    expect(pemOf(renewed)).not.toBe(pemOf(devices[0]!));
    expect((await selfOf(devices[0]!)).body.renewAt).toBeUndefined();
    // A key that another thing holds is refused, now and later.
    expect(problemOf((await renew(server, devices[1]!, devices[2]!.key)).answer)).toBe('key-in-use');
    await run();
    expect((await read(id)).counts).toMatchObject({ asked: 1, done: 1, failed: 1 });
    server.advance(601);
    await run();
    expect(await read(id)).toMatchObject({ status: 'done', counts: { asked: 0, done: 1, failed: 2 } });
    const reasons = (await server.owner.get(`/v1/campaigns/${id}/things?state=failed`)).body.items as {
      reason: string;
    }[];
    expect(reasons.map(({ reason }) => reason).sort()).toEqual([
      'the device did not renew in time',
      expect.stringMatching(/^this key/),
    ]);
  });

  it('the agent renews when it is asked, and once', async () => {
    const out = mkdtempSync(join(tmpdir(), 'thingward-agent-'));
    const { token } = await enroll(server, { thingType: 'kept' });
    const first = await provisionAgent({
      server: server.url,
      enrollment: token,
      name: 'kept-1',
      out,
      clock: server.now,
    });
    const renewed: unknown[] = [];
    const keeping = {
      once: true,
      announce: () => Promise.resolve(),
      tell: (event: object) => void renewed.push(event),
    };
    const look = () => keepFresh({ out, clock: server.now }, keeping);
    await look();
    expect(renewed).toEqual([]);
    const id = await begin({ query: { type: 'kept' }, do: 'renew' });
    await run();
    await look();
    await look();
    expect(renewed).toEqual([expect.objectContaining({ renewed: true })]);
    expect(renewed).not.toEqual([expect.objectContaining({ serialNumber: first.serialNumber })]);
    await run();
    expect(await read(id)).toMatchObject({ status: 'done', counts: { done: 1 } });
    rmSync(out, { recursive: true });
  });

  it('it needs the permission of what it does, as long as it goes on', async () => {
    const { type } = await fleet(4);
    const body = { query: { type }, do: 'attach', policies: ['camera'], waves: [25, 100], waveSeconds: 3600 };
    const weak = await keyOf(['things:read', 'things:write']);
    expect(problemOf(await weak.client.post('/v1/campaigns', body))).toBe('forbidden');
    expect(problemOf(await weak.client.post('/v1/campaigns', { ...body, dryRun: true }))).toBe('forbidden');
    const blind = await keyOf(['things:write', 'policies:attach']);
    expect(problemOf(await blind.client.post('/v1/campaigns', { ...body, dryRun: true }))).toBe('forbidden');
    const strong = await keyOf(['things:read', 'things:write', 'policies:attach']);
    const id = await begin(body, strong.client);
    await run();
    expect(await read(id)).toMatchObject({ status: 'running', wave: 1, counts: { done: 1, waiting: 3 } });
    await server.owner.send('DELETE', `/v1/api-keys/${strong.id}`);
    server.advance(3601);
    await run();
    expect(await read(id)).toMatchObject({
      status: 'paused',
      reasonCode: 'forbidden',
      reason: expect.stringContaining('deleted'),
      counts: { done: 1 },
    });
    expect(problemOf(await weak.client.post(`/v1/campaigns/${id}/resume`))).toBe('forbidden');
    expect((await server.owner.post(`/v1/campaigns/${id}/resume`)).status).toBe(200);
    await run();
    expect(await read(id)).toMatchObject({ status: 'done', counts: { done: 4 } });
  });

  it('it pauses when the policy that it attaches is deleted, and says so', async () => {
    const { type } = await fleet(2);
    const statements = [{ id: 's', effect: 'allow', actions: ['publish'], resources: ['topic:x'] }];
    await server.owner.post('/v1/policies', { name: 'brief', statements });
    const id = await begin({ query: { type }, do: 'attach', policies: ['brief'] });
    expect((await server.owner.send('DELETE', '/v1/policies/brief')).status).toBe(204);
    await run();
    expect(await read(id)).toMatchObject({ status: 'paused', reasonCode: 'unknown-policy' });
    expect(
      problemOf(await server.owner.post('/v1/campaigns', { query: { type }, do: 'attach', policies: ['brief'] })),
    ).toBe('unknown-policy');
  });

  it('another account sees none of it, and events tell how it goes', async () => {
    const { type } = await fleet(1);
    const id = await begin({ query: { type }, do: 'renew' });
    const other = (await server.owner.post('/v1/accounts', { name: 'other' })).body as { ownerKey: string };
    const stranger = server.as(other.ownerKey);
    expect((await stranger.get('/v1/campaigns')).body.items).toEqual([]);
    for (const path of ['', '/things']) expect((await stranger.get(`/v1/campaigns/${id}${path}`)).status).toBe(404);
    for (const act of ['pause', 'resume', 'cancel'])
      expect((await stranger.post(`/v1/campaigns/${id}/${act}`)).status).toBe(404);
    const hook = (
      await server.owner.post('/v1/webhooks', { url: 'https://hooks.example/', types: ['campaign.finished'] })
    ).body as { id: string };
    await server.owner.post(`/v1/campaigns/${id}/cancel`);
    const told = (await server.owner.get(`/v1/webhooks/${hook.id}/deliveries`)).body.items as object[];
    expect(told).toEqual([expect.objectContaining({ type: 'campaign.finished', subject: `campaign:${id}` })]);
    const list = await server.owner.get('/v1/campaigns?limit=2');
    expect(list.body.items).toHaveLength(2);
    expect(
      (await server.owner.get(`/v1/campaigns?limit=2&cursor=${list.body.nextCursor as string}`)).body.items,
    ).toHaveLength(2);
  });

  it('400 for what no campaign can be, and 429 for too many at once', async () => {
    const query = { type: 'nothing' };
    const bad = [
      { do: 'renew' },
      { query, group: 'x', do: 'renew' },
      { query, do: 'attach' },
      { query, do: 'renew', policies: ['camera'] },
      { query, do: 'set-attributes' },
      { query, do: 'set-attributes', attributes: {} },
      { query, do: 'dance' },
      ...[[], [50], [0, 100], [100, 100], [50, 10, 100], [101], ['1']].map((waves) => ({ query, do: 'renew', waves })),
      ...['2', '2 percent', '-1 %', -1, 101, null].map((failures) => ({ query, do: 'renew', pauseOver: { failures } })),
    ];
    for (const body of bad)
      expect((await server.owner.post('/v1/campaigns', body)).status, JSON.stringify(body)).toBe(400);
    expect(problemOf(await server.owner.post('/v1/campaigns', { group: 'nobody', do: 'renew' }))).toBe('unknown-group');
    const empty = await begin({ query, do: 'renew' });
    expect(await read(empty)).toMatchObject({ status: 'done', things: 0 });
    const { type } = await fleet(1);
    let answer: Answer;
    let made = 0;
    do answer = await server.owner.post('/v1/campaigns', { query: { type }, do: 'renew' });
    while (answer.status === 201 && ++made < 40);
    expect(problemOf(answer)).toBe('too-many-requests');
  });
});

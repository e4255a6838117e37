import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCredential } from '../../../src/credentials.js';
import { databaseKinds, freshDatabase } from '../../support/databases/databases.js';
import { openEdgeStream } from '../../support/edge-follower.js';
import { enroll, provision } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';

describe.each(databaseKinds)('the stream of edges on %s', (kind) => {
  let server: TestServer;
  let edgeKey: string;

  const cursorNow = () => server.services.log.cursor();
  const newEdgeKey = async (as = server.owner) => (await as.post('/v1/api-keys', { role: 'edge' })).body.key as string;

  beforeAll(async () => {
    server = await startServer(kind);
    edgeKey = await newEdgeKey();
    const { token } = await enroll(server);
    await provision(server, token, 'pump');
  });
  afterAll(() => server.stop());

  it('pushes attributes and documents before the change is acknowledged; the feed has neither', async () => {
    const stream = await openEdgeStream(server, edgeKey, cursorNow());
    const feed = await openEdgeStream(server, edgeKey, cursorNow(), '/v1/revocations/stream');
    await stream.until(() => stream.heads.length > 0);
    await feed.until(() => feed.heads.length > 0);
    await server.owner.send('PATCH', '/v1/things/pump', { attributes: { site: 'berlin' } });
    await stream.until(() => stream.entries.length > 0);
    await feed.until(() => feed.entries.length > 0);
    expect(stream.entries[0]).toMatchObject({
      type: 'thing-changed',
      attributes: { site: 'berlin' },
      policies: ['sensor'],
    });
    expect(Object.keys(feed.entries[0]!)).toEqual(['position', 'at', 'type', 'gen', 'thingId', 'thingName']);
    stream.close();
    feed.close();
  });

  it('has heads with the place and the time of the server; those of the feed stay as they were', async () => {
    const stream = await openEdgeStream(server, edgeKey, cursorNow());
    const feed = await openEdgeStream(server, edgeKey, cursorNow(), '/v1/revocations/stream');
    await server.services.chores.run('tell-edge-streams-the-head');
    await server.services.chores.run('tell-streams-the-head');
    await stream.until(() => stream.heads.length > 0);
    await feed.until(() => feed.heads.length > 0);
    const [head] = stream.heads;
    expect(Object.keys(head!)).toEqual(['position', 'cursor', 'serverTime']);
    expect(Math.abs(Date.parse(head!.serverTime!) - server.now().getTime())).toBeLessThan(60_000);
    expect(Object.keys(feed.heads[0]!)).toEqual(['position', 'cursor']);
    stream.close();
    feed.close();
  });

  it('tells of token keys as they rotate; the feed does not, page or stream', async () => {
    const before = cursorNow();
    const stream = await openEdgeStream(server, edgeKey, before);
    const feed = await openEdgeStream(server, edgeKey, before, '/v1/revocations/stream');
    const kid = await server.services.tokens.rotate();
    await server.services.log.catchUp();
    await stream.until(() => stream.entries.length > 0);
    const { keys } = (await server.as(undefined).get('/.well-known/jwks.json')).body as { keys: { kid: string }[] };
    expect(stream.entries[0]).toMatchObject({
      type: 'token-keys',
      came: [keys.find((key) => key.kid === kid)],
      went: [expect.objectContaining({ kid: keys.find((key) => key.kid !== kid)!.kid })],
    });
    expect(JSON.stringify(stream.entries)).not.toMatch(/sealed|"d"/);
    // The next thing that the feed hears of comes after it.
    await server.owner.send('PATCH', '/v1/things/pump', { attributes: { site: 'bonn' } });
    await feed.until(() => feed.entries.length > 0);
    const { entries } = (await server.as(edgeKey).get(`/v1/revocations?after=${before}`)).body as {
      entries: { type: string }[];
    };
    expect([...feed.entries, ...entries].map(({ type }) => type)).toEqual(['thing-changed', 'thing-changed']);
    stream.close();
    feed.close();
  });

  it('tells of a suspension, and ends; the feed sees the entry that it always saw', async () => {
    const { ownerKey } = (await server.owner.post('/v1/accounts', { name: `acme-${kind}` })).body as {
      ownerKey: string;
    };
    const [key, before] = [await newEdgeKey(server.as(ownerKey)), cursorNow()];
    const stream = await openEdgeStream(server, key, before);
    const stranger = await openEdgeStream(server, edgeKey, before);
    await stream.until(() => stream.heads.length > 0);
    await server.owner.post(`/v1/accounts/acme-${kind}/suspend`);
    await stream.ended;
    expect(stream.entries).toMatchObject([
      { type: 'account', status: 'suspended', settings: { timeZone: 'UTC', clientIdForm: 'thing' } },
      { type: 'key', status: 'suspended', account: `acme-${kind}` },
    ]);
    expect((await openEdgeStream(server, key, before)).status).toBe(403);
    await server.owner.post(`/v1/accounts/acme-${kind}/resume`);
    const { entries } = (await server.as(key).get(`/v1/revocations?after=${before}`)).body as {
      entries: Record<string, unknown>[];
    };
    expect(entries.map(({ position: _p, at: _a, ...rest }) => rest)).toEqual([
      { type: 'key', status: 'suspended', account: `acme-${kind}` },
      { type: 'key', status: 'active', account: `acme-${kind}` },
    ]);
    // Nothing of one account is told to another.
    await server.services.chores.run('tell-edge-streams-the-head');
    await stranger.until(() => stranger.heads.length > 1);
    expect(stranger.entries).toEqual([]);
    stranger.close();
  });

  it('409 and 410 say where to start again; a bad cursor is 400', async () => {
    const as = server.as(edgeKey);
    const changed = await as.get('/v1/edge/stream?after=00000000-0000-4000-8000-000000000000:1');
    expect([changed.status, changed.body.links]).toEqual([409, { snapshot: '/v1/edge/snapshot' }]);
    expect((await as.get('/v1/edge/stream?after=x')).status).toBe(400);
    expect((await as.get('/v1/edge/stream?before=x')).status).toBe(400);
    const { epoch, position } = (await as.get('/v1/edge/snapshot')).body as { epoch: string; position: number };
    await server.database.client.logHead.updateMany({ data: { pruned: BigInt(position) } });
    const pruned = await as.get(`/v1/edge/stream?after=${epoch}:${position - 1}`);
    expect([pruned.status, pruned.body.links]).toEqual([410, { snapshot: '/v1/edge/snapshot' }]);
    await server.database.client.logHead.updateMany({ data: { pruned: 0n } });
  });

  it('cuts a reader that does not read, and the others hear on', async () => {
    const good = await openEdgeStream(server, edgeKey, cursorNow());
    await good.until(() => good.heads.length > 0);
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1').pause();
    socket.on('error', () => {});
    socket.write(
      `GET /v1/edge/stream?after=${cursorNow()} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${edgeKey}\r\n\r\n`,
    );
    const { stream } = server.services.edgeFeed;
    while (stream.size() < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    const resources = Array.from({ length: 900 }, (_, n) => `topic:default/${'x'.repeat(240)}/${n}`);
    const document = { name: 'wide', statements: [{ id: 'w', effect: 'allow', actions: ['publish'], resources }] };
    expect((await server.owner.post('/v1/policies', document)).status).toBe(201);
    for (let n = 0; n < 200 && stream.size() > 1; n++)
      expect((await server.owner.post('/v1/policies/wide/activate', { version: 1 })).status).toBe(200);
    // Activating what is active may write nothing: bytes are pushed by the stream itself then.
    for (let n = 0; n < 200 && stream.size() > 1; n++)
      stream.push({
        position: server.services.log.position() + n + 1,
        at: server.now(),
        account: 'default',
        type: 'policy',
        payload: { name: 'wide', version: 1, document: document as never },
      });
    expect(stream.size()).toBe(1);
    socket.destroy();
    good.close();
  });
});

describe('an instance without a lease', () => {
  it('ends its streams, of edges and of the feed, begins none, and says no head', async () => {
    const [kind] = databaseKinds.filter((each) => each === 'postgresql');
    if (!kind) return;
    const database = await freshDatabase(kind);
    const settings = { ...database.settings, THINGWARD_OWNER_KEY: createCredential('twk').token };
    const first = await startServer(kind, settings);
    const second = await startServer(kind, settings);
    const { key } = (await first.owner.post('/v1/api-keys', { role: 'edge' })).body as { key: string };
    const after = first.services.log.cursor();
    const streams = await Promise.all(
      ['/v1/edge/stream', '/v1/revocations/stream'].map((path) => openEdgeStream(second, key, after, path)),
    );
    await Promise.all(streams.map((stream) => stream.until(() => stream.heads.length > 0)));
    // Its lease runs out when nobody renews it.
    await second.services.log.close();
    expect(second.services.log.mayAnswer()).toBe(false);
    for (const name of [
      'tell-edge-streams-the-head',
      'tell-streams-the-head',
      'end-expired-edge-streams',
      'end-expired-streams',
    ])
      await second.services.chores.run(name);
    await Promise.all(streams.map(({ ended }) => ended));
    expect(streams.map(({ heads }) => heads.length)).toEqual([1, 1]);
    const refused = await second.as(key, 'impatient').get(`/v1/edge/stream?after=${after}`);
    expect([refused.status, refused.body.code ?? refused.body.type]).toEqual([
      503,
      expect.stringContaining('not-ready'),
    ]);
    expect((await second.as(key, 'impatient').get(`/v1/revocations/stream?after=${after}`)).status).toBe(503);
    await second.stop();
    await first.stop();
    database.remove();
  });
});

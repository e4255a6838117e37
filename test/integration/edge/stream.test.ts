import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCredential } from '../../../src/access/credentials.js';
import type { Client } from '../../support/client.js';
import { databaseKinds, freshDatabase, type TestDatabase } from '../../support/databases/databases.js';
import { openEdgeStream } from '../../support/edge/follower.js';
import { enroll, provision } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';

const resources = Array.from({ length: 900 }, (_, n) => `topic:default/${'x'.repeat(240)}/${n}`);

/** Makes a large policy, and activates one of two versions of it so many times, or until it is enough. Returns what became active. */
async function activateWide(owner: Client, name: string, times: number, isEnough = () => false): Promise<string[]> {
  const document = { statements: [{ id: 'w', effect: 'allow', actions: ['publish'], resources }] };
  expect((await owner.post('/v1/policies', { name, ...document })).status).toBe(201);
  expect((await owner.post(`/v1/policies/${name}/versions`, document)).status).toBe(201);
  const active = [1];
  while (active.length < times && !isEnough()) {
    const version = active.at(-1) === 1 ? 2 : 1;
    expect((await owner.post(`/v1/policies/${name}/activate`, { version })).status).toBe(200);
    active.push(version);
  }
  return active.map((version) => `${name} ${version}`);
}

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

  it('reports token keys as they rotate; the feed does not, page or stream', async () => {
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

  it('reports a suspension, and ends; the feed sees the entry that it always saw', async () => {
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

  it('reads a long past in pages of bounded octets, and misses nothing of it', async () => {
    const before = cursorNow();
    const from = server.services.log.position();
    const versions = await activateWide(server.owner, 'past', 9);
    const page = await server.services.feed.store.page('default', from, 1000, []);
    // One document is about 230,000 octets: a page ends with the one that goes over its limit.
    expect([page.entries.length, page.more]).toEqual([5, true]);
    const rest = await server.services.feed.store.page('default', page.position, 1000, []);
    expect([rest.entries.length, rest.more, rest.position]).toEqual([4, false, server.services.log.position()]);
    const stream = await openEdgeStream(server, edgeKey, before);
    await stream.until(() => stream.heads.length > 0);
    expect(stream.entries.map(({ name, version }) => `${String(name)} ${String(version)}`)).toEqual(versions);
    stream.close();
  });

  it('cuts a reader that does not read, and the others hear on', async () => {
    const good = await openEdgeStream(server, edgeKey, cursorNow());
    await good.until(() => good.heads.length > 0);
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1').pause();
    socket.on('error', () => {});
    socket.write(
      `GET /v1/edge/stream?after=${cursorNow()} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${edgeKey}\r\n\r\n`,
    );
    const { edges: stream } = server.services.feed;
    while (stream.size() < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    await activateWide(server.owner, 'wide', 200, () => stream.size() === 1);
    expect(stream.size()).toBe(1);
    socket.destroy();
    good.close();
  });
});

describe.runIf(databaseKinds.includes('postgresql'))('an instance that loses its lease', () => {
  let database: TestDatabase;
  let first: TestServer;
  let key: string;
  let after: string;
  let start: () => Promise<TestServer>;

  beforeAll(async () => {
    database = await freshDatabase('postgresql');
    const settings = { ...database.settings, THINGWARD_OWNER_KEY: createCredential('twk').token };
    start = () => startServer('postgresql', settings);
    first = await start();
    key = (await first.owner.post('/v1/api-keys', { role: 'edge' })).body.key as string;
    after = first.services.log.cursor();
  });
  afterAll(async () => {
    await first.stop();
    database.remove();
  });
  /** Its lease runs out when nobody renews it. */
  const loseLease = async (instance: TestServer) => {
    await instance.services.log.close();
    expect(instance.services.log.mayAnswer()).toBe(false);
  };
  const background = [
    'tell-edge-streams-the-head',
    'tell-streams-the-head',
    'end-expired-edge-streams',
    'end-expired-streams',
  ];

  it('ends its streams, of edges and of the feed, begins none, and says no head; the other continues', async () => {
    const second = await start();
    const paths = ['/v1/edge/stream', '/v1/revocations/stream'];
    const here = await openEdgeStream(first, key, after);
    const streams = await Promise.all(paths.map((path) => openEdgeStream(second, key, after, path)));
    await Promise.all([here, ...streams].map((stream) => stream.until(() => stream.heads.length > 0)));
    await loseLease(second);
    for (const name of background) await second.services.chores.run(name);
    await Promise.all(streams.map(({ ended }) => ended));
    expect(streams.map(({ heads }) => heads.length)).toEqual([1, 1]);
    const impatient = second.as(key, 'impatient');
    const refused = await Promise.all([
      ...paths.map((path) => impatient.get(`${path}?after=${after}`)),
      impatient.post('/v1/edge/principals', { fingerprints: ['0'.repeat(64)] }),
    ]);
    for (const { status, body } of refused)
      expect([status, body.type]).toEqual([503, expect.stringContaining('not-ready')]);
    await first.services.chores.run('tell-edge-streams-the-head');
    await here.until(() => here.heads.length > 1);
    here.close();
    await second.stop();
  });

  it('says no head to one that was still taking the past', async () => {
    const from = first.services.log.cursor();
    await activateWide(first.owner, 'long', 60);
    const second = await start();
    const socket = connect(Number(new URL(second.url).port), '127.0.0.1').pause();
    socket.write(`GET /v1/edge/stream?after=${from} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${key}\r\n\r\n`);
    await new Promise((resolve) => socket.once('readable', resolve));
    await loseLease(second);
    let text = '';
    // The stream ends; its connection may serve another request.
    for await (const chunk of socket) if ((text += String(chunk)).endsWith('\r\n0\r\n\r\n')) break;
    expect(text).toContain('"type":"policy"');
    expect(text).not.toContain('event: head');
    expect(second.services.feed.edges.size()).toBe(0);
    await second.stop();
  });
});

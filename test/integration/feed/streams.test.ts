import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { databaseKinds } from '../../support/databases/databases.js';
import { describeApi } from '../../support/openapi.js';
import { startServer, type TestServer } from '../../support/server.js';

describe.each(databaseKinds)('streams on %s', (kind) => {
  let server: TestServer;

  beforeAll(async () => {
    const limits = { THINGWARD_STREAMS_PER_KEY: '3', THINGWARD_STREAMS_PER_ACCOUNT: '5' };
    server = await startServer(kind, limits);
  });
  afterAll(() => server.stop());

  const newKey = async (extra: object = {}) =>
    (await server.owner.post('/v1/api-keys', { role: 'proxy', ...extra })).body as { id: string; key: string };

  /** Opens a stream; `ended` resolves when the server ends it. */
  async function open(key: string) {
    const abort = new AbortController();
    const response = await fetch(`${server.url}/v1/revocations/stream`, {
      headers: { authorization: `Bearer ${key}` },
      signal: abort.signal,
    });
    const ended = response.text().then(
      () => true,
      () => true,
    );
    return { status: response.status, headers: response.headers, ended, close: () => abort.abort() };
  }

  const untilOpen = async (count: number) => {
    while (server.services.feed.stream.size() !== count) await new Promise((resolve) => setTimeout(resolve, 5));
  };

  it('a stream ends when its key expires', async () => {
    const expiresAt = new Date(server.now().getTime() + 60_000).toISOString().replace(/\.\d+/, '');
    const { key } = await newKey({ expiresAt });
    const stream = await open(key);
    expect(stream.status).toBe(200);
    await server.services.chores.run('end-expired-streams');
    expect(server.services.feed.stream.size()).toBe(1);
    server.advance(61);
    await server.services.chores.run('end-expired-streams');
    expect(await stream.ended).toBe(true);
    expect(server.services.feed.stream.size()).toBe(0);
  });

  it('429 beyond the limits of a key and of an account; one that closes makes room', async () => {
    const [first, second] = [await newKey(), await newKey()];
    const streams = await Promise.all([1, 2, 3].map(() => open(first.key)));
    const refused = await open(first.key);
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '30']);
    streams.push(await open(second.key), await open(second.key));
    expect((await open(second.key)).status).toBe(429);
    expect(streams.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    streams[0]!.close();
    await untilOpen(4);
    streams.push(await open(second.key));
    expect(streams.at(-1)!.status).toBe(200);
    await server.owner.send('DELETE', `/v1/api-keys/${second.id}`);
    await Promise.all(streams.slice(3).map(({ ended }) => ended));
    for (const { close } of streams) close();
    await untilOpen(0);
  });

  it('a key that is deleted while its stream begins has none', async () => {
    const { id, key } = await newKey();
    // The key is in memory: the request is let in by that, and the registry is asked again.
    expect((await server.as(key).get('/v1/revocations')).status).toBe(200);
    const opened = Promise.all([open(key), open(key), open(key)]);
    await server.owner.send('DELETE', `/v1/api-keys/${id}`);
    for (const stream of await opened.catch(() => [])) if (stream.status === 200) await stream.ended;
    await untilOpen(0);
  });

  it('HEAD answers wherever GET does, and holds no stream', async () => {
    const { paths } = parse(await describeApi()) as { paths: Record<string, Record<string, unknown>> };
    const urls = Object.keys(paths).filter((path) => 'get' in paths[path]!);
    expect(urls.length).toBeGreaterThan(40);
    for (const path of urls) {
      const url = `${server.url}${path.replaceAll(/\{[^}]*\}/g, 'x')}`;
      const head = await fetch(url, { method: 'HEAD', headers: { authorization: `Bearer ${server.ownerKey}` } });
      expect([path, head.status < 500, await head.text()]).toEqual([path, true, '']);
    }
    const stream = await fetch(`${server.url}/v1/revocations/stream`, {
      method: 'HEAD',
      headers: { authorization: `Bearer ${server.ownerKey}` },
    });
    expect([stream.status, stream.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
    expect(server.services.feed.stream.size()).toBe(0);
  });
});

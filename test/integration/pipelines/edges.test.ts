import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createKnown } from '../../../src/edge/decider/known.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { openEdgeStream, readPages, type Page } from '../../support/edge/follower.js';
import type { Client } from '../../support/client.js';
import { startServer, type TestServer } from '../../support/server.js';

const documentOf = (name: string, more: object = {}) => ({
  name,
  match: { topics: ['${account}/+/telemetry'] },
  values: { t: '$.t' },
  steps: [],
  to: ['upstream'],
  ...more,
});

describe.each(databaseKinds)('what edges hear of pipelines, on %s', (kind) => {
  let server: TestServer;
  let edgeKey: string;

  beforeAll(async () => {
    server = await startServer(kind);
    edgeKey = (await server.owner.post('/v1/api-keys', { role: 'edge' })).body.key as string;
  });
  afterAll(() => server.stop());

  const active = (pages: Page[]): Record<string, number> =>
    Object.fromEntries(pages.flatMap(({ pipelines = [] }) => pipelines.map(({ name, version }) => [name, version])));
  const send = async (path: string, body: object): Promise<void> => {
    const { status, text } = await server.owner.post(path, body);
    expect([200, 201], text).toContain(status);
  };
  const inSnapshot = async (as: Client = server.as(edgeKey)) => active(await readPages(as));
  const drop = async (...names: string[]) => {
    for (const name of names) expect((await server.owner.send('DELETE', `/v1/pipelines/${name}`)).status).toBe(204);
  };

  it('tells the active document in the stream and in snapshots, each time that another is active', async () => {
    const stream = await openEdgeStream(server, edgeKey, (await readPages(server.as(edgeKey)))[0]!.cursor);
    const seen = async (count: number) => {
      await stream.until(() => stream.entries.length >= count);
      return stream.entries.at(-1)!;
    };
    await send('/v1/pipelines', documentOf('pumps'));
    expect(await seen(1)).toMatchObject({
      type: 'pipeline',
      name: 'pumps',
      pipeline: { name: 'pumps', version: 1, document: documentOf('pumps') },
    });
    // A version that is not active is nothing to edges; the same one again neither.
    await send('/v1/pipelines/pumps/versions', documentOf('pumps', { forward: true }));
    await send('/v1/pipelines/pumps/activate', { version: 1 });
    await send('/v1/pipelines/pumps/activate', { version: 2 });
    expect(await seen(2)).toMatchObject({ pipeline: { version: 2, document: { forward: true } } });
    expect(await inSnapshot()).toEqual({ pumps: 2 });
    await send('/v1/pipelines/pumps/activate', { version: null });
    expect(await seen(3)).toMatchObject({ type: 'pipeline', name: 'pumps', pipeline: null });
    expect(await inSnapshot()).toEqual({});
    // What is built in travels once an account activates it.
    await send('/v1/pipelines/sensor/activate', { version: 1 });
    expect(await seen(4)).toMatchObject({ pipeline: { name: 'sensor', document: { to: ['upstream'] } } });
    await drop('sensor', 'pumps');
    // One that is not active goes without a word.
    expect(await seen(5)).toMatchObject({ name: 'sensor', pipeline: null });
    await server.services.chores.run('tell-edge-streams-the-head');
    expect(stream.entries).toHaveLength(5);
    stream.close();
  });

  it('tells it to no other account, and to no proxy', async () => {
    await send('/v1/pipelines', documentOf('secret-pipeline'));
    const { ownerKey } = (await server.owner.post('/v1/accounts', { name: `other-${kind}` })).body as {
      ownerKey: string;
    };
    const other = server.as(ownerKey);
    const otherEdge = (await other.post('/v1/api-keys', { role: 'edge' })).body.key as string;
    expect(await inSnapshot(server.as(otherEdge))).toEqual({});
    const pages = await readPages(server.as(otherEdge));
    const stream = await openEdgeStream(server, otherEdge, pages[0]!.cursor);
    const proxyKey = (await server.owner.post('/v1/api-keys', { role: 'proxy' })).body.key as string;
    const proxies = await openEdgeStream(server, proxyKey, pages[0]!.cursor, '/v1/revocations/stream');
    await send('/v1/pipelines/secret-pipeline/activate', { version: null });
    await server.services.chores.run('tell-edge-streams-the-head');
    await stream.until(() => stream.heads.length > 0);
    expect(JSON.stringify([stream.entries, proxies.entries])).not.toContain('secret-pipeline');
    const refused = await server.as(proxyKey).get('/v1/edge/snapshot');
    expect(refused.status).toBe(403);
    stream.close();
    proxies.close();
    await drop('secret-pipeline');
  });

  it('comes in pages where documents are large, with nothing left out, and an edge makes the same of them', async () => {
    const names = Array.from({ length: 24 }, (_, index) => `large-${String(index).padStart(2, '0')}`);
    const schema = {
      type: 'object',
      properties: { note: { enum: Array.from({ length: 60 }, (_, at) => `${at}`.padEnd(900, 'x')) } },
    };
    for (const name of names) {
      await send('/v1/pipelines', documentOf(name, { steps: [{ validate: schema }] }));
    }
    const pages = await readPages(server.as(edgeKey));
    expect(pages.length).toBeGreaterThan(1);
    expect(Object.keys(active(pages))).toEqual(names);
    for (const page of pages) expect(JSON.stringify(page.pipelines).length).toBeLessThan(1_250_000);
    const known = createKnown(() => server.now().getTime());
    known.load(pages as object[] as Parameters<typeof known.load>[0]);
    expect([...known.pipelines()!.keys()]).toEqual(names);
    const again = createKnown(() => server.now().getTime());
    again.load([JSON.parse(JSON.stringify(known.dump())) as ReturnType<typeof known.dump>]);
    expect([...again.pipelines()!.values()]).toEqual([...known.pipelines()!.values()]);
    await drop(...names);
  });
});

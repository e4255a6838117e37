import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createFeedStore } from '../../../src/feed/store.js';
import { appendLog } from '../../../src/log/append.js';
import * as builders from '../../../src/log/builders.js';
import type { NewLogEntry } from '../../../src/log/entries.js';
import { problemOf } from '../../support/client.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { enroll, provision } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';

type Entry = { position: number; type: string; thingName?: string };

describe.each(databaseKinds)('the feed on %s', (kind) => {
  let server: TestServer;
  let follower: string;
  let enrollment: string;

  beforeAll(async () => {
    server = await startServer(kind);
    follower = (await server.owner.post('/v1/api-keys', { role: 'proxy', followsFeed: true })).body.key;
    enrollment = (await enroll(server)).token;
  });
  afterAll(() => server.stop());

  const get = (path: string) => server.as(follower).get(path);

  async function revokeNew(name: string): Promise<Entry> {
    const { answer } = await provision(server, enrollment, name);
    const { serialNumber } = answer.body.certificate;
    return (await server.owner.post(`/v1/certificates/${serialNumber}/revoke`, { reason: 'unspecified' })).body;
  }

  async function readAll(after?: string, limit = 2): Promise<{ entries: Entry[]; cursor: string }> {
    const entries: Entry[] = [];
    for (let cursor = after; ;) {
      const { body } = await get(`/v1/revocations?limit=${limit}${cursor === undefined ? '' : `&after=${cursor}`}`);
      entries.push(...body.entries);
      cursor = body.cursor as string;
      if (!body.next) return { entries, cursor };
      expect(body.next).toBe(`/v1/revocations?after=${cursor}&limit=${limit}`);
    }
  }

  /** Opens a stream and collects its events. */
  async function listen(path = '/v1/revocations/stream', headers: Record<string, string> = {}, key = follower) {
    const abort = new AbortController();
    const response = await fetch(`${server.url}${path}`, {
      headers: { authorization: `Bearer ${key}`, ...headers },
      signal: abort.signal,
    });
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    const events: { id?: string; event?: string; data: Entry }[] = [];
    const heads: typeof events = [];
    let text = '';
    const ended = (async () => {
      for await (const chunk of response.body!.pipeThrough(
        new TextDecoderStream() as never,
      ) as unknown as AsyncIterable<string>) {
        text += chunk;
        const blocks = text.split('\n\n');
        text = blocks.pop()!;
        for (const block of blocks) {
          const fields = Object.fromEntries(
            block.split('\n').map((line) => line.split(/: (.*)/s).slice(0, 2)),
          ) as Record<string, string>;
          if (!fields['data']) continue;
          const event = { ...fields, data: JSON.parse(fields['data']) as Entry };
          (fields['event'] === 'head' ? heads : events).push(event);
        }
      }
    })().catch(() => undefined);
    const until = async (count: number) => {
      for (let n = 0; n < 30_000 && events.length < count; n++) await new Promise((resolve) => setTimeout(resolve, 10));
      return events;
    };
    return { events, heads, until, ended, close: () => abort.abort() };
  }

  it('pages hold every entry once, in order, whatever their size, and nothing of another account', async () => {
    const acme = server.as((await server.owner.post('/v1/accounts', { name: 'acme' })).body.ownerKey);
    const before = (await readAll()).cursor;
    const answers: Entry[] = [];
    for (let n = 0; n < 5; n++) {
      answers.push(await revokeNew(`feed-${n}`));
      await acme.post('/v1/policies', {
        name: `p${n}`,
        statements: [{ id: 's', effect: 'allow', actions: ['read'], resources: ['endpoint:x'] }],
      });
    }
    const { entries, cursor } = await readAll(before);
    const certificates = entries.filter(({ type }) => type === 'certificate');
    expect(certificates).toMatchObject(
      answers.map(({ position }, n) => ({ position, thingName: `feed-${n}`, reason: 'unspecified' })),
    );
    expect(entries.every(({ position }, n) => n === 0 || position > entries[n - 1]!.position)).toBe(true);
    expect((await readAll(before, 1000)).entries).toEqual(entries);
    expect((await readAll(cursor)).entries).toEqual([]);
    expect(JSON.stringify((await readAll()).entries)).not.toContain('acme');
    const first = (await acme.get('/v1/revocations?limit=1000')).body.entries as Entry[];
    expect(first.map(({ type }) => type)).toEqual(Array(8).fill('policy'));
    expect(JSON.stringify(first)).not.toContain('statements');
  });

  it('an entry has the members of its type, in one order, and nothing else that stands in the log', async () => {
    const account = 'views';
    const key = (await server.owner.post('/v1/accounts', { name: account })).body.ownerKey;
    const holder = { account, thingName: 'pump' };
    const certificate = {
      serialNumber: '0a',
      fingerprint: 'f0',
      issuerId: 'i1',
      issuerIndex: 5n,
      crlScope: '3',
      notAfter: new Date('2040-01-01T00:00:00Z'),
      revokedAt: new Date('2026-01-02T03:04:05Z'),
      revokedPosition: 1n,
    };
    const thing = { id: 't1', name: 'pump', gen: 7, status: 'active', minGen: 6 };
    const segment = { name: 'floor', cidr: '10.9.8.0/24', allowedProtocols: ['MQTT'], trafficPolicy: {} };
    const settings = { shards: 2, deltaList: true, listMaxAge: 60, listSuperseded: true, distributionPoint: false };
    const entries = [
      builders.revokedEntry(holder, certificate, 'keyCompromise'),
      builders.releasedEntry(holder, certificate),
      builders.thingEntry(account, thing),
      builders.thingChangedEntry(account, { ...thing, attributes: { a: 'b' }, policies: ['p'], segment: 'floor' }),
      builders.tokenFamilyEntry(holder, 'f1'),
      builders.policyEntry(account, { name: 'p', version: 2, document: { name: 'p', statements: [] } }),
      builders.segmentEntry(account, 'floor', segment),
      builders.accountStatusEntry(account, 'active'),
      builders.issuerEntry(account, 'i1', settings),
    ].map((entry) => ({ ...entry, payload: { ...entry.payload, secret: 'kept' } }) as object as NewLogEntry);
    const [at, { client }] = [new Date('2026-01-03T00:00:00Z'), server.database];
    const last = Number(await client.$transaction((tx) => appendLog(tx, at, entries)));
    const cursor = server.services.log.cursorAt(last - entries.length);
    const response = await fetch(`${server.url}/v1/revocations?after=${cursor}`, {
      headers: { authorization: `Bearer ${key}` },
    });
    const shown = [
      '"certificate","index":5,"scope":"3","issuer":"i1","reason":"keyCompromise","notAfter":"2040-01-01T00:00:00Z","replaces":1,"revokedAt":"2026-01-02T03:04:05Z","thingName":"pump","fingerprint":"f0","serialNumber":"0a"',
      '"release","index":5,"scope":"3","issuer":"i1","notAfter":"2040-01-01T00:00:00Z","replaces":1,"thingName":"pump","fingerprint":"f0","serialNumber":"0a"',
      '"thing","gen":7,"minGen":6,"status":"active","thingId":"t1","thingName":"pump"',
      '"thing-changed","gen":7,"thingId":"t1","thingName":"pump","segment":"floor"',
      '"token-family","family":"f1","thingName":"pump"',
      '"policy","name":"p","version":2',
      '"segment","name":"floor"',
      '"key","status":"active","account":"views"',
      '"issuer","issuer":"i1","shards":2,"deltaList":true,"listMaxAge":60,"listSuperseded":true,"distributionPoint":false',
    ].map((rest, n) => `{"position":${last - 8 + n},"at":"2026-01-03T00:00:00Z","type":${rest}}`);
    expect(await response.text()).toContain(`"entries":[${shown.join(',')}]`);
    const stream = await listen(`/v1/revocations/stream?after=${cursor}`, {}, key);
    expect((await stream.until(9)).map(({ data }) => JSON.stringify(data))).toEqual(shown);
    stream.close();
  });

  it('409 for a cursor of another epoch, with a link to the snapshot; 400 for none', async () => {
    const other = await get('/v1/revocations?after=00000000-0000-4000-8000-000000000000:1');
    expect([other.status, problemOf(other), other.body.links.snapshot]).toEqual([
      409,
      'epoch-changed',
      '/v1/revocations/snapshot',
    ]);
    expect((await get('/v1/revocations?after=soon')).status).toBe(400);
  });

  it('the snapshot is the state that the entries lead to', async () => {
    const { position } = await revokeNew('snap-1');
    await provision(server, enrollment, 'snap-2');
    await server.owner.post('/v1/things/snap-2/suspend');
    const { body } = await get('/v1/revocations/snapshot');
    expect(body.position).toBeGreaterThan(position);
    expect(body.certificates).toContainEqual(expect.objectContaining({ thingName: 'snap-1', reason: 'unspecified' }));
    expect(body.certificates).toContainEqual(
      expect.objectContaining({ thingName: 'snap-2', reason: 'certificateHold' }),
    );
    expect(body.things).toContainEqual({ thingName: 'snap-2', status: 'suspended', minGen: 2 });
    await server.owner.post('/v1/things/snap-2/resume');
    const after = await get('/v1/revocations/snapshot');
    expect(after.body.certificates).not.toContainEqual(expect.objectContaining({ thingName: 'snap-2' }));
  });

  it('every page of a snapshot is read for itself, and what is revoked all the while is in one of them', async () => {
    const store = createFeedStore(server.database.client, 2);
    const serials: string[] = [];
    const hold = (serial: string) =>
      server.owner.post(`/v1/certificates/${serial}/revoke`, { reason: 'certificateHold' });
    const release = (serial: string) => server.owner.post(`/v1/certificates/${serial}/release`);
    for (let n = 0; n < 7; n++) {
      const { answer } = await provision(server, enrollment, `paged-${n}`);
      serials.push(answer.body.certificate.serialNumber as string);
      server.advance(1);
    }
    for (const serial of serials) await hold(serial);
    await server.owner.post('/v1/things/paged-0/suspend');
    const { body } = await get('/v1/revocations/snapshot');
    const { certificates, things, ...place } = await store.snapshot('default', server.now());
    expect(place).toEqual({ epoch: body.epoch, position: body.position });
    // All but the first two are released and held again while the pages are read, or their reason changes.
    const read: string[] = [];
    for await (const page of certificates) {
      expect(page.length).toBeLessThanOrEqual(2);
      read.push(...page.map(({ serialNumber }) => serialNumber));
      const [last] = serials.filter((serial) => !read.includes(serial)).slice(-1);
      if (last === undefined) continue;
      await release(last);
      await hold(last);
      await server.owner.post(`/v1/certificates/${serials[1]}/revoke`, { reason: 'keyCompromise' });
    }
    expect(read.filter((serial) => serials.includes(serial)).sort()).toEqual([...serials].sort());
    const listed = (body.certificates as { serialNumber: string }[]).map(({ serialNumber }) => serialNumber);
    expect([new Set(read).size, new Set(read)]).toEqual([read.length, new Set(listed)]);
    const refused: object[] = [];
    for await (const page of things) refused.push(...page);
    expect(refused).toEqual(body.things);
    for (const serial of serials)
      expect(body.certificates.filter((each: { serialNumber: string }) => each.serialNumber === serial)).toMatchObject([
        {
          reason: 'certificateHold',
          revokedAt: expect.stringMatching(/Z$/),
          fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/),
          thingName: expect.stringMatching(/^paged-/),
        },
      ]);
  });

  it('a stream has the past and then the present, without a gap, and goes on from Last-Event-ID', async () => {
    const { cursor } = await readAll();
    const first = await revokeNew('stream-1');
    const stream = await listen(`/v1/revocations/stream?after=${cursor}`);
    const [past] = await stream.until(1);
    expect(past).toMatchObject({
      id: expect.stringMatching(new RegExp(`:${first.position}$`)),
      data: { position: first.position, thingName: 'stream-1' },
    });
    const second = await revokeNew('stream-2');
    // Each revocation is followed by the end of the certificate's refresh family.
    expect((await stream.until(3))[2]).toMatchObject({ data: { position: second.position, type: 'certificate' } });
    await stream.until(4);
    server.services.feed.stream.head(server.services.log.position());
    // A head when the past was sent, and whenever the server tells it.
    for (let n = 0; n < 30_000 && stream.heads.length < 2; n++) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(stream.heads.map(({ data }) => data.position)).toEqual([first.position + 1, second.position + 1]);
    stream.close();
    const third = await revokeNew('stream-3');
    const resumed = await listen('/v1/revocations/stream', { 'last-event-id': stream.events[3]!.id! });
    expect((await resumed.until(1))[0]).toMatchObject({ data: { position: third.position, thingName: 'stream-3' } });
    resumed.close();
  });

  it('streams that open while entries are written miss nothing and repeat nothing', async () => {
    const { cursor } = await readAll();
    const names = Array.from({ length: 12 }, (_, n) => `burst-${n}`);
    const streams: Awaited<ReturnType<typeof listen>>[] = [];
    await Promise.all([
      ...names.map((name) => revokeNew(name)),
      (async () => {
        for (let n = 0; n < 8; n++) streams.push(await listen(`/v1/revocations/stream?after=${cursor}`));
      })(),
    ]);
    const want = (await readAll(cursor, 1000)).entries.map(({ position }) => position);
    for (const stream of streams) {
      const got = (await stream.until(want.length)).map(({ data }) => data.position);
      expect(got).toEqual(want);
      stream.close();
    }
    expect(want).toHaveLength(2 * names.length);
  });

  it('a stream ends when its key is deleted', async () => {
    const { id, key } = (await server.owner.post('/v1/api-keys', { role: 'proxy' })).body;
    const stream = await listen('/v1/revocations/stream', {}, key);
    await server.owner.send('DELETE', `/v1/api-keys/${id}`);
    await stream.ended;
    expect((await server.as(key).get('/v1/revocations')).status).toBe(401);
  });
});

import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kindNames } from '../../../src/stale/kinds.js';
import { problemOf } from '../../support/client.js';
import { databaseKinds, freshDatabase } from '../../support/databases/databases.js';
import { enroll, provision } from '../../support/fleet.js';
import { until } from '../../support/monitoring/receiver.js';
import { acceptByPasskey, type Browser } from '../../support/people/browser.js';
import { followStale } from '../../support/people/stale.js';
import { describeUnless } from '../../support/programs.js';
import { startServer, type TestServer } from '../../support/server.js';

const statements = [{ id: 'a', effect: 'allow', actions: ['publish'], resources: ['topic:a'] }];

describe.each(databaseKinds)('what became stale on %s', (kind) => {
  let server: TestServer;
  let owner: Browser;
  let ownerId: string;
  const look = () => server.services.chores.run('tell-what-is-stale');
  const invite = async (grant: object, by = server.owner) => {
    const { body } = await by.post('/v1/people', { name: `p-${Math.random()}`, ...grant });
    return acceptByPasskey(server, body.link);
  };
  /** Opens a stream and waits for its first head: what comes later is told. */
  const follow = async (browser: Browser, from: { after?: string; lastEventId?: string } = {}) => {
    const stream = await followStale(server, browser, from);
    expect(stream.status).toBe(200);
    await until(() => stream.events[0]);
    return stream;
  };
  const toldOf = (stream: Awaited<ReturnType<typeof followStale>>, wanted: string) =>
    until(() => stream.kinds().includes(wanted), look);

  beforeAll(async () => {
    server = await startServer(kind);
    const first = await acceptByPasskey(server, server.ownerLink!, 'Ada');
    [owner, ownerId] = [first.browser, first.id];
  });
  afterAll(() => server.stop());

  it('says which kinds changed, and nothing of what they hold', async () => {
    const stream = await follow(owner);
    expect(stream.headers.get('content-type')).toBe('text/event-stream');
    expect(stream.headers.get('cache-control')).toBe('no-store');
    await look();
    expect(stream.kinds()).toEqual([]);
    await server.owner.post('/v1/policies', { name: 'secret-name', statements });
    await toldOf(stream, 'policies');
    const { token } = await enroll(server);
    await provision(server, token, 'secret-thing');
    await toldOf(stream, 'enrollments');
    expect(stream.kinds()).toEqual(expect.arrayContaining(['audit', 'certificates', 'things']));
    expect(JSON.stringify(stream.events)).not.toContain('secret');
    for (const { id, event, data } of stream.events) {
      expect(data.cursor).toBe(id);
      expect(Object.keys(data).sort()).toEqual(event === 'stale' ? ['cursor', 'kinds'] : ['cursor']);
    }
    expect(JSON.stringify(stream.events).length).toBeLessThan(10_000);
    stream.leave();
  });

  it('tells what the audit does not: alerts, edges, receipts, sessions, decisions, deliveries', async () => {
    const stream = await follow(owner);
    const { id } = (await server.owner.post('/v1/proxies', { name: `edge-${kind}`, sessions: true })).body;
    await toldOf(stream, 'edges');
    const { body: feed } = await server.owner.get('/v1/revocations');
    const confirmed = { cursor: feed.cursor, incarnation: 'i', mode: 'live' };
    const answer = await server.owner.post(`/v1/proxies/${id}/applied`, confirmed);
    expect(answer.status, answer.text).toBeLessThan(300);
    await toldOf(stream, 'receipts');
    const { token } = await enroll(server);
    await provision(server, token, 'pump-9');
    const opened = [{ id: 's', thingName: 'pump-9', protocol: 'mqtts', connectedAt: '2026-01-02T03:04:05Z' }];
    const said = await server.owner.post(`/v1/proxies/${id}/sessions`, { incarnation: 'i', full: true, opened });
    expect(said.status, said.text).toBeLessThan(300);
    await toldOf(stream, 'sessions');
    const question = { principal: { thingName: 'pump-9' }, action: 'publish', resource: 'topic:b' };
    await server.owner.post('/v1/authorize', question);
    await server.services.chores.run('write-decisions');
    await toldOf(stream, 'decisions');
    stream.events.length = 0;
    const rule = { name: 'r', metric: 'devices.waiting', condition: 'equals', threshold: 0, severity: 'info' };
    await server.owner.post('/v1/alerts/rules', rule);
    await toldOf(stream, 'alerts');
    stream.events.length = 0;
    server.advance(2);
    for (const chore of ['write-figures', 'read-account-figures', 'evaluate-alerts'])
      await server.services.chores.run(chore);
    await toldOf(stream, 'alerts');
    await toldOf(stream, 'metrics');
    stream.leave();
  });

  it('tells each person of kinds that they may read, in their account', async () => {
    const { browser } = await invite({ permissions: ['segments:read'] });
    const { ownerKey } = (await server.owner.post('/v1/accounts', { name: 'acme' })).body;
    const acme = server.as(ownerKey);
    const stranger = await invite({ role: 'owner' }, acme);
    const [mine, theirs] = [await follow(browser), await follow(stranger.browser)];
    await server.owner.post('/v1/policies', { name: 'q', statements });
    await server.owner.post('/v1/segments', { name: 'hall', cidr: '10.0.0.0/8' });
    await toldOf(mine, 'segments');
    expect(mine.kinds()).toEqual(['segments']);
    expect(theirs.kinds()).toEqual([]);
    await acme.post('/v1/segments', { name: 'hall', cidr: '10.0.0.0/8' });
    await toldOf(theirs, 'segments');
    mine.leave();
    theirs.leave();
  });

  it('begins again where it was; where nobody knows what was missed, everything is stale', async () => {
    const first = await follow(owner);
    const place = first.events[0]!.id;
    first.leave();
    await server.owner.post('/v1/segments', { name: `missed-${kind}`, cidr: '10.0.0.0/8' });
    const second = await follow(owner, { lastEventId: place });
    await until(() => second.kinds().length > 0);
    expect(second.kinds()).toEqual(expect.arrayContaining(['audit', 'segments', 'alerts', 'edges']));
    expect(second.kinds()).not.toContain('policies');
    second.leave();
    const [epoch, position] = place.split(':') as [string, string];
    const elsewhere = [`00000000-0000-0000-0000-000000000000:${position}`, `${epoch}:999999999999999`];
    for (const after of elsewhere) {
      const third = await follow(owner, { after });
      await until(() => third.kinds().length > 0);
      expect(third.kinds()).toEqual([...kindNames].sort());
      third.leave();
    }
  });

  it('rests between two words of one kind, and forgets none', async () => {
    const stream = await follow(owner);
    server.freeze();
    for (let n = 0; n < 5; n++) {
      await server.owner.post('/v1/segments', { name: `rest-${n}-${kind}`, cidr: '10.0.0.0/8' });
      await look();
    }
    const words = () => stream.events.filter(({ data }) => data.kinds?.includes('segments')).length;
    await until(() => words() === 1);
    server.advance(5);
    await until(() => words() === 2, look);
    stream.leave();
  });

  it('ends with the session, and when what the person may do changes', async () => {
    const { id, browser } = await invite({ role: 'auditor' });
    const first = await follow(browser);
    const change = await server.owner.send('PATCH', `/v1/people/${id}`, { role: 'operator' });
    expect(change.status, change.text).toBe(200);
    await first.ended;
    const second = await follow(browser);
    const other = await follow(owner);
    const { items } = (await browser.get('/v1/me/sessions')).body;
    await browser.send('DELETE', `/v1/me/sessions/${items[0].id}`);
    await second.ended;
    expect((await followStale(server, browser)).status).toBe(401);
    // Of another person nothing ends.
    await look();
    other.events.length = 0;
    await server.owner.post('/v1/segments', { name: `other-${kind}`, cidr: '10.0.0.0/8' });
    server.advance(5);
    await toldOf(other, 'segments');
    other.leave();
  });

  it('a person has 20 streams at most on an instance; a key has none', async () => {
    const { browser } = await invite({ role: 'auditor' });
    const streams = [];
    for (let n = 0; n < 20; n++) streams.push(await follow(browser));
    const refused = await followStale(server, browser);
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '30']);
    streams[0]!.leave();
    await until(async () => (await followStale(server, browser)).status === 200);
    for (const { leave } of streams) leave();
    expect(problemOf(await server.owner.get('/v1/stale'))).toBe('forbidden');
    expect(ownerId).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('says a head now and then, from which a tab goes on', async () => {
    const stream = await follow(owner);
    await server.owner.post('/v1/segments', { name: `head-${kind}`, cidr: '10.0.0.0/8' });
    await look();
    await server.services.chores.run('tell-tabs-the-head');
    await until(() => stream.events.filter(({ event }) => event === 'head').length === 2);
    expect(stream.events.at(-1)!.id).not.toBe(stream.events[0]!.id);
    stream.leave();
  });
});

const withoutPostgres = databaseKinds.includes('postgresql') ? [] : ['PostgreSQL'];

describeUnless(withoutPostgres, 'what became stale on two instances', () => {
  it('is told on both, also what is committed late, and ends on both with the session', async () => {
    const database = await freshDatabase('postgresql');
    const settings = { ...database.settings, THINGWARD_OWNER_KEY: `twk_${randomBytes(32).toString('hex')}` };
    const [one, two] = [await startServer('postgresql', settings), await startServer('postgresql', settings)];
    const { link } = (await one.owner.post('/v1/people', { name: 'Ada', role: 'owner' })).body;
    const { browser } = await acceptByPasskey(one, link);
    const stream = await followStale(two, browser);
    await until(() => stream.events[0]);
    const look = () => two.services.chores.run('tell-what-is-stale');
    await one.owner.post('/v1/segments', { name: 'hall', cidr: '10.0.0.0/8' });
    await until(() => stream.kinds().includes('segments'), look);
    // One transaction takes its place in the audit, and another commits before it.
    const entry = { at: one.now(), accountName: 'default', actor: 'x', target: 'issuer:x', detail: {} };
    await one.database.client.$transaction(async (tx) => {
      await tx.auditEntry.create({ data: { ...entry, action: 'issuer.configure' } });
      await two.owner.post('/v1/policies', { name: 'later', statements });
      await until(() => stream.kinds().includes('policies'), look);
      expect(stream.kinds()).not.toContain('issuers');
    });
    await until(() => stream.kinds().includes('issuers'), look);
    const { items } = (await browser.get('/v1/me/sessions')).body;
    await browser.send('DELETE', `/v1/me/sessions/${items[0].id}`);
    await stream.ended;
    await two.stop();
    await one.stop();
    database.remove();
  });
});

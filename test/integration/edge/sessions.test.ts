import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { databaseKinds } from '../../support/databases/databases.js';
import { openEdgeStream } from '../../support/edge/follower.js';
import { enroll, provision } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';

describe.each(databaseKinds)('edges with sessions on %s', (kind) => {
  let server: TestServer;
  let edgeKey: string;
  let serial: string;
  let names = 0;

  beforeAll(async () => {
    server = await startServer(kind);
    edgeKey = (await server.owner.post('/v1/api-keys', { role: 'edge' })).body.key as string;
    const { token } = await enroll(server);
    const device = await provision(server, token, 'pump');
    serial = device.answer.body.certificate.serialNumber as string;
    await provision(server, token, 'valve');
  });
  afterAll(() => server.stop());

  const edge = () => server.as(edgeKey);
  const cursorNow = () => server.services.log.cursor();
  const register = async (sessions?: boolean) => {
    const body = { name: `edge-${names++}`, ...(sessions === undefined ? {} : { sessions }) };
    const answer = await edge().post('/v1/proxies', body);
    expect([answer.status, answer.body.sessions]).toEqual([201, sessions ?? false]);
    return { id: answer.body.id as string, name: body.name };
  };
  const applied = (id: string, more: object = {}) =>
    edge().post(`/v1/proxies/${id}/applied`, { cursor: cursorNow(), incarnation: 'run-1', mode: 'stream', ...more });
  const report = (id: string, more: object = {}) =>
    edge().post(`/v1/proxies/${id}/sessions`, { incarnation: 'run-1', ...more });
  const opened = (id: string, thingName = 'pump') => ({
    id,
    thingName,
    protocol: 'mqtts',
    clientId: thingName,
    sourceIp: '192.0.2.7',
    connectedAt: '2026-01-02T03:04:05Z',
  });
  const receipt = async (position: number) => (await server.owner.get(`/v1/revocations/${position}`)).body;
  const hold = async () => {
    const answer = await server.owner.post(`/v1/certificates/${serial}/revoke`, { reason: 'certificateHold' });
    const { position } = answer.body as { position: number };
    return position;
  };
  const release = () => server.owner.post(`/v1/certificates/${serial}/release`);
  const withLive = async (ids: string[]) => {
    const { id, name } = await register(true);
    expect((await applied(id)).status).toBe(200);
    expect((await report(id, { full: true, opened: ids.map((each) => opened(each)) })).status).toBe(204);
    return { id, name };
  };

  it('what an edge with sessions applied does not count as enforced; what it enforces does', async () => {
    const { id, name } = await register(true);
    const position = await hold();
    expect((await applied(id)).status).toBe(200);
    const known = await receipt(position);
    expect(known.enforced).toBe(false);
    expect(known.enforcedBy.map((each: { id: string }) => each.id)).not.toContain(id);
    expect(known.notEnforcedBy.map((each: { id: string }) => each.id)).toContain(id);
    const item = known.items.find((each: { id: string }) => each.id === id);
    expect(item).toEqual({ id, name, mode: 'stream', sessions: true, appliedAt: expect.any(String) });
    const { body } = await applied(id, { enforced: cursorNow(), sessionsClosed: 3 });
    expect(body).toMatchObject({ sessions: true, enforced: cursorNow() });
    const now = await receipt(position);
    expect(now.enforcedBy.map((each: { id: string }) => each.id)).toContain(id);
    expect(now.items.find((each: { id: string }) => each.id === id)).toEqual({
      ...item,
      enforcedAt: expect.any(String),
      sessionsClosed: 3,
    });
    await release();
  });

  it('a new run has enforced nothing, and enforced is never ahead of applied', async () => {
    const { id } = await register(true);
    const old = cursorNow();
    const position = await hold();
    const early = await edge().post(`/v1/proxies/${id}/applied`, {
      cursor: old,
      incarnation: 'run-1',
      mode: 'stream',
      enforced: cursorNow(),
    });
    expect(early.status).toBe(409);
    await applied(id, { enforced: cursorNow() });
    expect((await receipt(position)).enforcedBy.map((each: { id: string }) => each.id)).toContain(id);
    const next = await applied(id, { incarnation: 'run-2' });
    expect(next.body.enforced).toBeUndefined();
    const after = await receipt(position);
    expect(after.notEnforcedBy.map((each: { id: string }) => each.id)).toContain(id);
    const other = { enforced: '00000000-0000-4000-8000-000000000000:1', incarnation: 'run-2' };
    expect((await applied(id, other)).status).toBe(409);
    await release();
  });

  it('sessions are said at registration, once, and only those who said so report any', async () => {
    const { name, id } = await register();
    const again = await edge().post('/v1/proxies', { name });
    expect([again.status, again.body.id]).toEqual([200, id]);
    expect((await edge().post('/v1/proxies', { name, sessions: true })).status).toBe(409);
    expect((await applied(id, { enforced: cursorNow() })).status).toBe(400);
    expect((await applied(id, { sessionsClosed: 0 })).status).toBe(400);
    expect((await applied(id)).status).toBe(200);
    expect((await report(id)).status).toBe(400);
    const position = await hold();
    await applied(id);
    expect((await receipt(position)).enforcedBy.map((each: { id: string }) => each.id)).toContain(id);
    await release();
  });

  it('lists sessions by thing and edge, in pages, and things have theirs', async () => {
    const { id, name } = await withLive(['l1', 'l2', 'l3']);
    const all = await server.owner.get(`/v1/sessions?proxy=${name}`);
    expect(all.body.items).toHaveLength(3);
    expect(all.body.items[0]).toEqual({ ...opened('l1'), proxy: id, proxyName: name });
    expect((await server.owner.get(`/v1/sessions?proxy=${id}&thing=valve`)).body.items).toEqual([]);
    const first = await server.owner.get(`/v1/sessions?proxy=${id}&limit=2`);
    const rest = await server.owner.get(`/v1/sessions?proxy=${id}&limit=2&cursor=${first.body.nextCursor}`);
    expect([...first.body.items, ...rest.body.items].map((each: { id: string }) => each.id)).toEqual([
      'l1',
      'l2',
      'l3',
    ]);
    const thing = (await server.owner.get('/v1/things/pump')).body as {
      sessions: { id: string }[];
      lastSeenAt: string;
    };
    expect(thing.sessions.map((each) => each.id)).toEqual(expect.arrayContaining(['l1', 'l2', 'l3']));
    expect(thing.lastSeenAt).toBe('2026-01-02T03:04:05Z');
    server.advance(1);
    expect((await report(id, { closed: ['l1', 'unknown'], opened: [opened('l4', 'valve')] })).status).toBe(204);
    const now = await server.owner.get(`/v1/sessions?proxy=${id}`);
    expect(now.body.items.map((each: { id: string }) => each.id)).toEqual(['l2', 'l3', 'l4']);
    expect((await server.owner.get('/v1/sessions?cursor=x')).status).toBe(400);
  });

  it('at most one report a second, of the own key, for the present run', async () => {
    const { id } = await withLive([]);
    const soon = await report(id);
    expect([soon.status, soon.headers.get('retry-after')]).toEqual([429, '1']);
    server.advance(1);
    expect((await report(id)).status).toBe(204);
    server.advance(1);
    expect((await report(id, { incarnation: 'run-2' })).status).toBe(409);
    const other = (await server.owner.post('/v1/api-keys', { role: 'edge' })).body.key as string;
    const foreign = await server.as(other).post(`/v1/proxies/${id}/sessions`, { incarnation: 'run-1' });
    expect(foreign.status).toBe(403);
    const none = await edge().post('/v1/proxies/00000000-0000-4000-8000-000000000000/sessions', {
      incarnation: 'run-1',
    });
    expect(none.status).toBe(404);
  });

  it('sessions of an earlier run are gone, and those of an edge that fell silent are not shown', async () => {
    const { id } = await withLive(['r1']);
    const shown = async () => (await server.owner.get(`/v1/sessions?proxy=${id}`)).body.items as unknown[];
    expect(await shown()).toHaveLength(1);
    const silent = { confirmedAt: new Date(Date.now() - 20_000), sessionsHeardAt: new Date(Date.now() - 20_000) };
    await server.database.client.proxy.update({ where: { id }, data: silent });
    expect(await shown()).toEqual([]);
    // It hears of it when it comes back.
    expect((await server.owner.send('DELETE', '/v1/sessions/r1')).status).toBe(202);
    await applied(id);
    expect(await shown()).toHaveLength(1);
    await applied(id, { incarnation: 'run-2' });
    expect(await shown()).toEqual([]);
    await server.services.chores.run('sweep-sessions');
    expect(await server.database.client.session.count({ where: { proxyId: id } })).toBe(0);
  });

  it('a run begins with its first report, or with a full one; what comes late of the run before changes nothing', async () => {
    const { id } = await register(true);
    const shown = async () =>
      ((await server.owner.get(`/v1/sessions?proxy=${id}`)).body.items as { id: string }[]).map((each) => each.id);
    const wait = () => server.advance(1);
    expect((await report(id, { opened: [opened('n1')] })).status).toBe(204);
    expect(await shown()).toEqual(['n1']);
    const position = await hold();
    await applied(id, { enforced: cursorNow() });
    expect((await receipt(position)).enforcedBy.map((each: { id: string }) => each.id)).toContain(id);
    wait();
    expect((await report(id, { incarnation: 'run-2', opened: [opened('n2')] })).status).toBe(409);
    expect(await shown()).toEqual(['n1']);
    expect((await report(id, { incarnation: 'run-2', full: true, opened: [opened('n2')] })).status).toBe(204);
    expect(await shown()).toEqual(['n2']);
    // What the run before enforced, this one does not.
    const after = await receipt(position);
    expect(after.enforcedBy.map((each: { id: string }) => each.id)).not.toContain(id);
    expect(after.items.map((each: { id: string }) => each.id)).not.toContain(id);
    wait();
    expect((await report(id, { opened: [opened('n3')], closed: ['n2'] })).status).toBe(409);
    expect(await shown()).toEqual(['n2']);
    // A restored backup knows other sessions than the edge holds.
    await server.database.client.proxy.update({ where: { id }, data: { sessionsIncarnation: 'restored' } });
    expect((await report(id, { incarnation: 'run-2', opened: [opened('n4')] })).status).toBe(409);
    expect((await report(id, { incarnation: 'run-2', full: true, opened: [opened('n4')] })).status).toBe(204);
    expect(await shown()).toEqual(['n4']);
    await release();
  });

  it('what a device chose never makes the report of its edge a bad one', async () => {
    const { id } = await register(true);
    const long = `${'c'.repeat(1023)}\u{1f600}${'c'.repeat(60_000)}`;
    const decision = { at: '2026-01-02T03:04:05Z', thingName: 'pump', decision: 'deny', reason: 'malformed-resource' };
    const decisions = [
      { ...decision, action: 'publish', resource: `topic:${'t'.repeat(65_535)}`, context: { clientId: long } },
    ];
    const { status, text } = await report(id, { opened: [{ ...opened('long'), clientId: long }], decisions });
    expect(status, text).toBe(204);
    await server.services.chores.run('write-decisions');
    const { items } = (await server.owner.get(`/v1/sessions?proxy=${id}`)).body as { items: { clientId: string }[] };
    expect(items.map(({ clientId }) => clientId)).toEqual(['c'.repeat(1023)]);
  });

  it('ending a session is an entry that edges hear and the feed does not', async () => {
    const { id, name } = await withLive(['e1']);
    const before = cursorNow();
    const stream = await openEdgeStream(server, edgeKey, before);
    const { status, body } = await server.owner.send('DELETE', '/v1/sessions/e1');
    expect([status, Object.keys(body as object)]).toEqual([202, ['position', 'cursor']]);
    await stream.until(() => stream.entries.length > 0);
    expect(stream.entries[0]).toMatchObject({ position: body.position, type: 'session', id: 'e1', thingName: 'pump' });
    stream.close();
    expect((await edge().get(`/v1/revocations?after=${before}`)).body.entries).toEqual([]);
    expect(await receipt(body.position as number)).toMatchObject({ type: 'session', enforced: false });
    expect((await server.owner.send('DELETE', '/v1/sessions/none')).status).toBe(404);
    const audit = await server.owner.get('/v1/audit?action=session.end');
    expect(audit.body.items[0]).toMatchObject({ target: 'session:e1', detail: { thingName: 'pump', proxy: name } });
    for (const role of ['auditor', 'edge', 'proxy']) {
      const { key } = (await server.owner.post('/v1/api-keys', { role })).body as { key: string };
      expect((await server.as(key).send('DELETE', '/v1/sessions/e1')).status).toBe(403);
      expect((await server.as(key).get('/v1/sessions')).status).toBe(role === 'auditor' ? 200 : 403);
    }
    expect(id).toBeTruthy();
  });

  it('one account sees and ends nothing of another', async () => {
    await withLive(['t1']);
    const { ownerKey } = (await server.owner.post('/v1/accounts', { name: `other-${kind}` })).body as {
      ownerKey: string;
    };
    const other = server.as(ownerKey);
    expect((await other.get('/v1/sessions')).body.items).toEqual([]);
    expect((await other.send('DELETE', '/v1/sessions/t1')).status).toBe(404);
  });

  it('what edges saw and decided is in last seen and in the sample, and no device was seen in the future', async () => {
    const { id } = await withLive([]);
    server.advance(1);
    const at = server.now().toISOString();
    const decision = { at, thingName: 'valve', action: 'publish', resource: 'topic:default/valve/x', decision: 'deny' };
    const body = {
      seen: [
        { thingName: 'valve', at: '2126-01-01T00:00:00Z' },
        { thingName: 'nobody', at },
      ],
      denied: { 'no-matching-statement': 2, 'a statement of mine': 1 },
      decisions: [{ ...decision, reason: 'no-matching-statement', context: { protocol: 'mqtts' } }],
    };
    const { status, text } = await report(id, body);
    expect(status, text).toBe(204);
    await server.services.chores.run('write-decisions');
    const { lastSeenAt } = (await server.owner.get('/v1/things/valve')).body as { lastSeenAt: string };
    expect(Date.parse(lastSeenAt)).toBeLessThanOrEqual(server.now().getTime());
    const [newest] = (await server.owner.get('/v1/decisions?limit=1')).body.items as object[];
    expect(newest).toMatchObject({ thingName: 'valve', decision: 'deny', reason: 'no-matching-statement' });
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    expect(metrics).toMatch(/thingward_edge_denials_total\{reason="no-matching-statement"\} 2/);
    expect(metrics).toMatch(/thingward_edge_denials_total\{reason="other"\} 1/);
  });

  it('a report is bounded, and a bad one changes nothing', async () => {
    const { id } = await withLive(['b1']);
    server.advance(1);
    const bad = [
      { opened: Array.from({ length: 2001 }, (_, n) => opened(`x${n}`)) },
      { closed: Array.from({ length: 5001 }, (_, n) => `x${n}`) },
      { decisions: Array.from({ length: 21 }, () => ({})) },
      { denied: Object.fromEntries(Array.from({ length: 101 }, (_, n) => [`r${n}`, 1])) },
      { denied: { x: -1 } },
      { opened: [{ ...opened('x'), clientId: '\u0000' }] },
      { opened: [{ ...opened('x'), clientId: '\ud800' }] },
      { opened: [{ ...opened('x'), thingName: '../x' }] },
      { opened: [{ ...opened('x'), connectedAt: 'yesterday' }] },
      { full: false },
      { other: 1 },
    ];
    for (const more of bad) expect([more, (await report(id, more)).status]).toEqual([more, 400]);
    const most = { full: true, opened: Array.from({ length: 2000 }, (_, n) => opened(`full${n}`)) };
    expect((await report(id, most)).status).toBe(204);
    expect(await server.database.client.session.count({ where: { proxyId: id } })).toBe(2000);
  });
});

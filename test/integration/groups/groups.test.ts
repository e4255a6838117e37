import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { problemOf } from '../../support/client.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { enroll, provision } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';

const namesOf = (answer: { body: { items: { name: string }[] } }): string[] =>
  answer.body.items.map(({ name }) => name);

describe.each(databaseKinds)('groups on %s', (kind) => {
  let server: TestServer;

  beforeAll(async () => {
    server = await startServer(kind);
    const { token } = await enroll(server, { thingType: 'pump', attributes: { site: 'oslo' } });
    const put = async (by: string, name: string, extra: object) =>
      expect((await provision(server, by, name, extra)).answer.text).toContain(name);
    const { token: others } = await enroll(server, { thingType: 'pump', deviceAttributes: ['site'] });
    const { token: cameras } = await enroll(server, { thingType: 'camera' });
    for (const name of ['p-1', 'p-2']) await put(token, name, {});
    await put(others, 'p-3', { attributes: { site: 'oslo' } });
    await put(cameras, 'c-1', {});
  });
  afterAll(() => server.stop());

  const matching = async (query: string) =>
    namesOf(await server.owner.get(`/v1/things?query=${encodeURIComponent(query)}`));

  it('201 for a group, which is read, listed, changed under If-Match and deleted', async () => {
    const query = { type: 'pump', attributes: { site: ['oslo'] } };
    const made = await server.owner.post('/v1/groups', { name: 'oslo-pumps', query });
    expect(made.status, made.text).toBe(201);
    expect(made.body).toMatchObject({ name: 'oslo-pumps', query, createdBy: expect.stringContaining('key:') });
    expect(problemOf(await server.owner.post('/v1/groups', { name: 'oslo-pumps', query }))).toBe('group-exists');
    const read = await server.owner.get('/v1/groups/oslo-pumps');
    expect(read.body).toEqual(made.body);
    expect(namesOf(await server.owner.get('/v1/groups?total=true'))).toEqual(['oslo-pumps']);
    expect(namesOf(await server.owner.get('/v1/things?group=oslo-pumps&total=true'))).toEqual(['p-1', 'p-2', 'p-3']);
    const tag = { 'if-match': read.headers.get('etag')! };
    const changed = await server.owner.send('PATCH', '/v1/groups/oslo-pumps', { query: 'name = "c-*"' }, tag);
    expect(changed.body).toMatchObject({ query: 'name = "c-*"' });
    expect((await server.owner.send('PATCH', '/v1/groups/oslo-pumps', { query: 'name = x' }, tag)).status).toBe(412);
    expect(namesOf(await server.owner.get('/v1/things?group=oslo-pumps'))).toEqual(['c-1']);
    expect((await server.owner.send('DELETE', '/v1/groups/oslo-pumps', undefined, tag)).status).toBe(412);
    expect((await server.owner.send('DELETE', '/v1/groups/oslo-pumps')).status).toBe(204);
    expect((await server.owner.get('/v1/groups/oslo-pumps')).status).toBe(404);
    expect(problemOf(await server.owner.get('/v1/things?group=oslo-pumps'))).toBe('unknown-group');
  });

  it('the list takes the text, and the object as text, with sort, search, pages and totals', async () => {
    expect(await matching('type = pump and not name in (p-1, "p-3")')).toEqual(['p-2']);
    expect(await matching('{"type":"pump","not":{"name":["p-1","p-3"]}}')).toEqual(['p-2']);
    expect(await matching('attributes.site = null')).toEqual(['c-1']);
    expect(await matching('certificate.notAfter < 365d and lastSeenAt = null')).toHaveLength(4);
    const query = encodeURIComponent('type = pump');
    const page = await server.owner.get(`/v1/things?query=${query}&sort=-name&search=P-&limit=2&total=true`);
    expect(namesOf(page)).toEqual(['p-3', 'p-2']);
    expect(page.body.total).toBe(3);
    const rest = await server.owner.get(
      `/v1/things?query=${query}&sort=-name&search=P-&limit=2&cursor=${page.body.nextCursor as string}`,
    );
    expect(namesOf(rest)).toEqual(['p-1']);
    const other = await server.owner.get(
      `/v1/things?query=name%3D%22*%22&sort=-name&search=P-&limit=2&cursor=${page.body.nextCursor as string}`,
    );
    expect(problemOf(other)).toBe('invalid-request');
  });

  it('400 with the place for what is no query', async () => {
    const deep = (levels: number): object => (levels === 0 ? { type: 'pump' } : { not: deep(levels - 1) });
    const bad: unknown[] = [
      '',
      ' ',
      'type',
      'type =',
      'type = pump and',
      'type = pump pump',
      '(type = pump',
      'type = pump)',
      'typ = pump',
      'type < pump',
      'lastSeenAt = now',
      'lastSeenAt < soon',
      'name = "a',
      'name = "a b"',
      'status = odd',
      'name = null',
      'type in ()',
      'type in (a b)',
      'attributes. = x',
      'attributes.1 = x',
      'type == pump',
      'type = pump; drop',
      '{',
      '{}',
      '[]',
      'x'.repeat(2049),
      `type in (${'a,'.repeat(300)}a)`,
      `${'not '.repeat(9)}type = a`,
      `${'('.repeat(9)}type = a${')'.repeat(9)}`,
      Array(51).fill('type = a').join(' or '),
      Array(9).fill('lastSeenAt < now').join(' or '),
      {},
      { and: [] },
      { or: [{}] },
      { typ: 'x' },
      { type: 5 },
      { and: [{ or: [{ typ: 'x' }] }] },
      { lastSeenAt: {} },
      { lastSeenAt: { before: 'x' } },
      { status: 'odd' },
      { name: null },
      { attributes: {} },
      { attributes: { '1': 'x' } },
      deep(8),
    ];
    for (const query of bad) {
      const answer = await server.owner.post('/v1/groups', { name: 'bad', query });
      expect(answer.status, JSON.stringify(query).slice(0, 80)).toBe(400);
      if (typeof query === 'string' && query.length <= 2048 && query !== '')
        expect((await server.owner.get(`/v1/things?query=${encodeURIComponent(query)}`)).status, query).toBe(400);
    }
    expect((await server.owner.post('/v1/groups', { name: 'deep', query: deep(7) })).status).toBe(201);
    const abyss = `${'{"not":'.repeat(4000)}{"type":"a"}${'}'.repeat(4000)}`;
    expect((await server.owner.send('POST', '/v1/groups', `{"name":"bad","query":${abyss}}`)).status).toBe(400);
  });

  it('an account sees and takes its own things alone', async () => {
    const other = (await server.owner.post('/v1/accounts', { name: 'other' })).body as { ownerKey: string };
    const stranger = server.as(other.ownerKey);
    await stranger.post('/v1/groups', { name: 'all', query: 'name = "*"' });
    expect(namesOf(await stranger.get('/v1/things?group=all'))).toEqual([]);
    expect((await stranger.post('/v1/campaigns', { group: 'all', do: 'renew', dryRun: true })).body.things).toBe(0);
    const bulk = { filter: { group: 'all' }, reason: 'superseded', dryRun: true };
    expect((await stranger.post('/v1/revocations/bulk', bulk)).body).toMatchObject({ count: 0, things: 0 });
    expect(problemOf(await server.owner.get('/v1/things?group=all'))).toBe('unknown-group');
  });

  it('a bulk revocation takes the things that a group had when it began', async () => {
    await server.owner.post('/v1/groups', { name: 'cameras', query: { type: 'camera' } });
    const filter = { group: 'cameras' };
    const dry = await server.owner.post('/v1/revocations/bulk', { filter, reason: 'superseded', dryRun: true });
    expect(dry.body).toMatchObject({ count: 1, things: 1, sample: [{ thingName: 'c-1' }] });
    const wrong = await server.owner.post('/v1/revocations/bulk', { filter, reason: 'superseded', expectedCount: 2 });
    expect(problemOf(wrong)).toBe('count-changed');
    const done = await server.owner.post('/v1/revocations/bulk', { filter, reason: 'superseded', expectedCount: 1 });
    expect(done.body).toMatchObject({ status: 'done', revoked: 1 });
    const both = { filter: { query: 'type = pump', thingNames: ['p-1', 'c-1'] }, reason: 'superseded' };
    const one = await server.owner.post('/v1/revocations/bulk', { ...both, expectedCount: 1 });
    expect(one.body, one.text).toMatchObject({ status: 'done', revoked: 1 });
    const valid = await server.owner.get('/v1/certificates?status=active');
    expect(valid.body.items.map(({ thingName }: { thingName: string }) => thingName).sort()).toEqual(['p-2', 'p-3']);
  });
});

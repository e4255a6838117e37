import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { appendAudit, createAuditStore } from '../../../src/audit/store.js';
import { createThingSearch } from '../../../src/things/search-sql.js';
import { problemOf } from '../../support/client.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { enroll, provision } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';

const things = ['b-1', 'pump-1', 'pump-2', 'pump-3', 'pump:9', 'pumpkin', 'Pump-4', 'z_pump'];

describe.each(databaseKinds)('lists on %s', (kind) => {
  let server: TestServer;

  beforeAll(async () => {
    server = await startServer(kind);
    await server.owner.post('/v1/segments', { name: 'floor', cidr: '0.0.0.0/0' });
    const free = await enroll(server, { deviceAttributes: ['site'] });
    const inFloor = await enroll(server, { segment: 'floor', thingType: 'kin' });
    for (const name of things) {
      const isIn = name === 'pumpkin';
      const extra = isIn ? { thingType: 'kin' } : { attributes: { site: name < 'pump-3' ? 'oslo' : 'a=b' } };
      const { answer } = await provision(server, isIn ? inFloor.token : free.token, name, extra);
      expect(answer.status, answer.text).toBe(201);
      server.advance(86_400);
    }
    await server.owner.post('/v1/things/pump-2/suspend');
  });
  afterAll(() => server.stop());

  /** All pages of a list, read by few. */
  const readAll = async (path: string, limit = 2): Promise<any[]> => {
    const items: any[] = [];
    for (let cursor: string | undefined, pages = 0; ; pages++) {
      const { status, body, text } = await server.owner.get(
        `${path}&limit=${limit}${cursor === undefined ? '' : `&cursor=${cursor}`}`,
      );
      expect(status, text).toBe(200);
      expect(body.items.length).toBeLessThanOrEqual(limit);
      items.push(...body.items);
      cursor = body.nextCursor as string | undefined;
      if (cursor === undefined) return items;
      expect(pages).toBeLessThan(200);
    }
  };
  const names = async (query: string) => (await readAll(`/v1/things?${query}`)).map(({ name }) => name as string);
  const byBytes = [...things].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));

  it('shows every thing once, in every order', async () => {
    expect(await names('')).toEqual(byBytes);
    expect(await names('sort=-name')).toEqual([...byBytes].reverse());
    expect(await names('sort=createdAt')).toEqual(things);
    expect(await names('sort=-createdAt')).toEqual([...things].reverse());
  });

  it.each([
    ['namePrefix=pump-', ['pump-1', 'pump-2', 'pump-3']],
    ['namePrefix=pump', ['pump-1', 'pump-2', 'pump-3', 'pump:9', 'pumpkin']],
    ['namePrefix=z_', ['z_pump']],
    ['search=PUMP-', ['Pump-4', 'pump-1', 'pump-2', 'pump-3']],
    ['search=_', ['z_pump']],
    ['attribute=site=oslo', ['Pump-4', 'b-1', 'pump-1', 'pump-2']],
    ['attribute=site=a=b', ['pump-3', 'pump:9', 'z_pump']],
    ['status=suspended', ['pump-2']],
    ['thingType=kin', ['pumpkin']],
    ['segment=floor', ['pumpkin']],
    ['status=active&namePrefix=pump-&sort=-name', ['pump-3', 'pump-1']],
    ['search=pump&attribute=site=oslo&sort=-createdAt', ['Pump-4', 'pump-2', 'pump-1']],
  ])('finds things by %s', async (query, found) => {
    expect(await names(query)).toEqual(found);
  });

  it('says how many there are when it is asked', async () => {
    expect((await server.owner.get('/v1/things?limit=1&total=true')).body.total).toBe(things.length);
    expect((await server.owner.get('/v1/things?total=true&search=pump-&limit=1')).body.total).toBe(4);
    expect((await server.owner.get('/v1/things')).body).not.toHaveProperty('total');
    for (const list of ['certificates', 'segments', 'policies', 'api-keys', 'accounts', 'audit'])
      expect((await server.owner.get(`/v1/${list}?total=true&limit=1`)).body.total, list).toBeGreaterThan(0);
  });

  it('examines no more for a page than its budget, and continues after what it has examined', async () => {
    const search = createThingSearch(server.database.client, 3);
    const pages: string[][] = [];
    for (let after: string[] | undefined; ;) {
      const { ids, next } = await search.find(
        'default',
        { search: '9' },
        { by: 'name', after, descending: false, limit: 5 },
      );
      pages.push(ids);
      if (!next) break;
      after = next;
    }
    expect(pages.map(({ length }) => length)).toEqual([0, 1, 0]);
  });

  it('refuses a cursor of another list, filter, order or account, and one that is none', async () => {
    const { nextCursor } = (await server.owner.get('/v1/things?limit=1')).body as { nextCursor: string };
    const acme = (await server.owner.post('/v1/accounts', { name: 'acme' })).body as { ownerKey: string };
    expect((await server.owner.get(`/v1/things?limit=3&cursor=${nextCursor}`)).body.items).toHaveLength(3);
    for (const path of [
      `/v1/things?sort=-name&cursor=${nextCursor}`,
      `/v1/things?status=active&cursor=${nextCursor}`,
      `/v1/policies?cursor=${nextCursor}`,
      `/v1/certificates?cursor=${nextCursor}`,
      `/v1/sessions?cursor=${nextCursor}`,
      '/v1/things?cursor=bm9uc2Vuc2U',
      '/v1/things?cursor=W10',
    ]) {
      const answer = await server.owner.get(path);
      expect([answer.status, problemOf(answer)], path).toEqual([400, 'invalid-request']);
      expect(answer.body.detail).toMatch(/cursor/);
    }
    expect((await server.as(acme.ownerKey).get(`/v1/things?cursor=${nextCursor}`)).status).toBe(400);
  });

  it('finds certificates by thing, expiry and the beginning of the serial number', async () => {
    const all = await readAll('/v1/certificates?sort=notAfter');
    expect(all.map(({ thingName }) => thingName as string)).toEqual(things);
    expect(await readAll('/v1/certificates?sort=-notAfter')).toEqual([...all].reverse());
    const serials = all.map(({ serialNumber }) => serialNumber as string);
    expect((await readAll('/v1/certificates?')).map(({ serialNumber }) => serialNumber as string)).toEqual(
      [...serials].sort(),
    );
    const [, second, , fourth] = all;
    const window = `expiringAfter=${second.notAfter}&expiringBefore=${fourth.notAfter}`;
    expect((await readAll(`/v1/certificates?${window}&sort=notAfter`)).map(({ thingName }) => thingName)).toEqual(
      things.slice(1, 3),
    );
    const beginning = serials[0]!.slice(0, 12);
    expect((await readAll(`/v1/certificates?serialNumber=${beginning}`)).map(({ thingName }) => thingName)).toEqual([
      things[0],
    ]);
    expect((await readAll('/v1/certificates?thing=pump-2')).map(({ status }) => status)).toEqual(['held']);
    expect((await readAll('/v1/certificates?status=held')).map(({ thingName }) => thingName)).toEqual(['pump-2']);
  });

  it('finds what was done by actor, action, object and time', async () => {
    const [suspended] = await readAll('/v1/audit?action=thing.suspend');
    expect(suspended.target).toBe('thing:pump-2');
    expect(await readAll('/v1/audit?target=thing:pump-2&action=thing.suspend')).toEqual([suspended]);
    expect(await readAll(`/v1/audit?actor=${suspended.actor}&action=thing.suspend`)).toEqual([suspended]);
    expect(await readAll('/v1/audit?actor=nobody')).toEqual([]);
    expect(await readAll(`/v1/audit?action=thing.suspend&to=${suspended.at}`)).toEqual([]);
    expect(await readAll(`/v1/audit?action=thing.suspend&from=${suspended.at}`)).toEqual([suspended]);
    const ids = (await readAll('/v1/audit?', 3)).map(({ id }) => Number(id));
    expect(ids).toEqual([...ids].sort((a, b) => b - a));
  });

  it('follows the audit without missing what is committed late', async () => {
    const { client } = server.database;
    const tail = async (after: string) => (await server.owner.get(`/v1/audit?after=${after}`)).body.items as any[];
    const before = (await tail('0')).at(-1).id as string;
    const entry = (action: string) => ({
      at: server.now(),
      account: 'default',
      origin: { actor: 'test' },
      action,
      target: 'test',
    });
    if (kind === 'embedded') {
      await client.$transaction((tx) => appendAudit(tx, entry('early'), entry('late')));
    } else {
      // The first has its id before the second, and is committed after it.
      let commit = () => {};
      const mayCommit = new Promise<void>((resolve) => (commit = resolve));
      let hasId = () => {};
      const written = new Promise<void>((resolve) => (hasId = resolve));
      const first = client.$transaction(
        async (tx) => {
          await appendAudit(tx, entry('early'));
          hasId();
          await mayCommit;
        },
        { timeout: 60_000 },
      );
      await written;
      await client.$transaction((tx) => appendAudit(tx, entry('late')));
      expect(await createAuditStore(client).settledId()).toBeUndefined();
      expect(await tail(before)).toEqual([]);
      commit();
      await first;
    }
    expect((await tail(before)).map(({ action }) => action as string)).toEqual(['early', 'late']);
  });

  it('exports the audit as lines, which continue after an id', async () => {
    const { text, headers } = await server.owner.get('/v1/audit/export?from=2000-01-01T00:00:00Z');
    expect(headers.get('content-type')).toBe('application/x-ndjson');
    const lines = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { id: string });
    const newestFirst = await readAll('/v1/audit?', 1000);
    expect(lines.map(({ id }) => id)).toEqual(newestFirst.map(({ id }) => id as string).reverse());
    const rest = await server.owner.get(`/v1/audit/export?after=${lines.at(-3)!.id}`);
    expect(rest.text.trim().split('\n')).toHaveLength(2);
  });

  it('finds decisions by thing, decision, reason, action and time', async () => {
    const { client } = server.database;
    const decision = { accountName: 'default', resource: 'topic:a', context: {}, policy: null };
    const at = [1, 2, 3].map((day) => new Date(Date.UTC(2027, 0, day)));
    await client.decisionSample.createMany({
      data: [
        { ...decision, at: at[0]!, thingName: 'pump-1', action: 'publish', decision: 'allow', reason: 'telemetry' },
        { ...decision, at: at[1]!, thingName: 'pump-1', action: 'subscribe', decision: 'deny', reason: 'outside' },
        { ...decision, at: at[2]!, thingName: 'pump-3', action: 'publish', decision: 'deny', reason: 'telemetry' },
      ],
    });
    const found = async (query: string) => (await readAll(`/v1/decisions?${query}`, 1)).map(({ at: when }) => when);
    const [first, second, third] = ['01', '02', '03'].map((day) => `2027-01-${day}T00:00:00Z`);
    expect(await found('thing=pump-1')).toEqual([second, first]);
    expect(await found('decision=deny')).toEqual([third, second]);
    expect(await found('reason=telemetry&decision=allow')).toEqual([first]);
    expect(await found('action=publish')).toEqual([third, first]);
    expect(await found(`from=${second}&to=${third}`)).toEqual([second]);
  });
});

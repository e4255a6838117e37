import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { searchWork } from '../../../src/authorize/search.js';
import { weightOf } from '../../../src/policy/weight.js';
import { active, alice, archived, bob, createScenario, read, record, write } from '../../support/authorize/authzen.js';
import { problemOf, type Client } from '../../support/client.js';
import { enroll, provision } from '../../support/fleet.js';
import { createRandom, randomPolicies, randomQuestion } from '../../support/policy-cases.js';
import { startServer, type TestServer } from '../../support/server.js';

const at = (of: string) => `/access/v1/search/${of}`;
const things = { type: 'thing' };
const endpoints = { type: 'endpoint' };
const context = { time: '2025-06-27T18:03-07:00', ip: '192.168.1.1' };
type Result = { id?: string; name?: string; type?: string };

/** Every page of a search, to the end. */
async function pagesOf(client: Client, path: string, body: object, limit?: number): Promise<string[][]> {
  const pages: string[][] = [];
  for (let token: string | undefined; token !== '' && pages.length < 10_000;) {
    const page = { ...(limit === undefined ? {} : { limit }), ...(token === undefined ? {} : { token }) };
    const answer = await client.post(path, { ...body, page });
    if (answer.status !== 200) throw new Error(answer.text);
    const results = answer.body.results as Result[];
    expect(answer.body.page.count).toBe(results.length);
    pages.push(results.map(({ id, name }) => id ?? name!));
    token = answer.body.page.next_token as string;
  }
  return pages;
}
const found = async (client: Client, of: string, body: object, limit?: number) =>
  (await pagesOf(client, at(of), body, limit)).flat();

/** Saves policies, and says the names of those that are not refused: some random ones are. */
async function saveSome(owner: Client, prefix: string, documents: { statements: object[] }[]): Promise<string[]> {
  const saved: string[] = [];
  for (const [index, { statements }] of documents.entries()) {
    const name = `${prefix}-${index}`;
    if ((await owner.post('/v1/policies', { name, statements })).status === 201) saved.push(name);
  }
  return saved;
}

/** Seconds from a time to the next Wednesday at noon, UTC. */
function untilWednesdayNoon(now: Date): number {
  const week = 7 * 86_400;
  // 1970 began on a Thursday.
  const sinceThursday = (now.getTime() / 1000) % week;
  return (6.5 * 86_400 - sinceThursday + week) % week;
}

describe('AuthZEN searches', () => {
  let server: TestServer;
  let pep: Client;

  beforeAll(async () => {
    server = await startServer('embedded');
    pep = await createScenario(server);
  });
  afterAll(() => server.stop());

  it('Search Core and Properties: subjects, resources, actions', async () => {
    const readers = { subject: things, action: read, resource: record(1) };
    for (const body of [readers, { ...readers, context }, { ...readers, subject: alice }])
      expect(await found(pep, 'subject', body)).toEqual(['alice', 'bob']);
    const archivers = { subject: things, action: write, resource: record(2, archived) };
    expect((await pep.post(at('subject'), archivers)).body).toEqual({
      page: { next_token: '', count: 1 },
      results: [{ type: 'thing', id: 'bob' }],
    });
    const readable = { subject: alice, action: read, resource: endpoints };
    for (const body of [readable, { ...readable, context }, { ...readable, resource: record(1) }])
      expect(await found(pep, 'resource', body)).toEqual(['record-1']);
    const admin = { ...bob, properties: { role: 'admin' } };
    expect(await found(pep, 'resource', { subject: admin, action: write, resource: endpoints })).toEqual(['record-2']);
    for (const extra of [{}, { context }, { action: 7 }])
      expect(await found(pep, 'action', { subject: alice, resource: record(1, active), ...extra })).toEqual([
        'read',
        'write',
      ]);
    expect(await found(pep, 'action', { subject: admin, resource: record(2, archived) })).toEqual(['write']);
    const retained = { subject: alice, resource: { type: 'topic', id: 'record-1' }, context: { retain: 'true' } };
    expect(await found(pep, 'action', retained)).toEqual(['publish']);
    // What is claimed widens nothing.
    const claims = { ...alice, properties: { role: 'admin' } };
    expect(await found(pep, 'resource', { subject: claims, action: write, resource: endpoints })).toEqual(['record-1']);
  });

  it('nothing for what nobody knows, and 400 for what is missing', async () => {
    const strange = { type: 'spaceship' };
    const nobody = { type: 'thing', id: 'nobody' };
    const empty: [string, object][] = [
      ['subject', { subject: strange, action: read, resource: record(1) }],
      ['subject', { subject: things, action: read, resource: { type: 'record', id: 'x' } }],
      ['subject', { subject: things, action: { name: 'fly' }, resource: record(1) }],
      ['resource', { subject: nobody, action: read, resource: endpoints }],
      ['resource', { subject: { ...strange, id: 'alice' }, action: read, resource: endpoints }],
      ['resource', { subject: alice, action: read, resource: strange }],
      ['resource', { subject: { type: 'thing', id: '\0' }, action: read, resource: endpoints }],
      ['action', { subject: nobody, resource: record(1) }],
      ['action', { subject: alice, resource: { type: 'record', id: 'record-1' } }],
    ];
    for (const [of, body] of empty)
      expect((await pep.post(at(of), body)).body).toEqual({ page: { next_token: '', count: 0 }, results: [] });
    const incomplete: [string, object][] = [
      ['subject', { subject: things, resource: record(1) }],
      ['subject', { subject: things, action: read, resource: endpoints }],
      ['subject', { subject: 'thing', action: read, resource: record(1) }],
      ['resource', { action: read, resource: endpoints }],
      ['resource', { subject: things, action: read, resource: endpoints }],
      ['action', { subject: alice }],
      ['action', { subject: things, resource: record(1) }],
      ...[-1, 1.5, '1', 1e300].map((limit): [string, object] => [
        'action',
        { subject: alice, resource: record(1), page: { limit } },
      ]),
      ['action', { subject: alice, resource: record(1), page: 1 }],
    ];
    for (const [of, body] of incomplete)
      expect((await pep.post(at(of), body)).status, `${of} ${JSON.stringify(body)}`).toBe(400);
  });

  it('pages: a token is good for its account, question and limit alone', async () => {
    const body = { subject: things, action: read, resource: record(1) };
    const first = await pep.post(at('subject'), { ...body, page: { limit: 1 } });
    expect(first.body.results).toEqual([alice]);
    const token = first.body.page.next_token as string;
    const next = await pep.post(at('subject'), { ...body, page: { token } });
    expect(next.body).toEqual({ page: { next_token: expect.any(String), count: 1 }, results: [bob] });
    const { ownerKey } = (await server.owner.post('/v1/accounts', { name: 'acme' })).body;
    const other = { ...body, action: write };
    const forged = (place: unknown) =>
      `${Buffer.from(JSON.stringify(place)).toString('base64url')}.${token.split('.')[1]}`;
    const refused: [Client, string, object][] = [
      [server.as(ownerKey), 'subject', { ...body, page: { token } }],
      [pep, 'subject', { ...other, page: { token } }],
      [pep, 'subject', { ...body, context: { sourceIp: '10.0.0.1' }, page: { token } }],
      [pep, 'subject', { ...body, page: { token, limit: 2 } }],
      [pep, 'subject', { ...body, subject: { type: 'x' }, page: { token } }],
      [pep, 'resource', { subject: alice, action: read, resource: endpoints, page: { token } }],
      [pep, 'action', { subject: alice, resource: record(1), page: { token } }],
      ...[
        '',
        '.',
        'x',
        `${token}x`,
        token.slice(1),
        forged(['', 1]),
        forged(['alice', 2]),
        forged(null),
        forged(7),
      ].map((each): [Client, string, object] => [pep, 'subject', { ...body, page: { token: each } }]),
    ];
    for (const [client, of, asked] of refused) {
      const answer = await client.post(at(of), asked);
      expect([answer.status, problemOf(answer)], JSON.stringify(asked)).toEqual([400, 'invalid-request']);
    }
    expect((await pep.post(at('subject'), { ...body, page: { limit: 0 } })).body.results).toEqual([]);
    expect(await found(server.as(ownerKey), 'subject', body)).toEqual([]);
    const { key } = (await server.owner.post('/v1/api-keys', { permissions: ['authorize:query'] })).body;
    expect((await server.as(key).post(at('subject'), body)).status).toBe(403);
    expect(await found(server.as(key), 'action', { subject: alice, resource: record(1) })).toEqual(['read', 'write']);
  });

  it('the work for a page is counted, however dear the policies are', async () => {
    const { ownerKey } = (await server.owner.post('/v1/accounts', { name: 'dear' })).body;
    const owner = server.as(ownerKey);
    const statements = Array.from({ length: 19 }, (_, n) => ({
      id: `s${n}`,
      effect: 'allow' as const,
      actions: ['read'],
      resources: Array.from({ length: 500 }, (__, m) => `endpoint:e-${n}-${m}`),
    }));
    const names = Array.from({ length: 12 }, (_, n) => `dear-${n}`);
    for (const name of names) {
      const saved = await owner.post('/v1/policies', { name, statements });
      expect(saved.status, saved.text).toBe(201);
    }
    const { token } = await enroll({ owner }, { policies: names });
    for (let n = 0; n < 12; n++) await provision(server, token, `t-${String(n).padStart(2, '0')}`);
    const weight = names.length * weightOf({ name: 'x', statements });
    const cost = 1 + 1 + Math.ceil(weight / searchWork.weightPerUnit);
    const perPage = Math.ceil(searchWork.units / cost);
    const one = { type: 'endpoint', id: 'e-0-0' };
    const subjects = await pagesOf(owner, at('subject'), { subject: things, action: read, resource: one });
    expect(subjects.flat()).toHaveLength(12);
    expect(Math.max(...subjects.map(({ length }) => length))).toBeLessThanOrEqual(perPage);
    const resources = { subject: { type: 'thing', id: 't-00' }, action: read, resource: endpoints };
    const page = (await owner.post(at('resource'), { ...resources, page: { limit: 1000 } })).body;
    expect(page.results.length).toBeLessThanOrEqual(perPage);
    expect(page.page.next_token).not.toBe('');
    console.log(
      `AuthZEN search: weight=${weight} cost=${cost} units=${searchWork.units} perPage=${perPage} pages=${subjects.length}`,
    );
  });

  it('finds exactly what evaluations allow', async () => {
    const random = createRandom(20261128);
    const { ownerKey } = (await server.owner.post('/v1/accounts', { name: 'a' })).body;
    const owner = server.as(ownerKey);
    const fleet: string[] = [];
    for (let n = 0; n < 12; n++) {
      const policies: string[] = [];
      while (policies.length === 0) policies.push(...(await saveSome(owner, `p-${n}`, randomPolicies(random))));
      const attributes = random.chance(0.6) ? { v: random.pick(['a', 'b', '#', 'a/b']) } : {};
      const { token } = await enroll({ owner }, { policies, attributes });
      fleet.push(`${random.pick(['n', 'a', 'x'])}-${n}`);
      await provision(server, token, fleet[n]!);
    }
    await owner.post(`/v1/things/${fleet[3]}/suspend`);
    const counts = { subjects: 0, actions: 0, resources: 0, found: 0, questions: 0 };
    const allowed = async (id: string, name: string, resource: object, asked: object) => {
      counts.questions++;
      const question = { subject: { type: 'thing', id }, action: { name }, resource, context: asked };
      return (await owner.post('/access/v1/evaluation', question)).body.decision as boolean;
    };
    const named = [
      ['topic', 'publish'],
      ['topic', 'subscribe'],
      ['endpoint', 'read'],
      ['client', 'connect'],
      ['http', 'request'],
    ] as const;
    // Policies have windows in the week: every run asks at the same hour of it.
    server.freeze();
    server.advance(untilWednesdayNoon(server.now()));
    for (let n = 0; n < 120; n++) {
      const { action, resource, context: asked } = randomQuestion(random);
      const colon = resource.indexOf(':');
      const about = { type: resource.slice(0, Math.max(0, colon)), id: resource.slice(colon + 1) };
      const body = { action: { name: action }, context: asked };
      const subjects = await found(
        owner,
        'subject',
        { ...body, subject: things, resource: about },
        1 + random.below(5),
      );
      const expected: string[] = [];
      for (const id of fleet) if (await allowed(id, action, about, asked)) expected.push(id);
      expect(subjects.toSorted(), JSON.stringify([about, body])).toEqual(expected.toSorted());
      const subject = { type: 'thing', id: random.pick(fleet) };
      const actions = await found(owner, 'action', { subject, resource: about, context: asked }, 1 + random.below(3));
      const possible = ['publish', 'subscribe', 'receive', 'connect', 'request'];
      for (const name of possible)
        expect(actions.includes(name), JSON.stringify([subject, about, name])).toBe(
          await allowed(subject.id, name, about, asked),
        );
      for (const name of actions) expect(await allowed(subject.id, name, about, asked)).toBe(true);
      const [type, name] = random.pick(named);
      const wanted = { subject, action: { name }, resource: { type }, context: asked };
      const resources = await found(owner, 'resource', wanted, 2);
      for (const id of resources) expect(await allowed(subject.id, name, { type, id }, asked)).toBe(true);
      counts.subjects += subjects.length;
      counts.actions += actions.length;
      counts.resources += resources.length;
      counts.found += subjects.length + actions.length + resources.length;
    }
    expect(Math.min(counts.subjects, counts.actions, counts.resources)).toBeGreaterThan(3);
    console.log(
      `AuthZEN searches against evaluations: seed=20261128 things=${fleet.length} searches=360 ${JSON.stringify(counts)}`,
    );
  });

  it('a search is nobody being seen, and no decision', async () => {
    await server.services.chores.run('write-last-seen');
    await server.services.chores.run('write-decisions');
    const before = (await server.owner.get('/v1/decisions?limit=1000')).body.items.length;
    const { token } = await enroll(server, { policies: ['people'], attributes: { role: 'author' } });
    await provision(server, token, 'carol');
    expect(await found(pep, 'subject', { subject: things, action: read, resource: record(1) })).toContain('carol');
    expect(await found(pep, 'action', { subject: { type: 'thing', id: 'carol' }, resource: record(1) })).toHaveLength(
      2,
    );
    await server.services.chores.run('write-last-seen');
    await server.services.chores.run('write-decisions');
    expect((await server.owner.get('/v1/decisions?limit=1000')).body.items).toHaveLength(before);
    expect((await server.owner.get('/v1/things/carol')).body.lastSeenAt ?? null).toBeNull();
  });
});

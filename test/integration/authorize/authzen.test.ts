import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  active,
  alice,
  archived,
  bob,
  createScenario,
  read,
  record,
  remove,
  write,
} from '../../support/authorize/authzen.js';
import type { Client } from '../../support/client.js';
import { enroll, provision } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';

const one = '/access/v1/evaluation';
const several = '/access/v1/evaluations';
const context = { time: '2025-06-27T18:03-07:00', ip: '192.168.1.1' };

/** The certification scenario of the Authorization API 1.0, level by level; searches have a file of their own. */
describe('AuthZEN', () => {
  let server: TestServer;
  let pep: Client;

  beforeAll(async () => {
    server = await startServer('embedded', { THINGWARD_PUBLIC_URL: 'https://pdp.example.com' });
    pep = await createScenario(server);
  });
  afterAll(() => server.stop());

  const decision = async (body: object) => {
    const answer = await pep.post(one, body);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/json; charset=utf-8']);
    expect(typeof answer.body.decision).toBe('boolean');
    expect(answer.headers.get('thingward-decision')).toBe(answer.body.decision ? 'allow' : 'deny');
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(Date.parse(answer.body.context.validUntil)).toBeLessThanOrEqual(server.now().getTime() + 6000);
    return answer.body.decision as boolean;
  };
  const decisions = async (body: object) => {
    const answer = await pep.post(several, body);
    expect(answer.status, answer.text).toBe(200);
    expect(Object.keys(answer.body)).toEqual(['evaluations']);
    return answer.body.evaluations.map((each: { decision: boolean }) => each.decision) as boolean[];
  };

  it.each<[boolean, string, object]>([
    [true, 'alice reads', { subject: alice, action: read, resource: record(1) }],
    [true, 'alice writes', { subject: alice, action: write, resource: record(1) }],
    [true, 'bob reads', { subject: bob, action: read, resource: record(1) }],
    [false, 'bob writes', { subject: bob, action: write, resource: record(1) }],
    [true, 'a context of strange members', { subject: alice, action: read, resource: record(1), context }],
    [
      true,
      'properties that nobody asks for',
      {
        subject: { ...alice, properties: { department: 'Sales', role: 'manager', nested: [{ a: null }] } },
        action: { ...read, properties: { method: 'GET' } },
        resource: record(1, { ...active, owner: 'bob' }),
      },
    ],
    [true, 'members that are not known', { subject: alice, action: read, resource: record(1), foo: { a: ['b'] } }],
    [true, 'null is absent', { subject: alice, action: read, resource: record(1), context: null }],
    [false, 'a subject of another type', { subject: { type: 'user', id: 'alice' }, action: read, resource: record(1) }],
    [false, 'a subject that is not there', { subject: { ...alice, id: 'x\0' }, action: read, resource: record(1) }],
    [false, 'a resource of another type', { subject: alice, action: read, resource: { type: 'record', id: 'x' } }],
    [false, 'an action that is none', { subject: alice, action: { name: 'READ' }, resource: record(1) }],
  ])('Basic Core: %s, %s', async (expected, _what, body) => {
    for (let again = 0; again < 3; again++) expect(await decision(body)).toBe(expected);
  });

  it.each<[boolean, string, object]>([
    [false, 'an archived record', { subject: alice, action: write, resource: record(2, archived) }],
    [
      true,
      'the role that bob has',
      { subject: { ...bob, properties: { role: 'admin' } }, action: write, resource: record(2, archived) },
    ],
    [true, 'a soft delete', { subject: alice, action: remove(true), resource: { type: 'topic', id: 'record-1' } }],
    [false, 'a hard delete', { subject: alice, action: remove(false), resource: { type: 'topic', id: 'record-1' } }],
    [
      false,
      'a role that alice only says she has',
      { subject: { ...alice, properties: { role: 'admin' } }, action: write, resource: record(2, archived) },
    ],
    [
      true,
      'a role that bob has, whatever is said',
      { subject: { ...bob, properties: { role: 'author', id: 'x' } }, action: write, resource: record(2) },
    ],
  ])('Basic Properties: %s, %s', async (expected, _what, body) => expect(await decision(body)).toBe(expected));

  it('context and properties: as text too, and what contradicts itself is unsaid', async () => {
    const asked = (said: unknown, properties: object = {}) =>
      decision({
        subject: alice,
        action: { name: 'publish', properties },
        resource: { type: 'topic', id: 'record-1' },
        context: { retain: said },
      });
    expect(await asked(true)).toBe(true);
    expect(await asked('true')).toBe(true);
    expect(await asked('true', { retain: true })).toBe(true);
    expect(await asked(null, { retain: 'true' })).toBe(true);
    for (const said of [false, 'false', 'TRUE', 1, ['true'], { retain: true }])
      expect(await asked(said), JSON.stringify(said)).toBe(false);
    expect(await asked(true, { retain: false })).toBe(false);
    expect(await asked('yes', { retain: true })).toBe(false);
    expect(await asked(['true'], { retain: true })).toBe(false);
  });

  it('a client id of the wrong type is not an absent one', async () => {
    const { token } = await enroll(server, { policy: 'sensor' });
    await provision(server, token, 'pump-1');
    const resource = { type: 'topic', id: 'default/pump-1/telemetry/x' };
    const asked = (clientId: unknown) =>
      decision({
        subject: { type: 'thing', id: 'pump-1' },
        action: { name: 'publish' },
        resource,
        context: { clientId },
      });
    expect(await asked('pump-1')).toBe(true);
    expect(await asked(null)).toBe(true);
    for (const clientId of ['pump-2', 7, ['pump-1'], {}, true, 'x'.repeat(70_000)])
      expect(await asked(clientId), JSON.stringify(clientId).slice(0, 20)).toBe(false);
  });

  it('a type with a colon says nothing else than it seems to', async () => {
    const asked = (type: string, id: string) =>
      decision({ subject: alice, action: read, resource: { type, id: id.slice(0, 100) } });
    expect(await asked('endpoint', 'record-1')).toBe(true);
    expect(await asked('endpoint:record-1', '')).toBe(false);
    const retained = { subject: alice, action: remove(true) };
    await server.owner.post('/v1/policies', {
      name: 'colons',
      statements: [{ id: 'a', effect: 'allow', actions: ['publish'], resources: ['topic:a:b'] }],
    });
    await server.owner.send('PUT', '/v1/things/bob/policies', { policies: ['people', 'colons'] });
    const bobs = { ...retained, subject: bob };
    expect(await decision({ ...bobs, resource: { type: 'topic', id: 'a:b' } })).toBe(true);
    expect(await decision({ ...bobs, resource: { type: 'topic:a', id: 'b' } })).toBe(false);
  });

  it('Batch Core: in order, with what all share or without', async () => {
    const asks = { action: read, evaluations: [{ resource: record(1) }, { resource: record(2) }] };
    expect(await decisions({ subject: alice, ...asks })).toEqual([true, false]);
    expect(
      await decisions({ subject: bob, resource: record(1), evaluations: [{ action: read }, { action: write }] }),
    ).toEqual([true, false]);
    expect(
      await decisions({
        evaluations: [
          { subject: alice, action: read, resource: record(1) },
          { subject: bob, action: write, resource: record(1) },
        ],
      }),
    ).toEqual([true, false]);
    const own = { ...context, source: 'its own' };
    const inherited = [{ resource: record(1) }, { resource: record(1), context: own }];
    expect(await decisions({ subject: alice, action: read, context, evaluations: inherited })).toEqual([true, true]);
  });

  it('Batch Properties: each item by its own, members taken whole', async () => {
    const records = [{ resource: record(1, active) }, { resource: record(2, archived) }];
    expect(await decisions({ subject: alice, action: write, evaluations: records })).toEqual([true, false]);
    const subjects = [{ subject: alice }, { subject: { ...bob, properties: { role: 'admin' } } }];
    const archive = { action: write, resource: record(2, archived) };
    expect(await decisions({ ...archive, evaluations: subjects })).toEqual([false, true]);
    const shared = { subject: alice, action: write, resource: record(1, active) };
    const partly = [{}, { resource: record(2, archived) }, { resource: { id: 'record-1' } }, { context: null }];
    expect(await decisions({ ...shared, evaluations: partly })).toEqual([true, false, false, true]);
  });

  it('what is incomplete or unknown denies itself alone', async () => {
    const good = { resource: record(1) };
    const bad = [
      {},
      null,
      7,
      'x',
      [],
      { resource: 'x' },
      { resource: record(1), subject: {} },
      { action: { name: 1 } },
    ];
    const strange = [{ ...good, subject: { type: 'user', id: 'alice' } }, { resource: { type: 'x', id: 'y' } }];
    const { status, body } = await pep.post(several, {
      subject: alice,
      action: read,
      options: { evaluations_semantic: 'execute_all', another: 1 },
      evaluations: [good, ...bad, ...strange, good],
    });
    expect(status).toBe(200);
    const answers = body.evaluations as { decision: boolean; context: { reasons: string[]; error?: object } }[];
    expect(answers.map((answer) => answer.decision)).toEqual([true, ...[...bad, ...strange].map(() => false), true]);
    for (const { context: said } of answers.slice(1, 1 + bad.length))
      expect(said).toMatchObject({
        reasons: ['cannot-decide'],
        error: { status: 400, message: expect.stringContaining('evaluation') },
      });
    expect(answers.slice(-3, -1).map(({ context: said }) => said.reasons)).toEqual([
      ['unknown-principal'],
      ['malformed-resource'],
    ]);
  });

  it('the three semantics, of things that are known and of things that are looked up', async () => {
    const items = [
      { resource: record(1) },
      { resource: record(2) },
      {},
      { subject: bob, resource: record(1) },
      { subject: { type: 'thing', id: 'carol' }, resource: record(1) },
    ];
    const asked = (semantic?: string, evaluations: object[] = items) =>
      decisions({
        subject: alice,
        action: read,
        evaluations,
        ...(semantic ? { options: { evaluations_semantic: semantic } } : {}),
      });
    for (let again = 0; again < 2; again++) {
      expect(await asked()).toEqual([true, false, false, true, false]);
      expect(await asked('execute_all')).toEqual([true, false, false, true, false]);
      expect(await asked('deny_on_first_deny')).toEqual([true, false]);
      expect(await asked('deny_on_first_deny', [items[0]!, items[4]!, items[0]!])).toEqual([true, false]);
      expect(await asked('deny_on_first_deny', [{}, items[0]!])).toEqual([false]);
      expect(await asked('permit_on_first_permit')).toEqual([true]);
      expect(await asked('permit_on_first_permit', [...items.slice(1), items[0]!])).toEqual([false, false, true]);
    }
    const refused = { subject: alice, action: read, evaluations: items, options: { evaluations_semantic: 'any' } };
    expect((await pep.post(several, refused)).status).toBe(400);
  });

  it('without evaluations it is one; over a thousand are refused, a thousand are not', async () => {
    const asked = { subject: alice, action: read, resource: record(1) };
    for (const body of [asked, { ...asked, evaluations: [] }, { ...asked, evaluations: null }]) {
      const answer = await pep.post(several, body);
      expect([answer.body.decision, answer.headers.get('thingward-decision')]).toEqual([true, 'allow']);
    }
    const many = await decisions({ ...asked, evaluations: Array(1000).fill({}) });
    expect(many).toEqual(Array(1000).fill(true));
    expect((await pep.post(several, { ...asked, evaluations: Array(1001).fill({}) })).status).toBe(400);
    for (const evaluations of [{}, 'x', 1])
      expect((await pep.post(several, { ...asked, evaluations })).status).toBe(400);
  });

  it('Discovery: every endpoint that there is, each of them answering', async () => {
    const { headers, body } = await server.as(undefined).get('/.well-known/authzen-configuration');
    expect(headers.get('content-type')).toContain('application/json');
    expect(headers.get('cache-control')).toMatch(/^public, max-age=\d+$/);
    const { policy_decision_point: base, ...endpoints } = body as Record<string, string>;
    expect(base).toBe('https://pdp.example.com');
    expect(Object.keys(endpoints)).toContain('access_evaluation_endpoint');
    for (const url of Object.values(endpoints)) {
      expect(url.startsWith(`${base}/`)).toBe(true);
      expect((await server.as(undefined).post(url.slice(base!.length), {})).status, url).toBe(401);
    }
  });
});

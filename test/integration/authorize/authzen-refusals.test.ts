import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { alice, createScenario, read, record } from '../../support/authorize/authzen.js';
import { problemOf, type Client } from '../../support/client.js';
import { startServer, type TestServer } from '../../support/server.js';

const one = '/access/v1/evaluation';
const several = '/access/v1/evaluations';

describe('what AuthZEN refuses, and its headers', () => {
  let server: TestServer;
  let pep: Client;

  beforeAll(async () => {
    server = await startServer('embedded');
    pep = await createScenario(server);
  });
  afterAll(() => server.stop());

  it.each<[string, unknown]>([
    ['no subject', { action: read, resource: record(1) }],
    ['no action', { subject: alice, resource: record(1) }],
    ['no resource', { subject: alice, action: read }],
    ['a subject without type', { subject: { id: 'alice' }, action: read, resource: record(1) }],
    ['a subject without id', { subject: { type: 'thing' }, action: read, resource: record(1) }],
    ['an action without name', { subject: alice, action: {}, resource: record(1) }],
    ['a resource without type', { subject: alice, action: read, resource: { id: 'record-1' } }],
    ['a resource without id', { subject: alice, action: read, resource: { type: 'endpoint' } }],
    ['a subject that is text', { subject: 'alice', action: read, resource: record(1) }],
    ['an action that is a number', { subject: alice, action: { name: 123 }, resource: record(1) }],
    ['properties that are text', { subject: { ...alice, properties: 'x' }, action: read, resource: record(1) }],
    ['a context that is a list', { subject: alice, action: read, resource: record(1), context: [] }],
    ['no JSON', '{'],
    ['nothing', ''],
    ['a list', []],
    ['null', null],
  ])('400: %s', async (_what, body) => {
    for (const path of [one, several]) {
      const answer = await pep.send('POST', path, body, { 'x-request-id': 'r-1' });
      expect([answer.status, problemOf(answer)]).toEqual([400, 'invalid-request']);
      expect(answer.headers.get('x-request-id')).toBe('r-1');
      expect(answer.headers.get('thingward-decision')).toBeNull();
    }
  });

  it('400 for every content type but JSON', async () => {
    const body = JSON.stringify({ subject: alice, action: read, resource: record(1) });
    for (const type of ['text/plain', 'application/xml', 'application/x-www-form-urlencoded', 'x', 'text/json'])
      for (const path of [one, several])
        expect((await pep.send('POST', path, body, { 'content-type': type })).status, type).toBe(400);
    const patch = await pep.send('POST', one, body, { 'content-type': 'application/merge-patch+json' });
    expect(patch.status).toBe(400);
    const plain = await pep.send('POST', one, body, { 'content-type': 'Application/JSON; charset=utf-8' });
    expect(plain.body.decision).toBe(true);
  });

  it('X-Request-ID comes back with every answer', async () => {
    const nobody = server.as(undefined);
    const body = { subject: alice, action: read, resource: record(1) };
    const id = 'bfe9eb29 "any" text,; '.repeat(20).trim();
    const idOf = async (client: Client, method: string, path: string, sent?: unknown, headers = {}) => {
      const answer = await client.send(method, path, sent, { 'x-request-id': id, ...headers });
      return [answer.status, answer.headers.get('x-request-id')];
    };
    expect(await idOf(pep, 'POST', one, body)).toEqual([200, id]);
    expect(await idOf(pep, 'POST', several, { ...body, evaluations: [{}] })).toEqual([200, id]);
    expect(await idOf(nobody, 'POST', one, body)).toEqual([401, id]);
    expect(await idOf(server.as('twk_x'), 'POST', one, body)).toEqual([401, id]);
    const { key } = (await server.owner.post('/v1/api-keys', { role: 'auditor' })).body;
    expect(await idOf(server.as(key), 'POST', several, body)).toEqual([403, id]);
    expect(await idOf(pep, 'POST', one, body, { 'content-type': 'text/plain' })).toEqual([400, id]);
    expect(await idOf(pep, 'POST', one, { ...body, x: 'x'.repeat(600_000) })).toEqual([413, id]);
    expect(await idOf(pep, 'GET', one)).toEqual([405, id]);
    expect(await idOf(pep, 'POST', '/access/v1/nothing', body)).toEqual([404, id]);
    expect(await idOf(nobody, 'GET', '/.well-known/authzen-configuration')).toEqual([200, id]);
    // Elsewhere, and where none came, it is ours.
    expect((await idOf(nobody, 'GET', '/healthz'))[1]).not.toBe(id);
    const ours = /^[0-9a-f-]{36}$/;
    expect((await pep.post(one, body)).headers.get('x-request-id')).toMatch(ours);
    expect((await pep.send('POST', one, body, { 'x-request-id': 'é' })).headers.get('x-request-id')).toMatch(ours);
  });

  it('/v1/authorize says its decision in a header as well', async () => {
    const asked = async (resource: string) => {
      const principal = { thingName: 'alice' };
      const { status, headers, body } = await pep.post('/v1/authorize', { principal, action: 'read', resource });
      return [status, headers.get('thingward-decision'), body.decision, headers.get('cache-control')];
    };
    expect(await asked('endpoint:record-1')).toEqual([200, 'allow', 'allow', 'no-store']);
    expect(await asked('endpoint:record-2')).toEqual([200, 'deny', 'deny', 'no-store']);
    expect(await asked('nonsense')).toEqual([200, 'deny', 'deny', 'no-store']);
    const refused = await pep.post('/v1/authorize', {});
    expect([refused.status, refused.headers.get('thingward-decision')]).toEqual([400, null]);
  });
});

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { problemOf, type Answer, type Client } from '../../support/client.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { enroll, provision } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';

const statements = [{ id: 'say', effect: 'allow', actions: ['publish'], resources: ['topic:${thing.name}'] }];

describe.each(databaseKinds)('objects on %s', (kind) => {
  let server: TestServer;
  let owner: Client;
  let token: string;

  beforeAll(async () => {
    server = await startServer(kind);
    ({ owner } = server);
    token = (await enroll(server)).token;
  });
  afterAll(() => server.stop());

  const change = (method: string, path: string, ifMatch: string, body?: unknown, client = owner): Promise<Answer> =>
    client.send(method, path, body, { 'if-match': ifMatch });
  const tagOf = async (path: string) => {
    const { status, headers } = await owner.get(path);
    expect(status, path).toBe(200);
    return headers.get('etag')!;
  };
  const keyOf = async (request: object) =>
    (await owner.post('/v1/api-keys', request)).body as { id: string; key: string };

  describe('If-Match', () => {
    /** An object, and two changes of it. */
    const objects: [string, () => Promise<{ path: string; changes: [string, string, unknown?][] }>][] = [
      [
        'a thing',
        async () => {
          await provision(server, token, 'tagged');
          const path = '/v1/things/tagged';
          return {
            path,
            changes: [
              ['PATCH', path, { attributes: { site: 'oslo' } }],
              ['PUT', `${path}/policies`, { policies: [] }],
              ['DELETE', path],
            ],
          };
        },
      ],
      [
        'a segment',
        async () => {
          await owner.post('/v1/segments', { name: 'tagged', cidr: '10.0.0.0/8' });
          const path = '/v1/segments/tagged';
          return {
            path,
            changes: [
              ['PATCH', path, { deviceLimit: 5 }],
              ['DELETE', path],
            ],
          };
        },
      ],
      [
        'an API key',
        async () => {
          const path = `/v1/api-keys/${(await keyOf({ role: 'auditor' })).id}`;
          return {
            path,
            changes: [
              ['PATCH', path, { name: 'other' }],
              ['DELETE', path],
            ],
          };
        },
      ],
      [
        'a policy',
        async () => {
          await owner.post('/v1/policies', { name: 'tagged', statements });
          return { path: '/v1/policies/tagged', changes: [['DELETE', '/v1/policies/tagged']] };
        },
      ],
      [
        'an issuer',
        async () => {
          const [{ id }] = (await owner.get('/v1/issuers')).body.items;
          const path = `/v1/issuers/${id}`;
          return { path, changes: [['PATCH', path, { listMaxAge: 77 }]] };
        },
      ],
    ];

    it.each(objects)('lets %s be changed only by who knows it', async (_what, make) => {
      const { path, changes } = await make();
      const first = await tagOf(path);
      expect(first).toMatch(/^"[\w-]{22}"$/);
      for (const [method, place, body] of changes) {
        const present = await tagOf(path);
        for (const wrong of ['"else"', `W/${present}`, '"a", "b"']) {
          const refused = await change(method, place, wrong, body);
          expect([refused.status, problemOf(refused)], `${method} ${wrong}`).toEqual([412, 'precondition-failed']);
        }
        expect(await tagOf(path)).toBe(present);
        const done = await change(method, place, `"else", ${present}`, body);
        expect(done.status, done.text).toBeLessThan(300);
        if (done.status === 204) return;
        expect(done.headers.get('etag')).toBe(await tagOf(path));
        // A list that was empty and stays so changes nothing.
        if (method === 'PATCH') expect(await tagOf(path)).not.toBe(present);
      }
      expect((await change(changes[0]![0], changes[0]![1], '*', changes[0]![2])).status).toBe(200);
    });

    it('lets one of many at the same time change a thing', async () => {
      await provision(server, token, 'contended');
      const tag = await tagOf('/v1/things/contended');
      const answers = await Promise.all(
        Array.from({ length: 8 }, (_, n) =>
          change('PATCH', '/v1/things/contended', tag, { attributes: { n: String(n) } }),
        ),
      );
      expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array<number>(7).fill(412)]);
    });

    it('is refused where an object has no ETag, unless it is *', async () => {
      const { id } = (await owner.post('/v1/proxies', { name: 'edge' })).body as { id: string };
      const refused = await change('DELETE', `/v1/proxies/${id}`, '"tag"');
      expect([refused.status, problemOf(refused)]).toEqual([412, 'precondition-failed']);
      expect((await change('DELETE', `/v1/proxies/${id}`, '*')).status).toBe(204);
    });
  });

  describe('deleting a policy', () => {
    it('is refused while a thing or an enrollment has it, and says which', async () => {
      await owner.post('/v1/policies', { name: 'used', statements });
      const { id, token: used } = await enroll(server, { policy: 'used' });
      await provision(server, used, 'user');
      const refused = await owner.send('DELETE', '/v1/policies/used');
      expect([refused.status, problemOf(refused)]).toEqual([409, 'policy-in-use']);
      expect(refused.body.users).toEqual(['thing:user', `enrollment:${id}`]);
      await owner.post(`/v1/enrollments/${id}/revoke`);
      expect((await owner.send('DELETE', '/v1/policies/used')).body.users).toEqual(['thing:user']);
      await owner.send('PUT', '/v1/things/user/policies', { policies: [] });
      expect((await owner.send('DELETE', '/v1/policies/used')).status).toBe(204);
      expect((await owner.get('/v1/policies/used')).status).toBe(404);
      const again = await owner.send('PUT', '/v1/things/user/policies', { policies: ['used'] });
      expect([again.status, problemOf(again)]).toEqual([422, 'unknown-policy']);
    });

    it('counts at once, and another policy of that name begins anew', async () => {
      const decide = async () =>
        (
          await owner.post('/v1/authorize', {
            principal: { thingName: 'again' },
            action: 'publish',
            resource: 'topic:again',
          })
        ).body.decision as string;
      await owner.post('/v1/policies', { name: 'again', statements });
      const { answer } = await provision(server, token, 'again');
      expect(answer.status).toBe(201);
      await owner.send('PUT', '/v1/things/again/policies', { policies: ['again'] });
      expect(await decide()).toBe('allow');
      await owner.send('PUT', '/v1/things/again/policies', { policies: [] });
      expect((await owner.send('DELETE', '/v1/policies/again')).status).toBe(204);
      expect((await owner.post('/v1/policies', { name: 'again', statements })).body.version).toBe(1);
      await owner.send('PUT', '/v1/things/again/policies', { policies: ['again'] });
      expect(await decide()).toBe('allow');
    });

    it('and attaching it at the same time end in one of the two', async () => {
      await provision(server, token, 'racer');
      for (let round = 0; round < 10; round++) {
        await owner.post('/v1/policies', { name: 'race', statements });
        const [attached, deleted] = await Promise.all([
          owner.send('PUT', '/v1/things/racer/policies', { policies: ['race'] }),
          owner.send('DELETE', '/v1/policies/race'),
        ]);
        expect([
          [200, 409],
          [422, 204],
        ]).toContainEqual([attached.status, deleted.status]);
        await owner.send('PUT', '/v1/things/racer/policies', { policies: [] });
        if (deleted.status !== 204) await owner.send('DELETE', '/v1/policies/race');
      }
    });
  });

  describe('changing an API key', () => {
    it('changes its name, description and expiry at once, and nothing else', async () => {
      const { id, key } = await keyOf({ role: 'auditor', name: 'one', description: 'first' });
      const path = `/v1/api-keys/${id}`;
      const changed = await owner.send('PATCH', path, { name: 'two', description: null });
      expect([changed.status, changed.body]).toEqual([200, (await owner.get(path)).body]);
      expect(changed.body).toMatchObject({ name: 'two', role: 'auditor' });
      expect(changed.body).not.toHaveProperty('description');
      expect((await owner.send('PATCH', path, { role: 'owner' })).status).toBe(400);
      expect((await server.as(key).get('/v1/audit')).status).toBe(200);
      await owner.send('PATCH', path, { expiresAt: '2020-01-01T00:00:00Z' });
      expect((await server.as(key).get('/v1/audit')).status).toBe(401);
      await owner.send('PATCH', path, { expiresAt: null });
      expect((await server.as(key).get('/v1/audit')).status).toBe(200);
    });

    it('needs what the key may do, and never makes it outlive the key of its changer', async () => {
      const soon = new Date(server.now().getTime() + 3_600_000).toISOString();
      const later = new Date(server.now().getTime() + 7_200_000).toISOString();
      const small = await keyOf({ permissions: ['keys:write', 'keys:read'], expiresAt: soon });
      const weak = server.as(small.key);
      const other = await keyOf({ role: 'auditor' });
      expect((await weak.send('PATCH', `/v1/api-keys/${other.id}`, { name: 'mine' })).status).toBe(403);
      const equal = await keyOf({ permissions: ['keys:read'], expiresAt: soon });
      expect((await weak.send('PATCH', `/v1/api-keys/${equal.id}`, { name: 'mine' })).status).toBe(200);
      for (const expiresAt of [null, later]) {
        expect((await weak.send('PATCH', `/v1/api-keys/${equal.id}`, { expiresAt })).status).toBe(403);
        expect((await weak.send('PATCH', `/v1/api-keys/${small.id}`, { expiresAt })).status).toBe(403);
      }
    });

    it('never ends the last owner key', async () => {
      const [own] = (await owner.get('/v1/api-keys?role=owner')).body.items;
      const refused = await owner.send('PATCH', `/v1/api-keys/${own.id}`, { expiresAt: '2020-01-01T00:00:00Z' });
      expect([refused.status, problemOf(refused)]).toEqual([409, 'conflict']);
    });
  });
});

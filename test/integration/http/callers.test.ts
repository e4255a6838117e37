import fastify from 'fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { installCallers } from '../../../src/http/callers.js';
import { createFailureLimiter } from '../../../src/http/failure-limiter.js';
import { createTurns } from '../../../src/http/turns.js';
import { createRateLimiter } from '../../../src/http/rate-limiter.js';
import { permissions, permissionsOfRole, roles } from '../../../src/access/permissions.js';
import { samplePath } from '../../support/openapi.js';
import { brokerRoutes, expectInWords } from '../../support/brokers/routes.js';
import { problemOf } from '../../support/client.js';
import { anyDatabase } from '../../support/databases/databases.js';
import { enroll, provision } from '../../support/fleet.js';
import { inventory, type Asked } from '../../support/access/inventory.js';
import { acceptByPasskey } from '../../support/people/browser.js';
import { startServer, type TestServer } from '../../support/server.js';

/** What is said of an admitted request. */
const afterwards = new Set<string | undefined>(['invalid-client', 'step-up-required']);

/** Routes that answer with events for as long as somebody listens. */
const endless = new Set(['GET /v1/revocations/stream', 'GET /v1/edge/stream', 'GET /v1/stale']);

type Kind = {
  token: string | undefined;
  holds: ReadonlySet<string>;
  wrong?: [status: number, problem: string];
  /** Of a browser. */
  headers?: Record<string, string>;
};

const unseen: [number, string] = [401, 'missing-credential'];

/** What a caller of a kind must get from a route: a refusal, or anything but one. */
function expected(access: Asked, { holds, wrong, headers }: Kind): [number, string] | 'admitted' {
  if (access === 'public') return 'admitted';
  if (access === 'browser that was sent') return [401, 'invalid-credential'];
  if (access === 'page') return headers ? 'admitted' : [403, 'cross-site'];
  if (wrong) return wrong;
  return [access].flat().every((each) => holds.has(each)) ? 'admitted' : [403, 'forbidden'];
}

describe.each(anyDatabase)('callers on %s', (kind) => {
  let server: TestServer;
  const kinds: Record<string, Kind> = {};

  beforeAll(async () => {
    // Every route is asked by callers that nobody knows.
    server = await startServer(kind, { THINGWARD_FAILED_CREDENTIALS_PER_MINUTE: '100000' });
    const { token: enrollment } = await enroll(server);
    const device = await provision(server, enrollment, 'matrix-device');
    const unknown: [number, string] = [401, 'invalid-credential'];
    const none = new Set<string>();
    kinds['no credential'] = { token: undefined, holds: none, wrong: [401, 'missing-credential'] };
    kinds['an unknown API key'] = { token: `twk_${'A'.repeat(43)}`, holds: none, wrong: unknown };
    kinds['an unknown enrollment token'] = { token: `twe_${'A'.repeat(43)}`, holds: none, wrong: unknown };
    kinds['no token at all'] = { token: 'abc', holds: none, wrong: unknown };
    kinds['a token with alg none'] = { token: 'eyJhbGciOiJub25lIn0.e30.', holds: none, wrong: unknown };
    kinds['a refresh token'] = { token: device.answer.body.token.refreshToken, holds: none, wrong: unknown };
    kinds['an enrollment token'] = { token: enrollment, holds: new Set(['enrollment']) };
    kinds["a device's access token"] = { token: device.answer.body.token.accessToken, holds: new Set(['thing']) };
    for (const role of roles) {
      const { key } = (await server.owner.post('/v1/api-keys', { role })).body;
      const { link } = (await server.owner.post('/v1/people', { name: role, role })).body;
      const { browser } = await acceptByPasskey(server, link);
      kinds[`a person with the role ${role}`] = {
        token: undefined,
        headers: { 'sec-fetch-site': 'same-origin', cookie: `thingward=${browser.cookies.get('thingward')}` },
        holds: new Set(['person', ...permissionsOfRole(role, 'default')]),
      };
      kinds[`the role ${role}`] = { token: key, holds: new Set(permissionsOfRole(role, 'default')) };
    }
    for (const permission of permissions) {
      const { key } = (await server.owner.post('/v1/api-keys', { permissions: [permission] })).body;
      kinds[`only ${permission}`] = { token: key, holds: new Set([permission]) };
    }
    const acme = (await server.owner.post('/v1/accounts', { name: 'acme' })).body.ownerKey;
    kinds['the owner of another account'] = { token: acme, holds: new Set(permissionsOfRole('owner', 'acme')) };
    const deleted = (await server.owner.post('/v1/api-keys', { role: 'owner' })).body;
    await server.owner.send('DELETE', `/v1/api-keys/${deleted.id}`);
    kinds['a deleted key'] = { token: deleted.key, holds: none, wrong: unknown };
    const expiresAt = new Date(server.now().getTime() + 30_000).toISOString();
    const expired = (await server.owner.post('/v1/api-keys', { role: 'admin', expiresAt })).body;
    server.advance(31);
    kinds['an expired key'] = { token: expired.key, holds: none, wrong: unknown };
    const closed = (await server.owner.post('/v1/accounts', { name: 'closed' })).body.ownerKey;
    await server.owner.post('/v1/accounts/closed/suspend');
    kinds['a suspended account'] = { token: closed, holds: none, wrong: [403, 'account-suspended'] };
  });
  afterAll(() => server.stop());

  it('the inventory is every route of openapi.json, and no other', async () => {
    const { paths } = (await server.as(undefined).get('/openapi.json')).body as { paths: Record<string, object> };
    const routes = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(routes.sort()).toEqual(Object.keys(inventory).sort());
  });

  it('every route gives every kind of caller the expected status', async () => {
    let checked = 0;
    for (const [route, access] of Object.entries(inventory)) {
      const [method, path] = route.split(' ') as [string, string];
      for (const [name, caller] of Object.entries(kinds)) {
        // The cookies of a browser that reach a broker or proxy are those of its clients: there they show nobody.
        const isUnseen = caller.headers !== undefined && path.startsWith('/integrations/');
        const want = isUnseen ? unseen : expected(access, caller);
        if (endless.has(route) && want === 'admitted') {
          // It never ends: its head is the answer.
          const headers = caller.headers ?? { authorization: `Bearer ${caller.token}` };
          const opened = await fetch(`${server.url}${path}`, { headers });
          expect([opened.status, opened.headers.get('content-type')], name).toEqual([200, 'text/event-stream']);
          await opened.body?.cancel();
          checked++;
          continue;
        }
        const answer = await server
          .direct(caller.token)
          .send(method, samplePath(path), method === 'GET' || method === 'DELETE' ? undefined : {}, caller.headers);
        checked++;
        if (route in brokerRoutes) {
          expectInWords(answer, want === 'admitted', `${route} as ${name}`);
          continue;
        }
        const got = [answer.status, problemOf(answer)];
        const isRefused = [401, 403].includes(answer.status) && !afterwards.has(problemOf(answer));
        if (want === 'admitted') expect(isRefused, `${route} as ${name}: ${got.join(' ')}`).toBe(false);
        else expect(got, `${route} as ${name}`).toEqual(want);
      }
    }
    console.log(
      `callers on ${kind}: routes=${Object.keys(inventory).length} kinds=${Object.keys(kinds).length} checked=${checked}`,
    );
  });

  it('Basic carries a key as its password', async () => {
    const authorization = `Basic ${Buffer.from(`anyone:${server.ownerKey}`).toString('base64')}`;
    expect((await server.as(undefined).send('GET', '/v1/things', undefined, { authorization })).status).toBe(200);
  });

  it('a key in the URL is not a credential', async () => {
    expect((await server.as(undefined).get(`/v1/things?key=${server.ownerKey}`)).status).toBe(401);
  });

  it('nobody grants what they lack, nor for longer', async () => {
    const make = async (request: object) => (await server.owner.post('/v1/api-keys', request)).body.key as string;
    const limited = server.as(await make({ permissions: ['keys:write', 'things:read'] }));
    expect((await limited.post('/v1/api-keys', { permissions: ['things:read'] })).status).toBe(201);
    for (const request of [
      { role: 'owner' },
      { role: 'auditor' },
      { permissions: ['things:read', 'things:write'] },
      { permissions: ['accounts:write'] },
    ]) {
      expect(problemOf(await limited.post('/v1/api-keys', request))).toBe('forbidden');
    }
    const expiresAt = new Date(server.now().getTime() + 3_600_000).toISOString();
    const brief = server.as(await make({ role: 'owner', expiresAt }));
    expect(problemOf(await brief.post('/v1/api-keys', { role: 'proxy' }))).toBe('forbidden');
    expect((await brief.post('/v1/api-keys', { role: 'proxy', expiresAt })).status).toBe(201);
  });
});

describe('a route that says nothing about its callers', () => {
  it('stops the server from starting', () => {
    const app = fastify();
    installCallers(
      app,
      [],
      createFailureLimiter(1, () => new Date()),
      {
        rates: createRateLimiter({ read: 1, write: 1, heavy: 1, anonymous: 100 }, () => new Date()),
        turns: createTurns(),
      },
    );
    expect(() => app.get('/unguarded', async () => 'open')).toThrow(/GET \/unguarded declares no access/);
    expect(() => app.get('/guarded', { config: { access: 'things:read' } }, async () => 'shut')).not.toThrow();
  });
});

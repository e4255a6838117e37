import fastify from 'fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Access } from '../../../src/access/admission.js';
import { installCallers } from '../../../src/http/callers.js';
import { createFailureLimiter } from '../../../src/http/failure-limiter.js';
import { createTurns } from '../../../src/http/turns.js';
import { createRateLimiter } from '../../../src/http/rate-limiter.js';
import { permissions, permissionsOfRole, roles, type Permission } from '../../../src/access/permissions.js';
import { problemOf } from '../../support/client.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { enroll, provision } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';

/** Every route and what it asks of its callers, written down a second time; a list is all of it. */
const inventory: Record<string, Access | Permission[]> = {
  'POST /v1/provision': 'enrollment',
  'POST /v1/renew': 'public',
  'POST /v1/token': 'public',
  'POST /v1/token/revoke': 'public',
  'POST /v1/introspect': 'authorize:query',
  'GET /v1/self': 'thing',
  'GET /.well-known/jwks.json': 'public',
  'GET /.well-known/oauth-authorization-server': 'public',
  'GET /.well-known/openid-configuration': 'public',
  'GET /ca/chain.pem': 'public',
  'GET /ca/{account}/chain.pem': 'public',
  'GET /crl/bundle.pem': 'public',
  'GET /crl/{account}/bundle.pem': 'public',
  'GET /crl/{issuerId}.crl': 'public',
  'GET /crl/{issuerId}.pem': 'public',
  'POST /ocsp': 'public',
  'GET /ocsp/{rest}': 'public',
  'GET /healthz': 'public',
  'GET /': 'public',
  'GET /readyz': 'public',
  'GET /metrics': 'public',
  'POST /v1/accounts': 'accounts:write',
  'GET /v1/accounts': 'accounts:write',
  'POST /v1/accounts/{name}/suspend': 'accounts:write',
  'POST /v1/accounts/{name}/resume': 'accounts:write',
  'POST /v1/api-keys': 'keys:write',
  'GET /v1/api-keys': 'keys:read',
  'GET /v1/api-keys/{id}': 'keys:read',
  'DELETE /v1/api-keys/{id}': 'keys:write',
  'POST /v1/enrollments': ['enrollments:write', 'policies:attach'],
  'GET /v1/enrollments': 'enrollments:read',
  'GET /v1/enrollments/{id}': 'enrollments:read',
  'POST /v1/enrollments/{id}/revoke': 'enrollments:write',
  'GET /v1/things': 'things:read',
  'GET /v1/things/{name}': 'things:read',
  'PATCH /v1/things/{name}': 'things:write',
  'PUT /v1/things/{name}/policies': 'policies:attach',
  'POST /v1/things/{name}/reenroll': ['things:write', 'certificates:revoke'],
  'GET /v1/certificates': 'certificates:read',
  'GET /v1/certificates/{serialNumber}': 'certificates:read',
  'POST /v1/certificates/{serialNumber}/revoke': 'certificates:revoke',
  'POST /v1/certificates/{serialNumber}/release': 'certificates:release',
  'POST /v1/things/{name}/suspend': 'certificates:revoke',
  'POST /v1/things/{name}/resume': 'certificates:revoke',
  'POST /v1/things/{name}/revoke': 'certificates:revoke',
  'DELETE /v1/things/{name}': 'certificates:revoke',
  'GET /v1/revocations': 'revocations:read',
  'GET /v1/revocations/snapshot': 'revocations:read',
  'GET /v1/revocations/snapshot.jws': 'revocations:read',
  'GET /v1/revocations/stream': 'revocations:read',
  'GET /v1/audit': 'audit:read',
  'PATCH /v1/api-keys/{id}': 'keys:write',
  'DELETE /v1/policies/{name}': 'policies:write',
  'GET /v1/issuers/{id}': 'certificates:read',
  'GET /v1/audit/export': 'audit:read',
  'GET /v1/decisions': 'audit:read',
  'POST /v1/policies': 'policies:write',
  'GET /v1/policies': 'policies:read',
  'GET /v1/policies/{name}': 'policies:read',
  'POST /v1/policies/lint': 'policies:read',
  'POST /v1/policies/simulate': 'policies:read',
  'GET /v1/policies/{name}/versions': 'policies:read',
  'POST /v1/policies/{name}/versions': 'policies:write',
  'GET /v1/policies/{name}/versions/{version}': 'policies:read',
  'POST /v1/policies/{name}/activate': 'policies:write',
  'POST /v1/segments': 'segments:write',
  'GET /v1/segments': 'segments:read',
  'GET /v1/segments/{name}': 'segments:read',
  'PATCH /v1/segments/{name}': 'segments:write',
  'DELETE /v1/segments/{name}': 'segments:write',
  'PUT /v1/segments/{name}/things/{thingName}': 'segments:write',
  'DELETE /v1/segments/{name}/things/{thingName}': 'segments:write',
  'POST /v1/authorize': 'authorize:query',
  'POST /v1/authorize/batch': 'authorize:query',
  'POST /access/v1/evaluation': 'authorize:query',
  'POST /access/v1/evaluations': 'authorize:query',
  'POST /access/v1/search/subject': ['authorize:query', 'things:read'],
  'POST /access/v1/search/action': 'authorize:query',
  'POST /access/v1/search/resource': 'authorize:query',
  'GET /.well-known/authzen-configuration': 'public',
  'GET /v1/aws': 'aws:write',
  'PUT /v1/aws': 'aws:write',
  'POST /v1/aws/retry': 'aws:write',
  'POST /v1/aws/reconcile': ['aws:write', 'things:read'],
  'GET /v1/aws/reconcile': ['aws:write', 'things:read'],
  'GET /v1/aws/reconcile/{id}': ['aws:write', 'things:read'],
  'POST /v1/aws/import': [
    'aws:write',
    'things:read',
    'things:write',
    'enrollments:write',
    'policies:write',
    'policies:attach',
    'certificates:revoke',
  ],
  'GET /v1/aws/import/{id}': ['aws:write', 'things:read'],
  'POST /v1/things/{name}/aws/retry': 'aws:write',
  'GET /v1/policies/{name}/aws': 'policies:read',
  'POST /integrations/aws-authorizer': 'authorize:query',
  'GET /v1/issuers': 'certificates:read',
  'PATCH /v1/issuers/{id}': 'issuers:write',
  'GET /crl/{issuerId}/delta.crl': 'public',
  'GET /crl/{issuerId}/delta.pem': 'public',
  'GET /crl/{issuerId}/{shard}.crl': 'public',
  'GET /crl/{issuerId}/{shard}.pem': 'public',
  'GET /status/{issuerId}': 'public',
  'GET /status/{issuerId}.gaps': 'public',
  'POST /v1/revocations/bulk': 'certificates:revoke',
  'GET /v1/revocations/bulk/{id}': 'certificates:read',
  'GET /v1/revocations/{position}': 'revocations:read',
  'POST /v1/proxies': 'proxies:write',
  'GET /v1/proxies': 'revocations:read',
  'DELETE /v1/proxies/{id}': 'proxies:write',
  'POST /v1/proxies/{id}/applied': 'proxies:write',
  'POST /v1/proxies/{id}/sessions': 'proxies:write',
  'GET /v1/sessions': 'things:read',
  'DELETE /v1/sessions/{id}': 'certificates:revoke',
  'GET /v1/edge/snapshot': 'edge:follow',
  'GET /v1/edge/stream': 'edge:follow',
  'POST /v1/edge/principals': 'edge:follow',
  'POST /v1/self/revoke': 'public',
};

const samples: Record<string, string> = {
  '{account}': 'default',
  '{name}': 'nobody',
  '{id}': '00000000-0000-4000-8000-000000000000',
  '{serialNumber}': '01'.repeat(20),
  '{issuerId}': '0'.repeat(16),
  '{shard}': '1',
  '{position}': '1',
  '{version}': '1',
  '{thingName}': 'nobody',
};

const pathOf = (route: string) => route.replace(/\{\w+\}/g, (name) => samples[name]!);

type Kind = { token: string | undefined; holds: ReadonlySet<string>; wrong?: [status: number, problem: string] };

/** What a caller of a kind must get from a route: a refusal, or anything but one. */
function expected(access: Access | Permission[], { holds, wrong }: Kind): [number, string] | 'admitted' {
  if (access === 'public') return 'admitted';
  if (wrong) return wrong;
  return [access].flat().every((each) => holds.has(each)) ? 'admitted' : [403, 'forbidden'];
}

describe.each(databaseKinds)('callers on %s', (kind) => {
  let server: TestServer;
  const kinds: Record<string, Kind> = {};

  beforeAll(async () => {
    server = await startServer(kind);
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
        const want = expected(access, caller);
        if (route.endsWith('/stream') && want === 'admitted') {
          // It never ends: its head is the answer.
          const opened = await fetch(`${server.url}${path}`, { headers: { authorization: `Bearer ${caller.token}` } });
          expect([opened.status, opened.headers.get('content-type')], name).toEqual([200, 'text/event-stream']);
          await opened.body?.cancel();
          checked++;
          continue;
        }
        const answer = await server
          .direct(caller.token)
          .send(method, pathOf(path), method === 'GET' || method === 'DELETE' ? undefined : {});
        const got = [answer.status, problemOf(answer)];
        const isRefused = [401, 403].includes(answer.status) && problemOf(answer) !== 'invalid-client';
        if (want === 'admitted') expect(isRefused, `${route} as ${name}: ${got.join(' ')}`).toBe(false);
        else expect(got, `${route} as ${name}`).toEqual(want);
        checked++;
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

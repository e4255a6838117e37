import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Role } from '../../../src/access/permissions.js';
import { problemOf, type Client } from '../../support/client.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { enroll, provision } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';

describe.each(databaseKinds)('an effect needs its own permission, on %s', (kind) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer(kind);
  });
  afterAll(() => server.stop());

  const keyOf = async (request: object): Promise<{ id: string; as: Client }> => {
    const { body } = await server.owner.post('/v1/api-keys', request);
    return { id: body.id, as: server.as(body.key) };
  };
  const withList = async (...permissions: string[]) => (await keyOf({ permissions })).as;
  const withRole = async (role: Role) => (await keyOf({ role })).as;
  const enrollment = (more: object = {}) => ({ thingNamePattern: '*', maxUses: 5, ...more });

  it('enrollments:write alone attaches no policy, fills no segment, sets no attribute and revokes nothing', async () => {
    await server.owner.post('/v1/segments', { name: 'dock', cidr: '10.0.0.0/8' });
    const made = await enroll(server, {});
    const { answer } = await provision(server, made.token, 'kept');
    const alone = await withList('enrollments:write');
    expect(problemOf(await alone.post('/v1/enrollments', enrollment({ policy: 'sensor' })))).toBe('forbidden');
    expect(problemOf(await alone.post(`/v1/enrollments/${made.id}/revoke`, { andThings: true }))).toBe('forbidden');
    expect((await server.owner.get('/v1/things/kept')).body.status).toBe('active');
    expect(answer.status).toBe(201);
    expect((await alone.post(`/v1/enrollments/${made.id}/revoke`)).status).toBe(200);

    const attaching = await withList('enrollments:write', 'policies:attach');
    expect((await attaching.post('/v1/enrollments', enrollment())).status).toBe(201);
    for (const more of [{ segment: 'dock' }, { attributes: { site: 'a' } }, { deviceAttributes: ['site'] }])
      expect(problemOf(await attaching.post('/v1/enrollments', enrollment(more))), JSON.stringify(more)).toBe(
        'forbidden',
      );
    const operator = await withRole('operator');
    const attributes = { site: 'a' };
    expect((await operator.post('/v1/enrollments', enrollment({ attributes }))).status).toBe(201);
    expect((await operator.post('/v1/enrollments', enrollment({ segment: 'dock' }))).body.detail).toContain(
      'segments:write',
    );
  });

  it('flags of a key are given by owners, admins and keys that have them', async () => {
    const request = (flag: string) => ({ permissions: ['authorize:query'], [flag]: true });
    const maker = await withList('keys:write', 'authorize:query');
    const admin = await withRole('admin');
    for (const flag of ['bearer', 'enforcesCrl', 'followsFeed', 'inUrl']) {
      expect(problemOf(await maker.post('/v1/api-keys', request(flag))), flag).toBe('forbidden');
      expect((await admin.post('/v1/api-keys', request(flag))).status, flag).toBe(201);
    }
    const bearer = (await keyOf({ permissions: ['keys:write', 'authorize:query'], bearer: true })).as;
    expect((await bearer.post('/v1/api-keys', request('bearer'))).status).toBe(201);
    expect(problemOf(await bearer.post('/v1/api-keys', request('enforcesCrl')))).toBe('forbidden');
  });

  it('deleting a key needs what it holds, and the last owner key stays', async () => {
    const acme = (await server.owner.post('/v1/accounts', { name: `acme-${kind}` })).body.ownerKey;
    const owner = server.as(acme);
    const [{ id: first }] = (await owner.get('/v1/api-keys')).body.items;
    const admin = (await owner.post('/v1/api-keys', { role: 'admin' })).body;
    expect(problemOf(await server.as(admin.key).send('DELETE', `/v1/api-keys/${first}`))).toBe('forbidden');
    expect(problemOf(await owner.send('DELETE', `/v1/api-keys/${first}`))).toBe('conflict');
    // One that ends is an owner as long as it is good.
    const expiresAt = new Date(server.now().getTime() + 60_000).toISOString();
    const second = (await owner.post('/v1/api-keys', { role: 'owner', expiresAt })).body;
    const both = [first, second.id].map((id) => server.as(second.key).send('DELETE', `/v1/api-keys/${id}`));
    const statuses = (await Promise.all(both)).map(({ status }) => status).sort();
    expect(statuses.filter((status) => status === 204)).toHaveLength(1);
    const limited = await owner.post('/v1/api-keys', { permissions: ['keys:write'] });
    expect([201, 401]).toContain(limited.status);
  });

  it('an auditor registers no edge; proxies and edges do', async () => {
    expect(problemOf(await (await withRole('auditor')).post('/v1/proxies', { name: 'gate' }))).toBe('forbidden');
    const [proxy, edge] = [await withRole('proxy'), await withRole('edge')];
    const { id } = (await proxy.post('/v1/proxies', { name: 'gate' })).body;
    expect((await edge.post('/v1/proxies', { name: 'gate-2' })).status).toBe(201);
    expect(problemOf(await edge.send('DELETE', `/v1/proxies/${id}`))).toBe('forbidden');
    expect((await proxy.send('DELETE', `/v1/proxies/${id}`)).status).toBe(204);
  });

  it('names of things are shown with things:read only', async () => {
    const revoker = await withList('certificates:revoke');
    const question = { filter: { policy: 'sensor' }, reason: 'unspecified', dryRun: true };
    expect(problemOf(await revoker.post('/v1/revocations/bulk', question))).toBe('forbidden');
    const author = await withList('policies:write');
    expect(problemOf(await author.post('/v1/policies/sensor/activate', { version: 1, dryRun: true }))).toBe(
      'forbidden',
    );
    expect((await author.post('/v1/policies/sensor/activate', { version: 1 })).status).toBe(200);
    const secret = await enroll(server, { thingNamePattern: 'secret', attributes: { site: 'hidden' } });
    await provision(server, secret.token, 'secret');
    const condition = { attributes: { site: ['hidden'] } };
    const open = { id: 'open', effect: 'allow', actions: ['open'], resources: ['endpoint:gate'], condition };
    const requests = [{ thing: { name: 'secret' }, action: 'open', resource: 'endpoint:gate' }];
    const simulate = async (as: Client, policies?: object[]) => {
      const { status, body } = await as.post('/v1/policies/simulate', { policies, requests });
      return status === 200 ? body.decisions[0].decision : problemOf({ body } as never);
    };
    const reader = await withList('policies:read');
    expect(await simulate(reader, [{ statements: [open] }])).toBe('deny');
    expect(await simulate(reader)).toBe('forbidden');
    const both = await withList('policies:read', 'things:read');
    expect(await simulate(both, [{ statements: [open] }])).toBe('allow');
    expect(await simulate(both)).toBe('deny');
  });

  it('a re-enrollment ends certificates, so it needs certificates:revoke', async () => {
    const { token } = await enroll(server);
    await provision(server, token, 'lost');
    const writer = await withList('things:write');
    expect((await writer.post('/v1/things/lost/reenroll')).body.detail).toContain('certificates:revoke');
    expect((await (await withRole('operator')).post('/v1/things/lost/reenroll')).status).toBe(201);
  });

  it('a key with a role has what the role has now, a key with a list what was listed', async () => {
    const [old, listed] = [await keyOf({ role: 'proxy' }), await keyOf({ permissions: ['revocations:read'] })];
    // As the version before wrote them down.
    const permissions = ['authorize:query', 'revocations:read'];
    await server.database.client.apiKey.update({ where: { id: old.id }, data: { permissions } });
    const name = `edge-${randomUUID()}`;
    expect((await old.as.post('/v1/proxies', { name })).status).toBe(201);
    expect((await server.owner.get(`/v1/api-keys/${old.id}`)).body.permissions).toContain('proxies:write');
    expect(problemOf(await listed.as.post('/v1/proxies', { name: 'other' }))).toBe('forbidden');
  });

  it('a key of a later version is read, with what this one knows of it', async () => {
    const { id, as } = await keyOf({ permissions: ['keys:read'] });
    const later = { role: 'astronaut', permissions: ['moons:write', 'keys:read', 'things:read'] };
    await server.database.client.apiKey.update({ where: { id }, data: later });
    const shown = (await server.owner.get(`/v1/api-keys/${id}`)).body;
    expect([shown.role, shown.permissions]).toEqual([undefined, ['things:read', 'keys:read']]);
    expect((await server.owner.get('/v1/api-keys?limit=1000')).status).toBe(200);
    expect((await as.get('/v1/api-keys')).status).toBe(200);
    expect(problemOf(await as.send('DELETE', `/v1/api-keys/${id}`))).toBe('forbidden');
  });

  it('a migration does not read every certificate again while other instances wait', async () => {
    const [row] = await server.database.client.$queryRaw<{ validated: boolean }[]>`
      SELECT convalidated AS validated FROM pg_constraint WHERE conname = 'certificates_account_name_spki_sha256_fkey'`;
    expect(row).toEqual({ validated: false });
  });
});

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { problemOf } from '../../support/client.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { enroll, provision, renew, useKey, type Device } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';

const day = 86_400;

describe.each(databaseKinds)('how long certificates live, on %s', (kind) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer(kind);
    server.freeze();
  });
  afterAll(() => server.stop());

  const lifeOf = ({ answer }: Device): number =>
    Date.parse(answer.body.certificate.notAfter) / 1000 - Math.floor(server.now().getTime() / 1000);
  const boot = async (name: string, more: object) =>
    provision(server, (await enroll(server, { ...more, expiresAt: 'never' })).token, name);

  it('is 90 days, or as the enrollment says', async () => {
    expect(lifeOf(await boot('plain', {}))).toBe(90 * day);
    const { id, token } = await enroll(server, { certificateSeconds: 3600 });
    expect(lifeOf(await provision(server, token, 'short'))).toBe(3600);
    expect((await server.owner.get(`/v1/enrollments/${id}`)).body.certificateSeconds).toBe(3600);
    expect(lifeOf(await boot('long', { certificateSeconds: 300 * day }))).toBe(300 * day);
  });

  it('is the same when it is renewed', async () => {
    const device = await boot('renewed', { certificateSeconds: 7 * day });
    await useKey(server, device);
    expect(lifeOf(await renew(server, device))).toBe(7 * day);
  });

  it('is the same for a device that was approved', async () => {
    const { token } = await enroll(server, { certificateSeconds: 2 * day, approval: 'required' });
    const { csr, answer } = await provision(server, token, 'approved');
    await server.owner.post(`/v1/waiting/${answer.body.id}/approve`, {});
    const again = await server.as(token).post('/v1/provision', { thingName: 'approved', csr });
    expect(lifeOf({ answer: again } as Device)).toBe(2 * day);
  });

  it('is the same for a thing that is brought back', async () => {
    const device = await boot('back', { certificateSeconds: 5 * day });
    await server.owner.post('/v1/things/back/revoke', { reason: 'cessationOfOperation' });
    const { body } = await server.owner.post('/v1/things/back/reenroll', {});
    expect(device.answer.status).toBe(201);
    expect(lifeOf(await provision(server, body.token as string, 'back'))).toBe(5 * day);
  });

  it('gives nobody a certificate that has expired meanwhile', async () => {
    const { token } = await enroll(server, { certificateSeconds: 60 });
    const device = await provision(server, token, 'minute');
    server.advance(61);
    const again = await server.as(token).post('/v1/provision', { thingName: 'minute', csr: device.csr });
    expect(problemOf(again)).toBe('thing-exists');
  });

  it('stays within the limit of the account, also when that is lowered later', async () => {
    const { ownerKey } = (await server.owner.post('/v1/accounts', { name: 'short', maxCertificateSeconds: 10 * day }))
      .body;
    const tenant = { owner: server.as(ownerKey as string) };
    const refused = await tenant.owner.post('/v1/enrollments', {
      thingNamePattern: '*',
      maxUses: 1,
      certificateSeconds: 10 * day + 1,
    });
    expect(problemOf(refused)).toBe('invalid-request');
    expect(refused.body.detail).toContain('864000 s');
    const { token } = await enroll(tenant, { certificateSeconds: 10 * day });
    const plain = await enroll(tenant);
    const device = await provision(server, token, 'first');
    expect(lifeOf(device)).toBe(10 * day);
    expect(lifeOf(await provision(server, plain.token, 'plain'))).toBe(10 * day);
    const patched = await server.owner.send('PATCH', '/v1/accounts/short', { maxCertificateSeconds: 86_400 });
    expect(patched.body).toMatchObject({ maxCertificateSeconds: 86_400, renewGraceSeconds: 0 });
    await useKey(server, device);
    expect(lifeOf(await renew(server, device))).toBe(86_400);
  });

  it.each([59, 5 * 365 * day + 1, 1.5, '3600', -1])('400 for certificateSeconds %s', async (certificateSeconds) => {
    const answer = await server.owner.post('/v1/enrollments', {
      thingNamePattern: '*',
      maxUses: 1,
      certificateSeconds,
    });
    expect(answer.status).toBe(400);
  });

  it('never outlives the authority that signs it', async () => {
    server.advance(4.5 * 365 * day);
    await server.owner.send('PATCH', '/v1/accounts/default', { maxCertificateSeconds: 5 * 365 * day });
    const device = await boot('late', { certificateSeconds: 5 * 365 * day });
    expect(device.answer.status).toBe(201);
    expect(lifeOf(device)).toBeLessThan(0.6 * 365 * day);
  });
});

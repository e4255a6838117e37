import 'reflect-metadata';
import { createHash, X509Certificate } from 'node:crypto';
import { X509Crl } from '@peculiar/x509';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { problemOf, type Client } from '../../support/client.js';
import { csrPem, newKey } from '../../support/pki/csr.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { assertion, assertionType, enroll, pemOf, provision, signedBy, type Device } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';

const fingerprintOf = (device: Device): string =>
  createHash('sha256')
    .update(new X509Certificate(pemOf(device)).raw)
    .digest('hex');
const serialOf = ({ answer }: Device): string => answer.body.certificate.serialNumber as string;

// Lists are dated back.
const anHourBefore = (time: string): Date => new Date(Date.parse(time) - 3_600_000);

describe.each(databaseKinds)('revoking on %s', (kind) => {
  let server: TestServer;
  let bearer: Client;
  let enrollment: string;

  beforeAll(async () => {
    server = await startServer(kind);
    bearer = server.as(
      (await server.owner.post('/v1/api-keys', { permissions: ['authorize:query'], bearer: true })).body.key,
    );
    enrollment = (await enroll(server, { maxUses: 100_000 })).token;
  });
  afterAll(() => server.stop());

  const newDevice = (name: string) => provision(server, enrollment, name);

  /** What authorize says of a device by each form of principal. */
  async function verdicts(device: Device): Promise<string[]> {
    const resource = `topic:default/${device.name}/telemetry/x`;
    const { accessToken } = device.answer.body.token;
    const forms = [
      { token: accessToken },
      { fingerprint: fingerprintOf(device) },
      { certificatePem: pemOf(device) },
      { thingName: device.name },
    ];
    const answers = await Promise.all(
      forms.map((principal) => bearer.post('/v1/authorize', { principal, action: 'publish', resource })),
    );
    return answers.map(({ body }) => (body.decision === 'allow' ? 'allow' : (body.reasons[0] as string)));
  }

  /** The reason code that the issuing CA's list has for a certificate; undefined when it is not listed. */
  async function listed(device: Device): Promise<{ reason: number | undefined; at: Date } | undefined> {
    const url = new URL(device.answer.body.links.crl as string);
    const der = await (await fetch(`${server.url}${url.pathname}`)).arrayBuffer();
    const entry = new X509Crl(der).entries.find(
      ({ serialNumber }) => BigInt(`0x${serialNumber}`) === BigInt(`0x${serialOf(device)}`),
    );
    return entry && { reason: entry.reason, at: entry.revocationDate };
  }

  const revoke = (device: Device, reason: string) =>
    server.owner.post(`/v1/certificates/${serialOf(device)}/revoke`, { reason });

  it('a revoked certificate is in the list, and every principal form is refused, as soon as it is acknowledged', async () => {
    const device = await newDevice('rev-1');
    expect(await verdicts(device)).toEqual(Array(4).fill('allow'));
    const { status, body } = await revoke(device, 'privilegeWithdrawn');
    expect([status, body]).toEqual([
      200,
      {
        serialNumber: serialOf(device),
        status: 'revoked',
        reason: 'privilegeWithdrawn',
        revokedAt: expect.stringMatching(/Z$/),
        position: expect.any(Number),
        cursor: expect.stringMatching(new RegExp(`:${body.position}$`)),
      },
    ]);
    expect(await verdicts(device)).toEqual(Array(4).fill('certificate-revoked'));
    expect(await listed(device)).toMatchObject({ reason: 9, at: anHourBefore(body.revokedAt as string) });
    const token = await server
      .as(undefined)
      .post('/v1/token', { grant_type: 'refresh_token', refresh_token: device.answer.body.token.refreshToken });
    expect(problemOf(token)).toBe('invalid-grant');
    expect((await server.as(device.answer.body.token.accessToken).get('/v1/self')).status).toBe(401);
  });

  it('the same reason again is the first answer again; other changes follow the rules', async () => {
    const device = await newDevice('rev-2');
    const first = await revoke(device, 'unspecified');
    server.advance(60);
    await newDevice('rev-2b').then((other) => revoke(other, 'unspecified'));
    expect((await revoke(device, 'unspecified')).body).toEqual(first.body);
    expect(problemOf(await revoke(device, 'certificateHold'))).toBe('conflict');
    expect(problemOf(await revoke(device, 'superseded'))).toBe('conflict');
    const worse = await revoke(device, 'keyCompromise');
    expect(worse.body).toMatchObject({ reason: 'keyCompromise', revokedAt: first.body.revokedAt });
    expect(worse.body.position).toBeGreaterThan(first.body.position as number);
    expect(await listed(device)).toMatchObject({ reason: 1, at: anHourBefore(first.body.revokedAt as string) });
    expect(
      (
        await server.owner.post('/v1/certificates/0102030405060708090a0b0c0d0e0f1011121314/revoke', {
          reason: 'unspecified',
        })
      ).status,
    ).toBe(404);
    expect((await revoke(device, 'removeFromCRL')).status).toBe(400);
  });

  it('a hold can be released, and then the certificate is as good as before', async () => {
    const device = await newDevice('rev-3');
    const release = () => server.owner.post(`/v1/certificates/${serialOf(device)}/release`);
    expect((await release()).status).toBe(409);
    await revoke(device, 'certificateHold');
    expect(await listed(device)).toMatchObject({ reason: 6 });
    expect((await verdicts(device))[1]).toBe('certificate-revoked');
    expect((await server.owner.get(`/v1/certificates/${serialOf(device)}`)).body.status).toBe('held');
    const released = await release();
    expect([released.status, released.body.status]).toEqual([200, 'active']);
    expect(await listed(device)).toBeUndefined();
    expect(await verdicts(device)).toEqual(Array(4).fill('allow'));
    await revoke(device, 'certificateHold');
    expect((await revoke(device, 'affiliationChanged')).status).toBe(200);
    expect((await release()).status).toBe(409);
  });

  it('a suspension holds what is live and refuses tokens; resuming ends those holds and no others', async () => {
    const device = await newDevice('rev-4');
    const renewed = await renew(device);
    const held = await renew(device);
    await server.owner.post(`/v1/certificates/${held.serialNumber}/revoke`, { reason: 'certificateHold' });
    const act = (verb: string) => server.owner.post(`/v1/things/rev-4/${verb}`);
    expect((await act('suspend')).body).toMatchObject({ status: 'suspended', certificates: 2 });
    expect((await act('suspend')).body).toMatchObject({ status: 'suspended', certificates: 0 });
    expect(await verdicts(device)).toEqual([
      'token-revoked',
      'certificate-revoked',
      'certificate-revoked',
      'certificate-revoked',
    ]);
    expect(await listed(device)).toMatchObject({ reason: 6 });
    expect((await server.owner.post(`/v1/certificates/${renewed.serialNumber}/release`)).status).toBe(409);
    expect((await act('resume')).body).toMatchObject({ status: 'active', certificates: 2 });
    const statusOf = async (serial: string) => (await server.owner.get(`/v1/certificates/${serial}`)).body.status;
    expect([
      await statusOf(serialOf(device)),
      await statusOf(renewed.serialNumber),
      await statusOf(held.serialNumber),
    ]).toEqual(['active', 'active', 'held']);
    expect((await verdicts(device)).slice(0, 2)).toEqual(['token-revoked', 'allow']);
    expect(await listed(device)).toBeUndefined();
  });

  it('a revoked thing has nothing left, for ever; a barred key is never certified again', async () => {
    const device = await newDevice('rev-5');
    const renewed = await renew(device);
    const answer = await server.owner.post('/v1/things/rev-5/revoke', { reason: 'keyCompromise' });
    expect(answer.body).toMatchObject({ name: 'rev-5', status: 'revoked', certificates: 2 });
    expect(await verdicts(device)).toEqual([
      'token-revoked',
      'certificate-revoked',
      'certificate-revoked',
      'certificate-revoked',
    ]);
    expect((await server.owner.get(`/v1/certificates/${renewed.serialNumber}`)).body).toMatchObject({
      status: 'revoked',
      reason: 'keyCompromise',
    });
    for (const verb of ['suspend', 'resume'])
      expect((await server.owner.post(`/v1/things/rev-5/${verb}`)).status).toBe(409);
    expect((await server.owner.post('/v1/things/rev-5/revoke', { reason: 'keyCompromise' })).body).toMatchObject({
      status: 'revoked',
      certificates: 0,
    });
    expect(problemOf((await provision(server, enrollment, 'rev-5-again', {}, device.key)).answer)).toBe('bad-key');
    expect((await server.owner.post('/v1/things/nobody/revoke')).status).toBe(404);

    const survivor = await newDevice('rev-6');
    await server.owner.post(`/v1/certificates/${serialOf(survivor)}/revoke`, { reason: 'keyCompromise' });
    const { token } = (await server.owner.post('/v1/things/rev-6/reenroll')).body;
    expect(problemOf((await provision(server, token, 'rev-6', {}, survivor.key)).answer)).toBe('bad-key');
    expect((await provision(server, token, 'rev-6')).answer.status).toBe(201);
  });

  it('DELETE revokes everything; a device revokes itself and nobody else', async () => {
    const deleted = await newDevice('rev-7');
    expect((await server.owner.send('DELETE', '/v1/things/rev-7')).status).toBe(204);
    expect((await verdicts(deleted))[1]).toBe('certificate-revoked');
    expect(await listed(deleted)).toMatchObject({ reason: 5 });
    const [leaving, staying] = [await newDevice('rev-8'), await newDevice('rev-9')];
    const proof = await signedBy(server, leaving, { typ: 'revoke+jwt', claims: { reason: 'privilegeWithdrawn' } });
    const left = await server.as(undefined).post('/v1/self/revoke', { proof });
    expect(left.body).toMatchObject({ name: 'rev-8', status: 'revoked', certificates: 1 });
    expect((await verdicts(leaving))[1]).toBe('certificate-revoked');
    expect(await verdicts(staying)).toEqual(Array(4).fill('allow'));
    const device = server.as(staying.answer.body.token.accessToken);
    for (const path of [
      `/v1/certificates/${serialOf(staying)}/revoke`,
      '/v1/things/rev-9/revoke',
      '/v1/things/rev-9/suspend',
    ])
      expect((await device.post(path, { reason: 'unspecified' })).status).toBe(403);
  });

  it('by name alone, an older certificate that was revoked keeps a thing out, unless the proxy enforces the list', async () => {
    const device = await newDevice('rev-10');
    const renewed = await renew(device);
    await revoke(device, 'keyCompromise');
    const enforcing = server.as(
      (await server.owner.post('/v1/api-keys', { permissions: ['authorize:query'], enforcesCrl: true })).body.key,
    );
    const question = {
      principal: { thingName: 'rev-10' },
      action: 'publish',
      resource: 'topic:default/rev-10/telemetry/x',
    };
    expect((await bearer.post('/v1/authorize', question)).body.reasons).toEqual(['certificate-revoked']);
    expect((await enforcing.post('/v1/authorize', question)).body.decision).toBe('allow');
    const byNew = { ...question, principal: { fingerprint: renewed.fingerprint } };
    expect((await bearer.post('/v1/authorize', byNew)).body.decision).toBe('allow');
  });

  it('an enrollment is revoked alone, or with everything that it made', async () => {
    const { id, token } = await enroll(server);
    const made = await Promise.all(['made-1', 'made-2', 'made-3'].map((name) => provision(server, token, name)));
    await server.owner.post(`/v1/enrollments/${id}/revoke`);
    expect((await verdicts(made[0]!))[1]).toBe('allow');
    expect((await server.owner.post(`/v1/enrollments/${id}/revoke`, { andThings: true })).body.status).toBe('revoked');
    for (const device of made) {
      expect((await verdicts(device))[1]).toBe('certificate-revoked');
      expect(await listed(device)).toMatchObject({ reason: 9 });
    }
  });

  it('of many who revoke one certificate at once, all get the one answer', async () => {
    const device = await newDevice('rev-11');
    const answers = await Promise.all(Array.from({ length: 20 }, () => revoke(device, 'affiliationChanged')));
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
    const { items } = (await server.owner.get('/v1/audit?target=thing:rev-11&limit=100')).body;
    expect(items.filter(({ action }: { action: string }) => action === 'certificate.revoke')).toHaveLength(1);
  });

  it('a hold and the first use of a renewal at once: what was superseded is never held, and nobody is turned away', async () => {
    const rounds = 25;
    for (let n = 0; n < rounds; n++) {
      const device = await newDevice(`race-${n}`);
      const key = newKey();
      const renewed = await renew(device, key);
      const client_assertion = await assertion({
        pem: renewed.pem,
        key,
        audience: server.url,
        subject: `default/race-${n}`,
        now: server.now(),
      });
      const first = { grant_type: 'client_credentials', client_assertion_type: assertionType, client_assertion };
      const answers = await Promise.all([
        server.as(undefined).post('/v1/token', first),
        revoke(device, 'certificateHold'),
        server.owner.post(`/v1/things/race-${n}/suspend`),
      ]);
      expect(answers.map(({ status }) => status).filter((status) => status >= 500)).toEqual([]);
    }
    const { entries } = (await server.owner.get('/v1/revocations?limit=1000')).body;
    const reasons = new Map<string, string[]>();
    for (const { type, serialNumber, reason } of entries as { type: string; serialNumber: string; reason: string }[])
      if (type === 'certificate') reasons.set(serialNumber, [...(reasons.get(serialNumber) ?? []), reason]);
    const after = [...reasons.values()]
      .filter((each) => each.includes('superseded'))
      .map((each) => each.slice(each.indexOf('superseded') + 1));
    expect(after.flat().filter((reason) => reason !== 'keyCompromise')).toEqual([]);
  });

  async function renew(
    device: Device,
    key = newKey(),
  ): Promise<{ serialNumber: string; fingerprint: string; pem: string }> {
    const csr = csrPem({ key });
    const der = Buffer.from(csr.replace(/-----[^-]+-----|\s/g, ''), 'base64');
    const proof = await assertion({
      pem: pemOf(device),
      key: device.key,
      audience: server.url,
      subject: `default/${device.name}`,
      now: server.now(),
      typ: 'renew+jwt',
      claims: { csr_sha256: createHash('sha256').update(der).digest('base64url') },
    });
    const answer = await server.as(undefined).post('/v1/renew', { csr, proof });
    expect(answer.status, answer.text).toBe(201);
    return answer.body.certificate;
  }
});

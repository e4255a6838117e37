import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { problemOf, type Client } from '../../support/client.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { enroll, provision, renew, signedBy, useKey, type Device } from '../../support/fleet.js';
import { newKey } from '../../support/pki/csr.js';
import { startServer, type TestServer } from '../../support/server.js';

const day = 86_400;
const grace = 30 * day;

const serialOf = ({ answer }: Device): string => answer.body.certificate.serialNumber as string;
const expiryOf = ({ answer }: Device): number => Date.parse(answer.body.certificate.notAfter);

describe.each(databaseKinds)('renewal after expiry on %s', (kind) => {
  let server: TestServer;
  let owner: Client;
  let start = 0;
  beforeAll(async () => {
    server = await startServer(kind);
    server.freeze();
    start = server.now().getTime();
    owner = server.owner;
  });
  afterAll(() => server.stop());
  // The authorities would not outlive the years that all of this takes.
  beforeEach(() => moveTo(start));

  let names = 0;
  const first = async (changes: object = { renewGraceSeconds: grace }) => {
    const enrollment = await enroll(server, changes);
    return { enrollment, device: await provision(server, enrollment.token, `g-${names++}`) };
  };
  const moveTo = (ms: number) => server.advance((ms - server.now().getTime()) / 1000);
  /** A device whose certificate expired a second ago. */
  const expired = async (changes?: object) => {
    const made = await first(changes);
    moveTo(expiryOf(made.device) + 1000);
    return made;
  };
  const setGrace = (id: string, renewGraceSeconds: number | null) =>
    owner.send('PATCH', `/v1/enrollments/${id}`, { renewGraceSeconds });
  const statusOf = async (device: Device) =>
    (await owner.get(`/v1/certificates/${serialOf(device)}`)).body.status as string;
  const refusal = async (device: Device) => {
    const { status, body } = (await renew(server, device)).answer;
    return [status, body.detail as string] as const;
  };

  it('is off by default, and the device is told what to do', async () => {
    const { enrollment, device } = await expired({});
    const [status, detail] = await refusal(device);
    expect(status).toBe(401);
    expect(detail).toMatch(/expired at .*ask an operator to re-enroll the thing, or to set renewGraceSeconds/);
    expect((await useKey(server, device)).body.error_description).toContain('renewGraceSeconds');
    // The operator helps.
    expect((await setGrace(enrollment.id, grace)).body.renewGraceSeconds).toBe(grace);
    expect((await useKey(server, device)).body.error_description).toContain('POST /v1/renew first');
    expect((await renew(server, device)).answer.status).toBe(201);
  });

  it('gives a new certificate, whose first use supersedes the expired one', async () => {
    const { device } = await expired();
    const renewed = await renew(server, device);
    expect(renewed.answer.status, renewed.answer.text).toBe(201);
    expect(await statusOf(device)).toBe('expired');
    expect((await renew(server, device, renewed.key)).answer.body.certificate.pem).toBe(
      renewed.answer.body.certificate.pem,
    );
    expect((await useKey(server, renewed)).status).toBe(200);
    expect(await statusOf(device)).toBe('superseded');
    expect((await refusal(device))[0]).toBe(401);
  });

  it('ends on the second', async () => {
    const { device } = await first();
    moveTo(expiryOf(device) - 1);
    expect((await useKey(server, device)).status).toBe(200);
    moveTo(expiryOf(device));
    expect((await useKey(server, device)).status).toBe(401);
    moveTo(expiryOf(device) + grace * 1000);
    expect((await refusal(device))[1]).toContain('could be renewed until');
    moveTo(expiryOf(device) + grace * 1000 - 1);
    expect((await renew(server, device)).answer.status).toBe(201);
  });

  it('is for the newest certificate of its lineage only', async () => {
    const { device } = await first();
    const unused = await renew(server, device);
    moveTo(expiryOf(unused) + 1000);
    const other = (await renew(server, device)).answer;
    expect([other.status, problemOf(other)]).toEqual([409, 'conflict']);
    // Who lost the answer asks for it again, and goes on with that.
    const again = await renew(server, device, unused.key);
    expect(again.answer.body.certificate.pem).toBe(unused.answer.body.certificate.pem);
    const next = await renew(server, unused);
    expect(next.answer.status).toBe(201);
    expect((await useKey(server, next)).status).toBe(200);
    expect(await Promise.all([device, unused].map(statusOf))).toEqual(['superseded', 'superseded']);
    for (const older of [device, unused]) expect((await refusal(older))[0]).toBe(401);
  });

  it('makes one of two renewals that come at the same time', async () => {
    const { device } = await expired();
    const answers = await Promise.all([renew(server, device), renew(server, device), renew(server, device)]);
    expect(answers.map(({ answer }) => answer.status).toSorted()).toEqual([201, 409, 409]);
  });

  describe('what an operator ended stays ended', () => {
    const bulk = (filter: object) =>
      owner.post('/v1/revocations/bulk', { filter, reason: 'privilegeWithdrawn', expectedCount: 1 });
    const revokeSelf = async (device: Device) => {
      const claims = { reason: 'keyCompromise' };
      return server
        .as(undefined)
        .post('/v1/self/revoke', { proof: await signedBy(server, device, { typ: 'revoke+jwt', claims }) });
    };
    type Made = Awaited<ReturnType<typeof first>>;
    it.each<[string, (made: Made) => Promise<{ status: number; text: string }>]>([
      [
        'its certificate',
        ({ device }) => owner.post(`/v1/certificates/${serialOf(device)}/revoke`, { reason: 'unspecified' }),
      ],
      [
        'its certificate, held',
        ({ device }) => owner.post(`/v1/certificates/${serialOf(device)}/revoke`, { reason: 'certificateHold' }),
      ],
      ['its thing', ({ device }) => owner.post(`/v1/things/${device.name}/revoke`)],
      ['its thing, deleted', ({ device }) => owner.send('DELETE', `/v1/things/${device.name}`)],
      ['its thing, suspended', ({ device }) => owner.post(`/v1/things/${device.name}/suspend`)],
      ['many by name', ({ device }) => bulk({ thingNames: [device.name] })],
      ['many by enrollment', ({ enrollment }) => bulk({ enrollment: enrollment.id })],
      ['a lineage', ({ device }) => bulk({ lineageOf: serialOf(device) })],
      ['an enrollment', ({ enrollment }) => owner.post(`/v1/enrollments/${enrollment.id}/revoke`, { andThings: true })],
      ['the device itself', ({ device }) => revokeSelf(device)],
    ])('%s', async (_, end) => {
      const made = await expired();
      const ended = await end(made);
      expect(ended.status, ended.text).toBeLessThan(300);
      expect(['revoked', 'held']).toContain(await statusOf(made.device));
      expect((await refusal(made.device))[0]).toBe(401);
    });

    it('also when the grace was off then, and is raised later', async () => {
      const made = await expired({ renewGraceSeconds: 0 });
      expect((await bulk({ thingNames: [made.device.name] })).status).toBe(200);
      await setGrace(made.enrollment.id, grace);
      expect(await refusal(made.device)).toEqual([401, expect.stringContaining('revoked')]);
    });

    it('until a hold is released', async () => {
      const { device } = await expired();
      await owner.post(`/v1/things/${device.name}/suspend`);
      await owner.post(`/v1/things/${device.name}/resume`);
      expect((await renew(server, device)).answer.status).toBe(201);
    });

    it('by a re-enrollment, open or used', async () => {
      const { device } = await expired();
      const { token } = (await owner.post(`/v1/things/${device.name}/reenroll`)).body;
      expect((await refusal(device))[0]).toBe(409);
      const fresh = await provision(server, token, device.name);
      expect((await refusal(device))[0]).toBe(409);
      expect((await useKey(server, fresh)).status).toBe(200);
      expect(await statusOf(device)).toBe('revoked');
      expect((await refusal(device))[0]).toBe(401);
      // The grace is that of its enrollment still.
      moveTo(expiryOf(fresh) + 1000);
      expect((await renew(server, fresh)).answer.status).toBe(201);
    });
  });

  it('is what the enrollment says, or else the account; a lower one counts at once', async () => {
    const name = `tenant-${kind}`;
    const { ownerKey } = (await owner.post('/v1/accounts', { name, renewGraceSeconds: grace })).body;
    const tenant = server.as(ownerKey);
    const make = async (changes: object) => {
      const enrollment = await enroll({ owner: tenant }, changes);
      return { enrollment, device: await provision(server, enrollment.token, `g-${names++}`) };
    };
    const [plain, strict, lowered, suspended] = [
      await make({}),
      await make({ renewGraceSeconds: 0 }),
      await make({ renewGraceSeconds: 2 * grace }),
      await make({}),
    ];
    moveTo(expiryOf(suspended.device) + 1000);
    expect((await renew(server, plain.device)).answer.status).toBe(201);
    expect((await refusal(strict.device))[0]).toBe(401);
    const patched = await tenant.send('PATCH', `/v1/enrollments/${lowered.enrollment.id}`, { renewGraceSeconds: null });
    expect(patched.body).not.toHaveProperty('renewGraceSeconds');
    moveTo(expiryOf(lowered.device) + grace * 1000 + 1000);
    expect((await refusal(lowered.device))[0]).toBe(401);
    const account = await owner.send('PATCH', `/v1/accounts/${name}`, { renewGraceSeconds: 3 * grace });
    expect(account.body.renewGraceSeconds).toBe(3 * grace);
    expect((await renew(server, lowered.device)).answer.status).toBe(201);
    await owner.post(`/v1/accounts/${name}/suspend`);
    expect((await refusal(suspended.device))[1]).toContain('account is suspended');
    await owner.post(`/v1/accounts/${name}/resume`);
    expect((await renew(server, suspended.device)).answer.status).toBe(201);
    const tooLong = { thingNamePattern: '*', maxUses: 1, renewGraceSeconds: 731 * day };
    expect((await owner.post('/v1/enrollments', tooLong)).status).toBe(400);
  });

  it('keeps the name of a deleted thing until nothing of it can be renewed', async () => {
    const { enrollment, device } = await first();
    await owner.send('DELETE', `/v1/things/${device.name}`);
    const nameFreeAt = expiryOf(device) + grace * 1000;
    const { body } = await owner.get(`/v1/things/${device.name}`);
    expect(Date.parse(body.nameFreeAt)).toBe(nameFreeAt);
    const again = async () => {
      await server.services.chores.run('free-names');
      return (await provision(server, enrollment.token, device.name, {}, newKey())).answer.status;
    };
    moveTo(nameFreeAt - 1000);
    expect(await again()).toBe(409);
    moveTo(nameFreeAt);
    expect(await again()).toBe(201);
  });
});

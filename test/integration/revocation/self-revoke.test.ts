import { randomUUID } from 'node:crypto';
import { CompactSign } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { problemOf } from '../../support/client.js';
import { newKey } from '../../support/pki/csr.js';
import { databaseKinds } from '../../support/databases/databases.js';
import {
  assertionType,
  enroll,
  pemOf,
  provision,
  renew,
  signedBy,
  thumbprint,
  useKey,
  type Device,
} from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';

describe.each(databaseKinds)('what needs the device key on %s', (kind) => {
  let server: TestServer;
  let enrollment: string;
  let count = 0;
  beforeAll(async () => {
    server = await startServer(kind, { THINGWARD_FAILED_CREDENTIALS_PER_MINUTE: '100000' });
    enrollment = (await enroll(server, { maxUses: 1000 })).token;
  });
  afterAll(() => server.stop());

  const newDevice = () => provision(server, enrollment, `self-${count++}`);
  const proofOf = (device: Device, reason: unknown, more: Parameters<typeof signedBy>[2] = {}) =>
    signedBy(server, device, { typ: 'revoke+jwt', ...more, claims: { reason, ...more.claims } });
  const send = (proof: string) => server.as(undefined).post('/v1/self/revoke', { proof });
  const revokeSelf = async (device: Device, reason: unknown) => send(await proofOf(device, reason));
  const shown = async ({ answer }: Device) =>
    (await server.owner.get(`/v1/certificates/${answer.body.certificate.serialNumber}`)).body;
  const statusOf = async ({ name }: Device) => (await server.owner.get(`/v1/things/${name}`)).body.status;

  it('a bare access token revokes nothing', async () => {
    const device = await newDevice();
    const bearer = server.as(device.answer.body.token.accessToken);
    for (const body of [undefined, {}, { reason: 'keyCompromise' }, { proof: device.answer.body.token.accessToken }])
      expect([400, 401]).toContain((await bearer.post('/v1/self/revoke', body)).status);
    expect((await shown(device)).status).toBe('active');
    expect(await statusOf(device)).toBe('active');
  });

  it('looking, and refreshing with the token alone, is no first use; signing is', async () => {
    const device = await newDevice();
    const renewed = await renew(server, device);
    // A token of the new certificate, as a proxy may have seen it: made by the server here, so that no proof was given.
    const { refreshToken, accessToken } = device.answer.body.token;
    expect((await server.as(accessToken).get('/v1/self')).status).toBe(200);
    const { token } = (await server.owner.post(`/v1/things/${device.name}/reenroll`)).body;
    const fresh = await provision(server, token, device.name);
    const stolen = fresh.answer.body.token;
    expect((await server.as(stolen.accessToken).get('/v1/self')).status).toBe(200);
    const refreshed = await server
      .as(undefined)
      .post('/v1/token', { grant_type: 'refresh_token', refresh_token: stolen.refreshToken });
    expect(refreshed.status).toBe(200);
    for (const each of [device, renewed]) expect((await shown(each)).status).toBe('active');
    const proved = await server.as(undefined).post('/v1/token', {
      grant_type: 'refresh_token',
      refresh_token: refreshed.body.refresh_token,
      client_assertion: await signedBy(server, fresh),
      client_assertion_type: assertionType,
    });
    expect(proved.status).toBe(200);
    for (const each of [device, renewed]) expect((await shown(each)).status).toBe('revoked');
    expect(
      (await server.as(undefined).post('/v1/token', { grant_type: 'refresh_token', refresh_token: refreshToken }))
        .status,
    ).toBe(400);
  });

  it('a proof by another key neither uses a refresh token up nor ends its family', async () => {
    const [device, other] = [await newDevice(), await newDevice()];
    const refresh = async (more: object = {}) =>
      server.as(undefined).post('/v1/token', {
        grant_type: 'refresh_token',
        refresh_token: device.answer.body.token.refreshToken,
        ...more,
      });
    const byOther = { client_assertion: await signedBy(server, other), client_assertion_type: assertionType };
    expect((await refresh(byOther)).status).toBe(400);
    expect((await refresh()).status).toBe(200);
  });

  it('revokes the thing for the reason in the proof, and answers a repeat', async () => {
    const device = await newDevice();
    const answer = await revokeSelf(device, 'privilegeWithdrawn');
    expect(answer.body).toMatchObject({ name: device.name, status: 'revoked', certificates: 1 });
    expect(await shown(device)).toMatchObject({ status: 'revoked', reason: 'privilegeWithdrawn' });
    const again = await revokeSelf(device, 'privilegeWithdrawn');
    expect([again.status, again.body.certificates]).toEqual([200, 0]);
    expect((await revokeSelf(device, 'unspecified')).status).toBe(401);
    const { items } = (await server.owner.get(`/v1/audit?target=thing:${device.name}`)).body;
    expect(items).toContainEqual(
      expect.objectContaining({ action: 'thing.revoke-self', actor: `thing:${device.name}` }),
    );
  });

  it('is good from a held and from a just superseded certificate; keyCompromise ends the whole lineage', async () => {
    const held = await newDevice();
    const { serialNumber } = held.answer.body.certificate;
    await server.owner.post(`/v1/certificates/${serialNumber}/revoke`, { reason: 'certificateHold' });
    expect((await useKey(server, held)).status).toBe(401);
    expect((await revokeSelf(held, 'cessationOfOperation')).status).toBe(200);
    expect((await shown(held)).reason).toBe('cessationOfOperation');
    const suspended = await newDevice();
    await server.owner.post(`/v1/things/${suspended.name}/suspend`);
    expect((await revokeSelf(suspended, 'unspecified')).status).toBe(200);

    const robbed = await newDevice();
    const thief = await renew(server, robbed);
    expect((await useKey(server, thief)).status).toBe(200);
    const second = await renew(server, thief);
    expect((await shown(robbed)).status).toBe('superseded');
    const ended = await revokeSelf(robbed, 'keyCompromise');
    expect(ended.body).toMatchObject({ status: 'revoked', certificates: 3 });
    for (const each of [robbed, thief, second])
      expect(await shown(each)).toMatchObject({ status: 'revoked', reason: 'keyCompromise' });
    for (const { key } of [robbed, thief, second])
      expect((await provision(server, enrollment, `self-${count++}`, {}, key)).answer.status).toBe(422);
  });

  it('is refused a day after a renewal superseded the certificate, and after a re-enrollment ended it', async () => {
    const device = await newDevice();
    const next = await renew(server, device);
    await useKey(server, next);
    const lost = await newDevice();
    const later = await renew(server, lost);
    await useKey(server, later);
    const { token } = (await server.owner.post(`/v1/things/${lost.name}/reenroll`)).body;
    await useKey(server, await provision(server, token, lost.name));
    for (const old of [lost, later]) expect((await revokeSelf(old, 'keyCompromise')).status).toBe(401);
    expect(await statusOf(lost)).toBe('active');
    server.advance(24 * 3600 + 60);
    expect((await revokeSelf(device, 'keyCompromise')).status).toBe(401);
    expect(await statusOf(device)).toBe('active');
    expect((await useKey(server, next)).status).toBe(200);
    enrollment = (await enroll(server, { maxUses: 1000 })).token;
  });

  it('401 for every proof that is not exactly right, 400 for a reason that a device may not give', async () => {
    const [device, other] = [await newDevice(), await newDevice()];
    const seconds = Math.floor(server.now().getTime() / 1000);
    const wrong: Record<string, string> = {
      'of another type': await proofOf(device, 'unspecified', { typ: 'renew+jwt' }),
      'of a plain type': await proofOf(device, 'unspecified', { typ: 'JWT' }),
      'without a type': await proofOf(device, 'unspecified', { header: { typ: undefined } }),
      'by another key': await proofOf(device, 'unspecified', { key: newKey() }),
      'for another': await proofOf(device, 'unspecified', { subject: `default/${other.name}` }),
      'for the token endpoint': await proofOf(device, 'unspecified', { audience: `${server.url}/v1/token` }),
      'too long': await proofOf(device, 'unspecified', { claims: { exp: seconds + 400 } }),
      expired: await proofOf(device, 'unspecified', { claims: { exp: seconds - 60 } }),
      'without a jti': await proofOf(device, 'unspecified', { claims: { jti: undefined } }),
    };
    for (const [what, proof] of Object.entries(wrong)) expect([what, (await send(proof)).status]).toEqual([what, 401]);
    for (const reason of [undefined, 'superseded', 'certificateHold', 'no reason', 7])
      expect([reason, problemOf(await revokeSelf(device, reason))]).toEqual([reason, 'invalid-request']);
    expect(await statusOf(device)).toBe('active');
    const used = await proofOf(device, 'unspecified');
    expect((await send(used)).status).toBe(200);
    expect((await send(used)).status).toBe(401);
  });

  it('a JWT that brings a key along, or can be read in two ways, is refused', async () => {
    const device = await newDevice();
    const ask = (client_assertion: string) =>
      server.as(undefined).post('/v1/token', {
        grant_type: 'client_credentials',
        client_assertion,
        client_assertion_type: assertionType,
      });
    for (const name of ['jwk', 'jku', 'x5c', 'x5u', 'crit']) {
      const values: Record<string, unknown> = { jwk: {}, x5c: [], crit: ['x5t#S256'] };
      const header = { [name]: values[name] ?? 'https://127.0.0.1/keys' };
      const signed = await signedBy(server, device, name === 'crit' ? {} : { header });
      const jwt = name === 'crit' ? withHeader(signed, { crit: ['exp'] }) : signed;
      const answer = await ask(jwt);
      expect([name, answer.status, answer.body.error_description]).toEqual([name, 401, expect.stringContaining(name)]);
      const proof = await proofOf(device, 'unspecified', name === 'crit' ? {} : { header });
      expect((await send(name === 'crit' ? withHeader(proof, { crit: ['exp'] }) : proof)).status).toBe(401);
    }
    const claims = {
      iss: `default/${device.name}`,
      aud: server.url,
      exp: Math.floor(server.now().getTime() / 1000) + 60,
    };
    const twice = JSON.stringify({ ...claims, jti: randomUUID() }).replace(
      '{',
      `{"sub":"x","\\u0073ub":"${claims.iss}",`,
    );
    const signText = async (payload: string) => {
      const header = { alg: 'ES256', typ: 'client-authentication+jwt', 'x5t#S256': thumbprint(pemOf(device)) };
      return new CompactSign(Buffer.from(payload)).setProtectedHeader(header).sign(device.key);
    };
    expect((await ask(await signText(JSON.stringify({ ...claims, sub: claims.iss, jti: randomUUID() })))).status).toBe(
      200,
    );
    const doubled = await ask(await signText(twice));
    expect([doubled.status, doubled.body.error_description]).toEqual([401, expect.stringContaining('sub twice')]);
    const good = await signedBy(server, device);
    for (const bent of [`${bend(good)}`, `${good}=`, good.replace(/\./, '=.')])
      expect((await ask(bent)).status).toBe(401);
    expect((await ask(good)).status).toBe(200);
    const accessToken = device.answer.body.token.accessToken as string;
    expect((await server.as(bend(accessToken)).get('/v1/self')).status).toBe(401);
    expect((await server.as(accessToken).get('/v1/self')).status).toBe(200);
  });
});

/** The same octets of a signature, written in another way: 64 octets leave four bits of the last character unused. */
function bend(jwt: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return jwt.slice(0, -1) + alphabet[alphabet.indexOf(jwt.at(-1)!) + 1]!;
}

/** A JWT whose header has more members than it was signed with. */
function withHeader(jwt: string, more: object): string {
  const [header, ...rest] = jwt.split('.') as [string, ...string[]];
  const members = { ...(JSON.parse(Buffer.from(header, 'base64url').toString()) as object), ...more };
  return [Buffer.from(JSON.stringify(members)).toString('base64url'), ...rest].join('.');
}

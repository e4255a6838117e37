import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { problemOf, type Client } from '../../support/client.js';
import { newKey } from '../../support/pki/csr.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { enroll, pemOf, provision, renew, useKey, type Device } from '../../support/fleet.js';
import { runProgram, withFiles } from '../../support/pki/openssl.js';
import { startServer, type TestServer } from '../../support/server.js';

const serialOf = ({ answer }: Device): string => answer.body.certificate.serialNumber as string;

describe.each(databaseKinds)('re-enrollment on %s', (kind) => {
  let server: TestServer;
  let enrollment: string;
  let proxy: Client;
  beforeAll(async () => {
    server = await startServer(kind);
    enrollment = (await enroll(server, { maxUses: 100_000 })).token;
    const asking = { permissions: ['authorize:query', 'revocations:read'], bearer: true };
    proxy = server.as((await server.owner.post('/v1/api-keys', asking)).body.key);
  });
  afterAll(() => server.stop());

  const newDevice = (name: string, key = newKey()) => provision(server, enrollment, name, {}, key);
  const reenroll = (name: string, body?: object) => server.owner.post(`/v1/things/${name}/reenroll`, body);
  const stateOf = async (device: Device): Promise<[string, string | undefined]> => {
    const { status, reason } = (await server.owner.get(`/v1/certificates/${serialOf(device)}`)).body;
    return [status, reason];
  };
  const ask = async (principal: object, name: string) => {
    const resource = `topic:default/${name}/telemetry/x`;
    const { body } = await proxy.post('/v1/authorize', { principal, action: 'publish', resource });
    return body.decision === 'allow' ? 'allow' : (body.reasons[0] as string);
  };

  /** What OpenSSL finds about a certificate in the account's lists. */
  async function opensslSays(device: Device): Promise<string> {
    const text = async (path: string) => (await server.as(undefined).get(path)).text;
    const files = { ca: await text('/ca/chain.pem'), lists: await text('/crl/bundle.pem'), device: pemOf(device) };
    const at = String(Math.floor(server.now().getTime() / 1000));
    return withFiles(files, (folder) => {
      try {
        const args = ['verify', '-attime', at, '-CAfile', 'ca', '-CRLfile', 'lists', '-crl_check_all', 'device'];
        runProgram('openssl', args, folder);
        return 'good';
      } catch (error) {
        return /: certificate revoked/.test(String(error)) ? 'revoked' : String(error);
      }
    });
  }

  it('a renewal of the lost key does not outlive the first use of the new one, and all of it is listed', async () => {
    const lost = await newDevice('lost-1');
    const stolen = await renew(server, lost);
    expect(stolen.answer.status).toBe(201);
    const { token } = (await reenroll('lost-1')).body;
    const whileOpen = await renew(server, lost);
    expect([whileOpen.answer.status, problemOf(whileOpen.answer)]).toEqual([409, 'conflict']);
    const fresh = await provision(server, token, 'lost-1');
    for (const older of [lost, stolen]) expect((await renew(server, older)).answer.status).toBe(409);
    // What the thief holds may be used, and ends nothing of the honest device.
    expect((await useKey(server, stolen)).status).toBe(200);
    expect(await stateOf(fresh)).toEqual(['active', undefined]);
    expect((await useKey(server, fresh)).status).toBe(200);
    for (const older of [lost, stolen]) expect(await stateOf(older)).toEqual(['revoked', 'cessationOfOperation']);
    expect(await stateOf(fresh)).toEqual(['active', undefined]);
    expect(await Promise.all([lost, stolen, fresh].map(opensslSays))).toEqual(['revoked', 'revoked', 'good']);
    expect((await useKey(server, stolen)).status).toBe(401);
    const renewed = await renew(server, fresh);
    expect((await useKey(server, renewed)).status).toBe(200);
    expect((await stateOf(fresh))[0]).toBe('superseded');
  });

  it('the reason that an operator gives is the reason of the end; keyCompromise bars the keys', async () => {
    const lost = await newDevice('lost-2');
    expect((await reenroll('lost-2', { reason: 'superseded' })).status).toBe(400);
    expect((await reenroll('lost-2', { reason: 'certificateHold' })).status).toBe(400);
    const { token } = (await reenroll('lost-2', { reason: 'keyCompromise' })).body;
    expect(problemOf((await provision(server, token, 'lost-2', {}, lost.key)).answer)).toBe('bad-key');
    const fresh = await provision(server, token, 'lost-2');
    expect((await useKey(server, fresh)).status).toBe(200);
    expect(await stateOf(lost)).toEqual(['revoked', 'keyCompromise']);
    const again = (await reenroll('lost-2')).body.token as string;
    expect(problemOf((await provision(server, again, 'lost-2', {}, lost.key)).answer)).toBe('bad-key');
  });

  it('the last re-enrollment counts: it closes the one before, and the use of an earlier one does not end it', async () => {
    const lost = await newDevice('lost-3');
    const unused = (await reenroll('lost-3')).body.token as string;
    const first = (await reenroll('lost-3')).body.token as string;
    expect((await provision(server, unused, 'lost-3')).answer.status).toBe(401);
    const earlier = await provision(server, first, 'lost-3');
    const later = await provision(server, (await reenroll('lost-3')).body.token, 'lost-3');
    expect((await useKey(server, earlier)).status).toBe(200);
    expect([await stateOf(lost), await stateOf(later)]).toEqual([
      ['revoked', 'cessationOfOperation'],
      ['active', undefined],
    ]);
    expect((await renew(server, earlier)).answer.status).toBe(409);
    expect((await useKey(server, later)).status).toBe(200);
    expect(await stateOf(earlier)).toEqual(['revoked', 'cessationOfOperation']);
  });

  it('a re-enrollment that nobody used holds renewals up for a day and no longer', async () => {
    const device = await newDevice('lost-4');
    await reenroll('lost-4');
    expect((await renew(server, device)).answer.status).toBe(409);
    server.advance(24 * 3600 + 1);
    expect((await renew(server, device)).answer.status).toBe(201);
  });

  it('needs the right to revoke too, and for what was revoked or deleted the right to release', async () => {
    const keyOf = async (permissions: string[]) =>
      server.as((await server.owner.post('/v1/api-keys', { permissions })).body.key);
    const writer = await keyOf(['things:write']);
    const operator = await keyOf(['things:write', 'certificates:revoke']);
    const releaser = await keyOf(['things:write', 'certificates:revoke', 'certificates:release']);
    await newDevice('right-1');
    const path = '/v1/things/right-1/reenroll';
    expect((await writer.post(path)).status).toBe(403);
    const open = await operator.post(path);
    expect([open.status, open.headers.get('cache-control')]).toEqual([201, 'no-store']);
    await server.owner.post('/v1/things/right-1/revoke');
    // What was opened before the revocation is closed by it.
    expect((await provision(server, open.body.token, 'right-1')).answer.status).toBe(401);
    const refused = await operator.post(path);
    expect([refused.status, refused.body.detail]).toEqual([403, expect.stringContaining('certificates:release')]);
    expect((await releaser.post(path)).status).toBe(201);
    await newDevice('right-2');
    await server.owner.post('/v1/things/right-2/suspend');
    const suspended = await releaser.post('/v1/things/right-2/reenroll');
    expect([suspended.status, suspended.body.detail]).toEqual([403, expect.stringContaining('resume')]);
  });

  it.each(['revoked', 'deleted'])(
    'a %s thing comes back with another id, and nothing of the old one with it',
    async (how) => {
      const name = `back-${how}`;
      const attributes = { site: 'berlin' };
      const { token: made } = await enroll(server, { thingType: 'sensor', attributes });
      const old = await provision(server, made, name);
      const oldToken = old.answer.body.token.accessToken as string;
      if (how === 'deleted') await server.owner.send('DELETE', `/v1/things/${name}`);
      else await server.owner.post(`/v1/things/${name}/revoke`, { reason: 'privilegeWithdrawn' });
      const { notAfter } = old.answer.body.certificate;
      const shown = (await server.owner.get(`/v1/things/${name}`)).body;
      if (how === 'deleted') expect(shown).toMatchObject({ status: 'deleted', nameFreeAt: notAfter });
      else expect(shown).toMatchObject({ status: 'revoked' });
      const taken = (await provision(server, made, name)).answer;
      expect([problemOf(taken), taken.body.detail]).toEqual(['thing-exists', expect.stringContaining('re-enroll')]);
      const stopped = await provision(server, made, name, {}, old.key);
      expect([stopped.answer.status, stopped.answer.body.detail]).toEqual([403, expect.stringContaining('re-enroll')]);

      const opened = await reenroll(name);
      expect(opened.body.refusedByNameUntil).toBe(notAfter);
      const fresh = await provision(server, opened.body.token, name);
      const again = await provision(server, opened.body.token, name, {}, fresh.key);
      expect([fresh.answer.status, again.answer.status, pemOf(again)]).toEqual([201, 200, pemOf(fresh)]);
      const { thing } = fresh.answer.body;
      expect(thing).toMatchObject({ name, status: 'active', thingType: 'sensor', attributes });
      expect(thing.id).not.toBe(old.answer.body.thing.id);
      expect((await server.owner.get(`/v1/things/${name}`)).body).toMatchObject({ id: thing.id, status: 'active' });

      const verdicts = (device: Device, accessToken: string) =>
        Promise.all([
          ask({ token: accessToken }, name),
          ask({ fingerprint: device.answer.body.certificate.fingerprint }, name),
          ask({ certificatePem: pemOf(device) }, name),
        ]);
      expect(await verdicts(old, oldToken)).toEqual(['token-revoked', 'certificate-revoked', 'certificate-revoked']);
      expect(await verdicts(fresh, again.answer.body.token.accessToken)).toEqual(['allow', 'allow', 'allow']);
      expect(await ask({ thingName: name }, name)).toBe('certificate-revoked');
      expect((await useKey(server, old)).status).toBe(401);
      expect((await useKey(server, fresh)).status).toBe(200);
      expect(await Promise.all([old, fresh].map(opensslSays))).toEqual(['revoked', 'good']);

      const { things, certificates } = (await proxy.get('/v1/revocations/snapshot')).body;
      const named = (list: any[]) => list.filter(({ thingName }) => thingName === name);
      expect(named(things)).toEqual([expect.objectContaining({ status: 'active' })]);
      expect(named(certificates).map(({ serialNumber }) => serialNumber)).toEqual([serialOf(old)]);
      const { entries } = (await proxy.get('/v1/revocations?limit=1000')).body;
      const statuses = named(entries.filter(({ type }: any) => type === 'thing'));
      expect(statuses.map(({ status }) => status)).toEqual(['revoked', 'active']);
      expect(statuses[1].minGen).toBeGreaterThanOrEqual(statuses[0].minGen);
      const held = (await server.owner.get(`/v1/certificates?thing=${name}`)).body.items;
      expect(held.map(({ serialNumber }: any) => serialNumber).sort()).toEqual([serialOf(old), serialOf(fresh)].sort());
      const { items } = (await server.owner.get(`/v1/audit?target=thing:${name}&limit=1000`)).body;
      const actions = items.map(({ action }: any) => action as string);
      expect(actions).toEqual(expect.arrayContaining(['thing.reenroll', 'thing.bring-back']));

      // What is said of the old one from now on is not said of the new one.
      await server.owner.post(`/v1/certificates/${serialOf(old)}/revoke`, { reason: 'keyCompromise' });
      expect(await ask({ token: again.answer.body.token.accessToken }, name)).toBe('allow');
      await server.owner.post(`/v1/things/${name}/suspend`);
      expect(await ask({ token: again.answer.body.token.accessToken }, name)).toBe('token-revoked');
      await server.owner.post(`/v1/things/${name}/resume`);
      expect(await ask({ fingerprint: fresh.answer.body.certificate.fingerprint }, name)).toBe('allow');
      server.advance(91 * 86_400);
      const newer = await provision(server, (await reenroll(name)).body.token, name);
      expect(await ask({ thingName: name }, name)).toBe('allow');
      expect(newer.answer.body.thing.id).toBe(thing.id);
      enrollment = (await enroll(server, { maxUses: 100_000 })).token;
    },
  );

  it('a hardware key is free with the name of its deleted thing, and not before', async () => {
    const key = newKey();
    await newDevice('tpm-1', key);
    await server.owner.send('DELETE', '/v1/things/tpm-1');
    expect(problemOf((await newDevice('tpm-2', key)).answer)).toBe('key-in-use');
    server.advance(91 * 86_400);
    enrollment = (await enroll(server, { maxUses: 100_000 })).token;
    await server.services.chores.run('free-names');
    expect((await newDevice('tpm-2', key)).answer.status).toBe(201);
    expect(problemOf((await newDevice('tpm-3', key)).answer)).toBe('key-in-use');
    expect((await newDevice('tpm-1')).answer.status).toBe(201);
    const devices = await Promise.all([newDevice('tpm-4'), newDevice('tpm-5')]);
    expect(problemOf((await renew(server, devices[0], key)).answer)).toBe('key-in-use');
  });

  it('an operator moves a hardware key from a deleted or revoked thing onto another name, and back onto its own', async () => {
    const key = newKey();
    await newDevice('hsm-1', key);
    const spare = await newDevice('hsm-2');
    expect(problemOf((await provision(server, (await reenroll('hsm-2')).body.token, 'hsm-2', {}, key)).answer)).toBe(
      'key-in-use',
    );
    await server.owner.send('DELETE', '/v1/things/hsm-1');
    const moved = await provision(server, (await reenroll('hsm-2')).body.token, 'hsm-2', {}, key);
    expect(moved.answer.status).toBe(201);
    expect((await useKey(server, moved)).status).toBe(200);
    expect(await stateOf(spare)).toEqual(['revoked', 'cessationOfOperation']);
    const { items } = (await server.owner.get('/v1/audit?target=thing:hsm-2&limit=1000')).body;
    expect(items.map(({ action }: any) => action)).toContain('thing.take-key');

    await server.owner.post('/v1/things/hsm-2/revoke');
    const own = await provision(server, (await reenroll('hsm-2')).body.token, 'hsm-2', {}, key);
    expect(own.answer.status).toBe(201);
    expect(own.answer.body.thing.id).not.toBe(moved.answer.body.thing.id);
    expect((await useKey(server, own)).status).toBe(200);
    await server.owner.post('/v1/things/hsm-2/revoke', { reason: 'keyCompromise' });
    expect(problemOf((await provision(server, (await reenroll('hsm-2')).body.token, 'hsm-2', {}, key)).answer)).toBe(
      'bad-key',
    );
  });

  it('a repeat without end writes nothing: not one entry, audit row, family or index more', async () => {
    const { token } = await enroll(server, { maxUses: 1 });
    const device = await provision(server, token, 'repeat-1');
    const client = server.database.client;
    const counts = async () => ({
      entries: await client.logEntry.count(),
      audit: await client.auditEntry.count(),
      families: await client.refreshFamily.count(),
      ended: await client.refreshFamily.count({ where: { revokedAt: { not: null } } }),
      indices: (await client.issuer.findMany({ orderBy: { id: 'asc' } })).map(({ nextIndex }) => nextIndex),
    });
    const before = await counts();
    const answers = [];
    for (let n = 0; n < 60; n++) answers.push(await provision(server, token, 'repeat-1', {}, device.key));
    expect(new Set(answers.map(({ answer }) => answer.status))).toEqual(new Set([200]));
    expect(await counts()).toEqual(before);
    const tokens = answers.map(({ answer }) => answer.body.token.refreshToken as string);
    const familyOf = (refreshToken: string) => refreshToken.split('.')[0];
    expect(new Set(tokens.map(familyOf))).toEqual(new Set([familyOf(device.answer.body.token.refreshToken)]));
    const refresh = (refresh_token: string) =>
      server.as(undefined).post('/v1/token', { grant_type: 'refresh_token', refresh_token });
    expect((await refresh(tokens.at(-1)!)).status).toBe(200);
    expect((await refresh(tokens[0]!)).status).toBe(400);
    const late = await provision(server, token, 'repeat-1', {}, device.key);
    expect([late.answer.status, late.answer.body.token]).toEqual([200, undefined]);
    expect((await useKey(server, device)).status).toBe(200);
  });
});

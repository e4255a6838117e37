import { createPrivateKey, X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { problemOf } from '../../support/client.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { csrPem, newKey } from '../../support/pki/csr.js';
import { enroll, pemOf, provision, useKey } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';

describe.each(databaseKinds)('POST /v1/provision on %s', (kind) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer(kind);
  });
  afterAll(() => server.stop());

  const things = async () => (await server.owner.get('/v1/things?limit=1000')).body.items as { name: string }[];

  it('201 with thing, certificate, tokens, rendered policies and links', async () => {
    const { token } = await enroll(server, { policy: 'actuator', thingType: 'pump', attributes: { site: 'berlin' } });
    const { answer } = await provision(server, token, 'full-1');
    expect(answer.status).toBe(201);
    const { thing, certificate, policies, links, serverTime } = answer.body;
    expect(thing).toMatchObject({
      name: 'full-1',
      account: 'default',
      thingType: 'pump',
      attributes: { site: 'berlin' },
      status: 'active',
    });
    expect(certificate.serialNumber).toMatch(/^(0[1-9a-f]|[1-7][0-9a-f])[0-9a-f]{38}$/);
    const x509 = new X509Certificate(certificate.pem);
    expect(x509.fingerprint256.replaceAll(':', '').toLowerCase()).toBe(certificate.fingerprint);
    expect(x509.subject).toBe('O=default\nCN=full-1');
    expect(x509.subjectAltName).toBe('URI:urn:thingward:default:full-1');
    expect(certificate.chainPem.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
    expect(policies[0]).toMatchObject({ name: 'actuator', version: 1 });
    expect(policies[0].statements[1].resources).toEqual(['topic:default/full-1/telemetry/#']);
    expect(Object.keys(links)).toEqual(['crl', 'ocsp', 'jwks', 'token', 'renew']);
    expect(Math.abs(Date.parse(serverTime) - server.now().getTime())).toBeLessThan(5000);
    expect(await (await fetch(links.crl)).arrayBuffer()).toBeTruthy();
    const stored = (await server.owner.get(`/v1/certificates/${certificate.serialNumber}`)).body;
    expect([Date.parse(stored.notBefore), Date.parse(stored.notAfter)]).toEqual([
      Date.parse(x509.validFrom),
      Date.parse(x509.validTo),
    ]);
    expect(Math.abs(Date.parse(stored.createdAt) - server.now().getTime())).toBeLessThan(5000);
  });

  it('200 for the same request again: the same bytes, no use, new tokens until the first are used', async () => {
    const { id, token } = await enroll(server, { maxUses: 1 });
    const device = await provision(server, token, 'again-1');
    const body = { thingName: 'again-1', csr: device.csr };
    const second = await server.as(token).post('/v1/provision', body);
    expect([device.answer.status, second.status]).toEqual([201, 200]);
    expect(second.body.certificate).toEqual(device.answer.body.certificate);
    expect((await server.owner.get(`/v1/enrollments/${id}`)).body).toMatchObject({ uses: 1, status: 'exhausted' });

    expect((await server.as(second.body.token.accessToken).get('/v1/self')).status).toBe(200);
    const third = await server.as(token).post('/v1/provision', body);
    expect(third.status).toBe(200);
    expect(third.body.token.refreshToken).not.toBe(second.body.token.refreshToken);
    expect((await useKey(server, device)).status).toBe(200);
    const fourth = await server.as(token).post('/v1/provision', body);
    expect([fourth.status, fourth.body.token]).toEqual([200, undefined]);
  });

  it('409 thing-exists for another key, and for a repeat without a CSR', async () => {
    const { token } = await enroll(server);
    await provision(server, token, 'held-1');
    expect(problemOf((await provision(server, token, 'held-1')).answer)).toBe('thing-exists');
    const made = await server.as(token).post('/v1/provision', { thingName: 'made-1', keyType: 'ec-p256' });
    expect(made.status).toBe(201);
    expect(createPrivateKey(made.body.privateKeyPem).asymmetricKeyType).toBe('ec');
    const again = await server.as(token).post('/v1/provision', { thingName: 'made-1', keyType: 'ec-p256' });
    expect([again.status, problemOf(again)]).toEqual([409, 'thing-exists']);
  });

  it('409 thing-exists when 24 hours have passed, and with another enrollment', async () => {
    const { token } = await enroll(server);
    const other = await enroll(server);
    const device = await provision(server, token, 'late-1');
    expect(problemOf((await provision(server, other.token, 'late-1', {}, device.key)).answer)).toBe('thing-exists');
    server.advance(24 * 3600 + 1);
    try {
      expect(problemOf((await provision(server, token, 'late-1', {}, device.key)).answer)).toBe('thing-exists');
    } finally {
      server.advance(-(24 * 3600 + 1));
    }
  });

  it('409 key-in-use when the key lives on another thing', async () => {
    const { token } = await enroll(server);
    const { key } = await provision(server, token, 'owner-of-key');
    expect(problemOf((await provision(server, token, 'thief-of-key', {}, key)).answer)).toBe('key-in-use');
  });

  it('401 for an enrollment that is unknown, expired, revoked or used up', async () => {
    const { id, token } = await enroll(server, { maxUses: 5 });
    const expiring = await enroll(server, { expiresAt: new Date(server.now().getTime() + 600_000).toISOString() });
    const once = await enroll(server, { maxUses: 1 });
    const early = await provision(server, expiring.token, 'expiring-1');
    await provision(server, once.token, 'once-1');
    await server.owner.post(`/v1/enrollments/${id}/revoke`);
    server.advance(660);
    for (const wrong of [token, expiring.token, once.token, `twe_${'A'.repeat(43)}`]) {
      const { answer } = await provision(server, wrong, 'nobody-1');
      expect([answer.status, problemOf(answer)]).toEqual([401, 'invalid-credential']);
    }
    expect((await provision(server, expiring.token, 'expiring-1', {}, early.key)).answer.status).toBe(200);
    server.advance(-660);
  });

  it('403 outside the enrollment: name, type, attribute, address', async () => {
    const { token } = await enroll(server, {
      thingNamePattern: 'pump-?-*',
      thingType: 'pump',
      deviceAttributes: ['fw'],
      attributes: { site: 'b' },
    });
    const elsewhere = await enroll(server, { sourceCidrs: ['10.0.0.0/8', '2001:db8::/32'] });
    const refusals = [
      await provision(server, token, 'valve-1'),
      await provision(server, token, 'pump-12'),
      await provision(server, token, 'pump-1-a', { thingType: 'valve' }),
      await provision(server, token, 'pump-1-a', { attributes: { site: 'c' } }),
      await provision(server, elsewhere.token, 'pump-1-a'),
    ];
    for (const { answer } of refusals) expect([answer.status, problemOf(answer)]).toEqual([403, 'outside-enrollment']);
    const good = await provision(server, token, 'pump-1-a', { thingType: 'pump', attributes: { fw: '1.2' } });
    expect(good.answer.body.thing).toMatchObject({ thingType: 'pump', attributes: { fw: '1.2', site: 'b' } });
    expect((await things()).filter(({ name }) => name === 'valve-1' || name === 'pump-12')).toEqual([]);
  });

  it('201 with the policy sensor when the enrollment names neither type nor policy', async () => {
    const { token } = await enroll(server);
    expect(
      (await provision(server, token, 'plain-1')).answer.body.policies.map(({ name }: { name: string }) => name),
    ).toEqual(['sensor']);
  });

  it('201 with a PKCS#12 file on request', async () => {
    const { token } = await enroll(server);
    const answer = await server
      .as(token)
      .post('/v1/provision', { thingName: 'bundle-1', keyType: 'rsa-2048', format: 'pkcs12', password: 'secret' });
    expect(answer.status).toBe(201);
    expect(Buffer.from(answer.body.pkcs12, 'base64')[0]).toBe(0x30);
    expect(answer.body.privateKeyPem).toBeUndefined();
  });

  it('re-enrollment: a one-use token gives the thing a new key, and its first use ends the old certificate', async () => {
    const { token } = await enroll(server);
    const old = await provision(server, token, 'lost-1');
    const reenroll = await server.owner.post('/v1/things/lost-1/reenroll');
    expect(reenroll.status).toBe(201);
    const key = newKey();
    expect((await provision(server, reenroll.body.token, 'other-1', {}, key)).answer.status).toBe(403);
    const fresh = await provision(server, reenroll.body.token, 'lost-1', {}, key);
    expect(fresh.answer.status).toBe(201);
    expect(fresh.answer.body.thing.id).toBe(old.answer.body.thing.id);
    const again = await provision(server, reenroll.body.token, 'lost-1', {}, key);
    expect([again.answer.status, pemOf(again)]).toEqual([200, pemOf(fresh)]);
    expect((await provision(server, reenroll.body.token, 'lost-1')).answer.status).toBe(401);

    const statusOf = async (device: typeof old) =>
      (await server.owner.get(`/v1/certificates/${device.answer.body.certificate.serialNumber}`)).body.status;
    expect(await statusOf(old)).toBe('active');
    expect((await server.as(again.answer.body.token.accessToken).get('/v1/self')).status).toBe(200);
    expect(await statusOf(old)).toBe('active');
    expect((await useKey(server, again)).status).toBe(200);
    expect(await statusOf(old)).toBe('revoked');
    expect((await server.as(old.answer.body.token.accessToken).get('/v1/self')).status).toBe(401);
  });

  it('fails alone: one bad request among good ones that arrive together', async () => {
    const { token } = await enroll(server);
    await provision(server, token, 'taken-1');
    const names = Array.from({ length: 40 }, (_, n) => (n === 20 ? 'taken-1' : `together-${n}`));
    const devices = await Promise.all(names.map((name) => provision(server, token, name)));
    expect(devices.map(({ answer }) => answer.status)).toEqual(names.map((name) => (name === 'taken-1' ? 409 : 201)));
    const same = newKey();
    const twins = await Promise.all(
      ['twin-a', 'twin-b', 'twin-c'].map((name) => provision(server, token, name, {}, same)),
    );
    expect(twins.map(({ answer }) => answer.status).sort()).toEqual([201, 409, 409]);
    const csr = csrPem({ key: newKey() });
    const repeats = await Promise.all(
      Array.from({ length: 10 }, () => server.as(token).post('/v1/provision', { thingName: 'repeat-1', csr })),
    );
    expect(repeats.map(({ status }) => status).sort()).toEqual([...Array(9).fill(200), 201]);
    expect(new Set(repeats.map(({ body }) => body.certificate.pem)).size).toBe(1);
  });

  it('writes an audit row with every change', async () => {
    const { id, token } = await enroll(server, { thingNamePattern: 'audited-*' });
    await provision(server, token, 'audited-1');
    const rows = (await server.owner.get('/v1/audit?target=thing:audited-1')).body.items;
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({ actor: `enrollment:${id}`, action: 'thing.provision', sourceIp: '127.0.0.1' });
  });
});

import { createHash, createHmac, generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { problemOf } from '../../support/client.js';
import { csrDer, newKey, pem } from '../../support/pki/csr.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { assertion, assertionType, enroll, pemOf, provision, type Device } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';

describe.each(databaseKinds)('tokens on %s', (kind) => {
  let server: TestServer;
  let count = 0;
  beforeAll(async () => {
    server = await startServer(kind);
  });
  afterAll(() => server.stop());

  const newDevice = async (extra: object = {}): Promise<Device> => {
    const { token } = await enroll(server, extra);
    return provision(server, token, `device-${count++}`);
  };
  const sign_ = (device: Device, more: Partial<Parameters<typeof assertion>[0]> = {}) =>
    assertion({
      pem: pemOf(device),
      key: device.key,
      audience: server.url,
      subject: `default/${device.name}`,
      now: server.now(),
      ...more,
    });
  const token = (body: object) => server.as(undefined).post('/v1/token', body);
  const refresh = (refresh_token: string, client_assertion?: string) =>
    token({
      grant_type: 'refresh_token',
      refresh_token,
      ...(client_assertion && { client_assertion, client_assertion_type: assertionType }),
    });
  const credentials = (client_assertion: string) =>
    token({ grant_type: 'client_credentials', client_assertion, client_assertion_type: assertionType });

  it('an access token verifies with jose by the key set, and binds the certificate', async () => {
    const { answer, name } = await newDevice({ thingType: 'pump', attributes: { site: 'b' }, policy: 'sensor' });
    const { accessToken } = answer.body.token;
    const keys = createRemoteJWKSet(new URL(answer.body.links.jwks));
    const { payload, protectedHeader } = await jwtVerify(accessToken, keys, {
      issuer: server.url,
      audience: 'thingward:default',
      typ: 'at+jwt',
    });
    expect(protectedHeader).toMatchObject({ alg: 'ES256', typ: 'at+jwt' });
    expect(payload).toMatchObject({
      sub: name,
      tid: answer.body.thing.id,
      account: 'default',
      policies: ['sensor'],
      gen: 1,
    });
    expect(payload['vars']).toEqual({
      attributes: { site: 'b' },
      type: 'pump',
      serialNumber: expect.stringMatching(/^[0-9a-f]{40}$/),
    });
    expect(payload['cnf']).toEqual({
      'x5t#S256': Buffer.from(answer.body.certificate.fingerprint, 'hex').toString('base64url'),
    });
    expect(payload.exp! - payload.iat!).toBe(900);
  });

  it('refresh: each token once; of a hundred at once one wins', async () => {
    const device = await newDevice();
    const first = await refresh(device.answer.body.token.refreshToken);
    expect(first.status).toBe(200);
    expect(first.headers.get('cache-control')).toBe('no-store');
    expect(first.body).toMatchObject({ token_type: 'Bearer', expires_in: 900 });
    const race = await Promise.all(Array.from({ length: 100 }, () => refresh(first.body.refresh_token)));
    expect(race.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(race.filter(({ status }) => status === 400)).toHaveLength(99);
  });

  it('a lost answer is given again within 30 s to the device that proves its key', async () => {
    const device = await newDevice();
    const lost = device.answer.body.token.refreshToken as string;
    const first = await refresh(lost, await sign_(device));
    const again = await refresh(lost, await sign_(device));
    expect([first.status, again.status]).toEqual([200, 200]);
    expect(again.body.refresh_token).toBe(first.body.refresh_token);
    server.advance(31);
    const late = await refresh(lost, await sign_(device));
    expect(problemOf(late)).toBe('invalid-grant');
    expect(late.body.error).toBe('invalid_grant');
    expect(problemOf(await refresh(first.body.refresh_token))).toBe('invalid-grant');
    expect((await credentials(await sign_(device))).status).toBe(200);
  });

  it("another device's proof does not bring a lost answer back", async () => {
    const [device, thief] = [await newDevice(), await newDevice()];
    const lost = device.answer.body.token.refreshToken as string;
    const first = await refresh(lost);
    expect((await refresh(lost, await sign_(thief))).status).toBe(400);
    expect((await refresh(first.body.refresh_token)).status).toBe(400);
  });

  it('client_credentials: form or JSON, and a token that works', async () => {
    const device = await newDevice();
    const form = new URLSearchParams({
      grant_type: 'client_credentials',
      client_assertion: await sign_(device),
      client_assertion_type: assertionType,
      ignored: 'x',
    });
    const answer = await server
      .as(undefined)
      .send('POST', '/v1/token', form.toString(), { 'content-type': 'application/x-www-form-urlencoded' });
    expect(answer.status).toBe(200);
    expect(answer.body.refresh_token).toBeUndefined();
    const self = await server.as(answer.body.access_token).get('/v1/self');
    expect(self.body.thing).toMatchObject({ name: device.name, policies: ['sensor'] });
  });

  it('401 invalid-client with the server time for every assertion that is not exactly right', async () => {
    const device = await newDevice();
    const other = await newDevice();
    const seconds = Math.floor(server.now().getTime() / 1000);
    const used = await sign_(device);
    expect((await credentials(used)).status).toBe(200);
    const wrong: Record<string, string> = {
      'used before': used,
      expired: await sign_(device, { claims: { exp: seconds - 60 } }),
      'too long, without iat': await sign_(device, { claims: { exp: seconds + 400, iat: undefined } }),
      'too long, since long ago': await sign_(device, { claims: { exp: seconds + 400, iat: seconds - 400 } }),
      'too long, from the future': await sign_(device, { claims: { exp: seconds + 400, iat: seconds + 200 } }),
      'without exp': await sign_(device, { claims: { exp: undefined } }),
      'without jti': await sign_(device, { claims: { jti: undefined } }),
      'another audience': await sign_(device, { audience: 'https://elsewhere.example' }),
      'another subject': await sign_(device, { subject: `default/${other.name}` }),
      'another account': await sign_(device, { subject: `acme/${device.name}` }),
      'another key': await sign_(device, { key: newKey() }),
      'another certificate': await sign_(device, { pem: pemOf(other) }),
      'another type': await sign_(device, { typ: 'renew+jwt' }),
      'two audiences': await sign_(device, { claims: { aud: [server.url, 'https://elsewhere.example'] } }),
      'not yet': await sign_(device, { claims: { nbf: seconds + 60 } }),
      'an access token': device.answer.body.token.accessToken,
      'no JWT': 'abc',
      'alg none': `${Buffer.from(JSON.stringify({ alg: 'none', typ: 'client-authentication+jwt', 'x5t#S256': 'A'.repeat(43) })).toString('base64url')}.e30.`,
    };
    for (const [what, client_assertion] of Object.entries(wrong)) {
      const answer = await credentials(client_assertion);
      expect([what, answer.status, problemOf(answer)]).toEqual([what, 401, 'invalid-client']);
      expect(Date.parse(answer.body.serverTime), what).toBeGreaterThan(0);
    }
  });

  it('400 for grants that we do not know, and for refresh tokens that we did not make', async () => {
    expect(problemOf(await token({ grant_type: 'password', username: 'a', password: 'b' }))).toBe(
      'unsupported-grant-type',
    );
    expect(problemOf(await token({ grant_type: 'refresh_token' }))).toBe('invalid-request');
    expect(problemOf(await refresh(`twr_${randomUUID()}.1.${'A'.repeat(43)}`))).toBe('invalid-grant');
    expect(problemOf(await refresh('x'))).toBe('invalid-grant');
  });

  it('401 for access tokens that are forged, bent or stale', async () => {
    const device = await newDevice();
    const good = device.answer.body.token.accessToken as string;
    const [header, payload, signature] = good.split('.') as [string, string, string];
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>;
    const segment = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const known = JSON.parse(Buffer.from(header, 'base64url').toString()) as Record<string, unknown>;
    const jwks = (await server.as(undefined).get('/.well-known/jwks.json')).body;
    const hmac = (head: object, secret: string) => {
      const input = `${segment(head)}.${payload}`;
      return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
    };
    const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    const resigned = `${header}.${payload}.${sign('sha256', Buffer.from(`${header}.${payload}`), { key: stranger, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
    const forged = [
      `${segment({ ...known, alg: 'none' })}.${payload}.`,
      `${header}.${payload}.`,
      hmac({ ...known, alg: 'HS256' }, ''),
      hmac({ ...known, alg: 'HS256' }, JSON.stringify(jwks.keys[0])),
      `${segment({ ...known, crit: ['x'], x: 1 })}.${payload}.${signature}`,
      `${segment({ ...known, jku: 'http://127.0.0.1/' })}.${payload}.${signature}`,
      `${header}.${segment({ ...claims, sub: 'other' })}.${signature}`,
      resigned,
      good.slice(0, -2),
      `${good}.x`,
    ];
    for (const wrong of forged) expect((await server.as(wrong).get('/v1/self')).status).toBe(401);
    expect((await server.as(good).get('/v1/self')).status).toBe(200);
    server.advance(901);
    expect((await server.as(good).get('/v1/self')).status).toBe(401);
  });

  describe('POST /v1/renew', () => {
    const renewWith = async (device: Device, csr: string, more: Partial<Parameters<typeof assertion>[0]> = {}) => {
      const csr_sha256 = createHash('sha256')
        .update(Buffer.from(csr.replace(/-----[^-]+-----|\s/g, ''), 'base64'))
        .digest('base64url');
      const proof = await sign_(device, { typ: 'renew+jwt', claims: { csr_sha256 }, ...more });
      return server.as(undefined).post('/v1/renew', { csr, proof });
    };

    it('gives a new certificate, the same for the same request, and ends the old one when the new key first signs', async () => {
      const device = await newDevice();
      const key = newKey();
      const csr = pem(csrDer({ key }));
      const first = await renewWith(device, csr);
      const again = await renewWith(device, csr);
      expect([first.status, again.status]).toEqual([201, 200]);
      expect(again.body.certificate).toEqual(first.body.certificate);
      const renewed: Device = { ...device, key, answer: first };
      expect((await credentials(await sign_(device))).status).toBe(200);
      expect((await credentials(await sign_(renewed))).status).toBe(200);
      const old = await credentials(await sign_(device));
      expect([old.status, problemOf(old)]).toEqual([401, 'invalid-client']);
      expect((await refresh(device.answer.body.token.refreshToken)).status).toBe(400);
      const { body } = await server.owner.get(`/v1/certificates?thing=${device.name}`);
      expect(body.items.map(({ status }: { status: string }) => status).sort()).toEqual(['active', 'superseded']);
    });

    it('refuses a proof for another request, an old key and a stolen key', async () => {
      const [device, other] = [await newDevice(), await newDevice()];
      const csr = pem(csrDer({ key: newKey() }));
      expect((await renewWith(device, csr, { claims: { csr_sha256: 'A'.repeat(43) } })).status).toBe(401);
      expect((await renewWith(device, csr, { key: newKey() })).status).toBe(401);
      expect((await renewWith(device, csr, { typ: 'client-authentication+jwt' })).status).toBe(401);
      expect(problemOf(await renewWith(device, pem(csrDer({ key: other.key }))))).toBe('key-in-use');
    });

    it('makes one certificate of twenty equal requests at once', async () => {
      const device = await newDevice();
      const csr = pem(csrDer({ key: newKey() }));
      const answers = await Promise.all(Array.from({ length: 20 }, () => renewWith(device, csr)));
      expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
      expect(new Set(answers.map(({ body }) => body.certificate.pem)).size).toBe(1);
    });
  });

  it('rotation: a new key is published before it signs, and the old verifies until its last token is gone', async () => {
    const device = await newDevice();
    const kids = async () =>
      (await server.as(undefined).get('/.well-known/jwks.json')).body.keys.map(
        ({ kid }: { kid: string }) => kid,
      ) as string[];
    const kidOf = (jwt: string) => JSON.parse(Buffer.from(jwt.split('.')[0]!, 'base64url').toString()).kid as string;
    const [before] = await kids();
    const next = await server.services.tokens.rotate();
    expect((await kids()).sort()).toEqual([before, next].sort());
    const early = (await credentials(await sign_(device))).body.access_token as string;
    expect(kidOf(early)).toBe(before);
    server.advance(601);
    const later = (await credentials(await sign_(device))).body.access_token as string;
    expect(kidOf(later)).toBe(next);
    expect((await server.as(early).get('/v1/self')).status).toBe(200);
    server.advance(1300);
    await server.services.chores.run('read-token-keys');
    expect(await kids()).toEqual([next]);
  });
});

describe('other signature algorithms by setting', () => {
  it.each(['RS256', 'EdDSA'])('%s tokens verify with jose', async (algorithm) => {
    const server = await startServer('embedded', {
      THINGWARD_TOKEN_ALGORITHM: algorithm,
      THINGWARD_CA_KEY_TYPE: 'ec-p384',
      THINGWARD_TOKEN_AUDIENCE: 'urn:fleet:{account}',
    });
    try {
      const { token } = await enroll(server);
      const { answer } = await provision(server, token, 'd');
      const keys = createRemoteJWKSet(new URL(answer.body.links.jwks));
      const { protectedHeader } = await jwtVerify(answer.body.token.accessToken, keys, {
        audience: 'urn:fleet:default',
      });
      expect(protectedHeader.alg).toBe(algorithm);
      expect((await server.as(answer.body.token.accessToken).get('/v1/self')).status).toBe(200);
    } finally {
      await server.stop();
    }
  });
});

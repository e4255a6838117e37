import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Answer } from '../../support/client.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { assertionType, enroll, provision, renew, signedBy, useKey, type Device } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';

const form = 'application/x-www-form-urlencoded';

describe.each(databaseKinds)('the OAuth routes on %s', (kind) => {
  let server: TestServer;
  let reader: string;
  let count = 0;
  beforeAll(async () => {
    server = await startServer(kind, { THINGWARD_FAILED_CREDENTIALS_PER_MINUTE: '100000' });
    reader = (await server.owner.post('/v1/api-keys', { role: 'proxy' })).body.key as string;
  });
  afterAll(() => server.stop());

  const newDevice = async (): Promise<Device> => provision(server, (await enroll(server)).token, `oauth-${count++}`);
  const send = (path: string, parameters: Record<string, string>, headers: Record<string, string> = {}) =>
    server
      .as(undefined)
      .send('POST', path, new URLSearchParams(parameters).toString(), { 'content-type': form, ...headers });
  const credentials = (client_assertion: string, more: Record<string, string> = {}): Promise<Answer> =>
    send('/v1/token', {
      grant_type: 'client_credentials',
      client_assertion,
      client_assertion_type: assertionType,
      ...more,
    });
  const basic = (user: string, password: string) => ({
    authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
  });

  it('failures are those of RFC 6749, with our type beside', async () => {
    const device = await newDevice();
    const { accessToken } = device.answer.body.token;
    const twk = (await server.owner.post('/v1/api-keys', { permissions: ['things:read'] })).body.key as string;
    const cases: [string, Promise<Answer>, number, string, string][] = [
      [
        'another grant',
        send('/v1/token', { grant_type: 'password' }),
        400,
        'unsupported_grant_type',
        'unsupported-grant-type',
      ],
      ['no grant', send('/v1/token', {}), 400, 'invalid_request', 'invalid-request'],
      [
        'no assertion',
        send('/v1/token', { grant_type: 'client_credentials' }),
        400,
        'invalid_request',
        'invalid-request',
      ],
      ['no JWT', credentials('x'), 401, 'invalid_client', 'invalid-client'],
      [
        'no refresh token',
        send('/v1/token', { grant_type: 'refresh_token', refresh_token: 'x' }),
        400,
        'invalid_grant',
        'invalid-grant',
      ],
      [
        'revoking an access token',
        send('/v1/token/revoke', { token: accessToken }),
        400,
        'unsupported_token_type',
        'unsupported-token-type',
      ],
      ['revoking nothing', send('/v1/token/revoke', {}), 400, 'invalid_request', 'invalid-request'],
      ['no key', send('/v1/introspect', { token: accessToken }), 401, 'invalid_client', 'missing-credential'],
      [
        'a wrong key',
        send('/v1/introspect', { token: 'x' }, basic('u', 'wrong')),
        401,
        'invalid_client',
        'invalid-credential',
      ],
      [
        'a wrong bearer',
        send('/v1/introspect', { token: 'x' }, { authorization: 'Bearer wrong' }),
        401,
        'invalid_token',
        'invalid-credential',
      ],
      [
        'a wrong secret',
        send('/v1/introspect', { token: 'x', client_secret: 'wrong' }),
        401,
        'invalid_client',
        'invalid-credential',
      ],
      [
        'a key without the right',
        send('/v1/introspect', { token: 'x' }, basic('u', twk)),
        403,
        'insufficient_scope',
        'forbidden',
      ],
      ['no JSON', server.as(undefined).send('POST', '/v1/token', '{', {}), 400, 'invalid_request', 'invalid-request'],
      [
        'XML',
        server.as(undefined).send('POST', '/v1/token', '<a/>', { 'content-type': 'text/xml' }),
        415,
        'invalid_request',
        'unsupported-media-type',
      ],
      ['too much', send('/v1/token', { grant_type: 'x'.repeat(70_000) }), 413, 'invalid_request', 'payload-too-large'],
    ];
    for (const [what, sent, status, error, type] of cases) {
      const answer = await sent;
      expect([what, answer.status, answer.body.error, answer.body.type]).toEqual([
        what,
        status,
        error,
        `urn:thingward:problem:${type}`,
      ]);
      const challenge = answer.headers.get('www-authenticate');
      expect([what, challenge !== null]).toEqual([what, status === 401]);
    }
    const bearer = await send('/v1/introspect', { token: 'x' }, { authorization: 'Bearer wrong' });
    expect(bearer.headers.get('www-authenticate')).toMatch(/^Bearer /);
    expect((await credentials('x')).body.serverTime).toMatch(/^\d{4}-/);
  });

  it('an assertion counts once, however far away its exp is', async () => {
    const device = await newDevice();
    const iat = Math.floor(server.now().getTime() / 1000);
    for (const [life, statuses] of [
      [3600, [200, 401, 401, 401]],
      [120, [200, 401, 401, 401]],
    ] as const) {
      const jwt = await signedBy(server, device, { claims: { iat, exp: iat + life } });
      const found = [(await credentials(jwt)).status, (await credentials(jwt)).status];
      // The second jti is remembered no longer by then; nor is exp far away.
      for (const seconds of [life / 2, life / 2 - 60]) {
        server.advance(seconds);
        await server.services.chores.run('sweep-tokens');
        found.push((await credentials(jwt)).status);
      }
      server.advance(60 - life);
      expect([life, ...found]).toEqual([life, ...statuses]);
    }
  });

  it('a sub that is no name is refused like one that nobody has', async () => {
    const device = await newDevice();
    const answerTo = async (subject: string) =>
      credentials(await signedBy(server, device, { subject, header: { 'x5t#S256': undefined } }));
    for (const subject of [
      'default/a\0b',
      '\0/a',
      'default/\ud800',
      'default/a/b',
      'default',
      '/',
      'Default/a',
      'default/',
    ])
      expect([subject, (await answerTo(subject)).status]).toEqual([subject, 401]);
    // Nobody learns by a wrong signature which things there are.
    const another = await newDevice();
    const [missing, present] = [await answerTo('default/nobody'), await answerTo(`default/${another.name}`)];
    expect([missing.status, missing.body.error_description]).toEqual([401, present.body.error_description]);
    expect((await answerTo(`default/${device.name}`)).status).toBe(200);
  });

  it('nothing that is answered there may be kept', async () => {
    const device = await newDevice();
    const { refreshToken, accessToken } = device.answer.body.token;
    const answers = [
      await credentials(await signedBy(server, device)),
      await send('/v1/token', { grant_type: 'refresh_token', refresh_token: refreshToken as string }),
      await send('/v1/introspect', { token: accessToken as string }, basic('reader', reader)),
      await send('/v1/token/revoke', { token: refreshToken as string }),
    ];
    expect(answers.map(({ status, headers }) => [status, headers.get('cache-control')])).toEqual(
      answers.map(() => [200, 'no-store']),
    );
  });

  it('a key comes as bearer, as password of Basic in form encoding too, or as client_secret', async () => {
    const device = await newDevice();
    const token = device.answer.body.token.accessToken as string;
    const encoded = [...reader].map((c) => `%${c.charCodeAt(0).toString(16)}`).join('');
    const answers = [
      await send('/v1/introspect', { token }, { authorization: `Bearer ${reader}` }),
      await send('/v1/introspect', { token }, basic('reader', reader)),
      await send('/v1/introspect', { token }, basic('re%2Fader', encoded)),
      await send('/v1/introspect', { token, client_id: 'reader', client_secret: reader }),
      await server.as(undefined).post('/v1/introspect', { token, client_id: 'reader', client_secret: reader }),
    ];
    expect(answers.map(({ body }) => body.active)).toEqual(answers.map(() => true));
  });

  it('a reader that keeps an introspection until its exp is wrong for 30 s at most', async () => {
    const device = await newDevice();
    const token = device.answer.body.token.accessToken as string;
    const introspect = async () => (await send('/v1/introspect', { token, client_secret: reader })).body;
    const seconds = () => Math.floor(server.now().getTime() / 1000);
    const kept = await introspect();
    expect(kept.exp - seconds()).toBeLessThanOrEqual(30);
    expect(kept.exp - seconds()).toBeGreaterThan(20);
    await server.owner.post(`/v1/things/${device.name}/revoke`);
    expect(await introspect()).toEqual({ active: false });
    const other = await newDevice();
    const last = other.answer.body.token.accessToken as string;
    const ends = JSON.parse(Buffer.from(last.split('.')[1]!, 'base64url').toString()).exp as number;
    server.advance(890);
    const { exp } = (await send('/v1/introspect', { token: last, client_secret: reader })).body;
    expect(exp).toBe(ends);
  });

  it('metadata says where everything is, at both addresses', async () => {
    const get = async (path: string) => (await server.as(undefined).get(path)).body;
    const metadata = await get('/.well-known/oauth-authorization-server');
    expect(metadata).toMatchObject({
      issuer: server.url,
      token_endpoint: `${server.url}/v1/token`,
      introspection_endpoint: `${server.url}/v1/introspect`,
      revocation_endpoint: `${server.url}/v1/token/revoke`,
      jwks_uri: `${server.url}/.well-known/jwks.json`,
    });
    expect(metadata.token_endpoint_auth_methods_supported).toContain('private_key_jwt');
    expect(await get('/.well-known/openid-configuration')).toEqual(metadata);
    expect((await get('/.well-known/jwks.json')).keys.length).toBeGreaterThan(0);
  });

  describe('private_key_jwt as clients send it', () => {
    const plain = { header: { 'x5t#S256': undefined, typ: undefined } };

    it('without x5t#S256 every live certificate is tried, and no other', async () => {
      const device = await newDevice();
      const renewals = [];
      for (let n = 0; n < 9; n++) renewals.push(await renew(server, device));
      expect(renewals.map(({ answer }) => answer.status)).toEqual(renewals.map(() => 201));
      expect((await credentials(await signedBy(server, device, plain))).status).toBe(200);
      const last = renewals[4]!;
      expect((await credentials(await signedBy(server, last, plain))).status).toBe(200);
      const superseded = await credentials(await signedBy(server, device, plain));
      expect([superseded.status, superseded.body.error]).toEqual([401, 'invalid_client']);
      expect((await useKey(server, last)).status).toBe(200);
      await server.owner.post(`/v1/things/${device.name}/suspend`);
      expect((await credentials(await signedBy(server, last, plain))).status).toBe(401);
      const nobody = { ...plain, subject: 'default/nobody' };
      expect((await credentials(await signedBy(server, last, nobody))).status).toBe(401);
      expect((await credentials(await signedBy(server, last, { ...plain, subject: 'default' }))).status).toBe(401);
    });

    it('typ JWT or none, aud the issuer or the token endpoint, exp far away with iat, client_id the sub', async () => {
      const device = await newDevice();
      const seconds = Math.floor(server.now().getTime() / 1000);
      const sub = `default/${device.name}`;
      const endpoint = `${server.url}/v1/token`;
      const good = {
        'typ JWT': await credentials(await signedBy(server, device, { typ: 'JWT' })),
        'the token endpoint': await credentials(await signedBy(server, device, { ...plain, audience: endpoint })),
        'an array of one': await credentials(await signedBy(server, device, { claims: { aud: [endpoint] } })),
        'an hour': await credentials(await signedBy(server, device, { claims: { exp: seconds + 3600 } })),
        'a client_id': await credentials(await signedBy(server, device), { client_id: sub }),
      };
      for (const [what, { status }] of Object.entries(good)) expect([what, status]).toEqual([what, 200]);
      const bad = {
        'two audiences': await credentials(await signedBy(server, device, { claims: { aud: [server.url, endpoint] } })),
        'another path': await credentials(await signedBy(server, device, { audience: `${server.url}/v1/introspect` })),
        'an hour without iat': await credentials(
          await signedBy(server, device, { claims: { exp: seconds + 3600, iat: undefined } }),
        ),
        'an hour, six minutes ago': await credentials(
          await signedBy(server, device, { claims: { exp: seconds + 3600, iat: seconds - 360 } }),
        ),
        'another client_id': await credentials(await signedBy(server, device), { client_id: 'default/other' }),
      };
      for (const [what, { status, body }] of Object.entries(bad))
        expect([what, status, body.error]).toEqual([what, 401, 'invalid_client']);
    });

    it('the jti of an assertion that was made for an hour counts once', async () => {
      const device = await newDevice();
      const claims = { exp: Math.floor(server.now().getTime() / 1000) + 3600 };
      const assertion = await signedBy(server, device, { claims });
      expect((await credentials(assertion)).status).toBe(200);
      expect((await credentials(assertion)).status).toBe(401);
      server.advance(331);
      await server.services.chores.run('sweep-tokens');
      expect((await credentials(assertion)).status).toBe(401);
    });
  });
});

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { problemOf } from '../../support/client.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { enroll, provision } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';

describe.each(databaseKinds)('introspection and token revocation on %s', (kind) => {
  let server: TestServer;
  let enrollment: string;
  beforeAll(async () => {
    server = await startServer(kind);
    enrollment = (await enroll(server)).token;
  });
  afterAll(() => server.stop());

  /** As a form, as OAuth clients send it. */
  async function form(path: string, parameters: Record<string, string>, key = server.ownerKey) {
    const response = await fetch(`${server.url}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}` },
      body: new URLSearchParams(parameters),
    });
    return { status: response.status, text: await response.text() };
  }
  const introspect = async (token: string, key?: string) =>
    JSON.parse((await form('/v1/introspect', { token, token_type_hint: 'access_token' }, key)).text);

  it('a live token is described; one that is not is exactly {"active":false}', async () => {
    const { answer } = await provision(server, enrollment, 'in-1');
    const { accessToken, refreshToken } = answer.body.token;
    expect(await introspect(accessToken)).toMatchObject({
      active: true,
      sub: 'in-1',
      client_id: 'in-1',
      account: 'default',
      token_type: 'Bearer',
      policies: ['sensor'],
      cnf: { 'x5t#S256': expect.any(String) },
    });
    const acme = (await server.owner.post('/v1/accounts', { name: 'acme' })).body.ownerKey as string;
    for (const [token, key] of [['x'], [refreshToken], [`${accessToken}x`], [accessToken, acme]] as [string, string?][])
      expect((await form('/v1/introspect', { token }, key)).text).toBe('{"active":false}');
    expect((await form('/v1/introspect', {})).status).toBe(400);
    server.advance(901);
    expect(await introspect(accessToken)).toEqual({ active: false });
  });

  it('suspending, revoking and superseding end it at once', async () => {
    const acts: [string, (name: string, serial: string) => Promise<unknown>][] = [
      ['suspend', (name) => server.owner.post(`/v1/things/${name}/suspend`)],
      ['revoke-thing', (name) => server.owner.post(`/v1/things/${name}/revoke`)],
      [
        'revoke-certificate',
        (_, serial) => server.owner.post(`/v1/certificates/${serial}/revoke`, { reason: 'superseded' }),
      ],
    ];
    for (const [name, act] of acts) {
      const { answer } = await provision(server, enrollment, name);
      const { accessToken } = answer.body.token;
      expect((await introspect(accessToken)).active).toBe(true);
      await act(name, answer.body.certificate.serialNumber as string);
      expect(await introspect(accessToken), name).toEqual({ active: false });
    }
  });

  it('a revoked refresh token is of no use; any other token is answered alike', async () => {
    const { answer } = await provision(server, enrollment, 'in-2');
    const { accessToken, refreshToken } = answer.body.token;
    const refresh = () =>
      server.as(undefined).post('/v1/token', { grant_type: 'refresh_token', refresh_token: refreshToken });
    expect(await form('/v1/token/revoke', { token: 'twr_nothing' })).toEqual({ status: 200, text: '{}' });
    expect(await form('/v1/token/revoke', { token: refreshToken })).toEqual({ status: 200, text: '{}' });
    expect(await form('/v1/token/revoke', { token: refreshToken })).toEqual({ status: 200, text: '{}' });
    expect(problemOf(await refresh())).toBe('invalid-grant');
    const unsupported = await server.as(undefined).post('/v1/token/revoke', { token: accessToken });
    expect([unsupported.status, unsupported.body.error]).toEqual([400, 'unsupported_token_type']);
  });
});

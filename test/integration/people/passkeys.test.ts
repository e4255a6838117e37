import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { problemOf } from '../../support/client.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { createAuthenticator, type Flaw } from '../../support/people/authenticator.js';
import { acceptByPasskey, codeOf, openBrowser, siteOfTest, tokenOf } from '../../support/people/browser.js';
import { startServer, type TestServer } from '../../support/server.js';

describe.each(databaseKinds)('passkeys on %s', (kind) => {
  let server: TestServer;
  let names = 0;
  beforeAll(async () => {
    server = await startServer(kind);
    server.freeze();
  });
  afterAll(() => server.stop());

  const invite = async (role = 'owner') => {
    const { body } = await server.owner.post('/v1/people', { name: `person-${names++}`, role });
    return body as { person: { id: string; name: string }; link: string };
  };
  it('says which there are, and the same for an account that does not exist', async () => {
    const { body } = await openBrowser(server).get('/v1/sign-in?account=default');
    expect(body).toEqual({ account: 'default', passkeys: { available: true }, passwords: true, providers: [] });
    const unknown = await openBrowser(server).get('/v1/sign-in?account=nobody');
    expect(unknown.body).toEqual({ ...body, account: 'nobody' });
    const byAddress = (await openBrowser(server).get('/v1/sign-in', { origin: server.url })).body.passkeys;
    expect(byAddress).toEqual({ available: false, why: expect.stringContaining(siteOfTest(server)) });
  });

  it('a passkey needs this site, a fresh challenge, its own key, and its person', async () => {
    const { browser, authenticator } = await acceptByPasskey(server, (await invite()).link);
    const attempt = async (flaw: Flaw) => {
      const { body: options } = await browser.post('/v1/sign-in/passkey/options', {
        account: 'default',
        name: 'whoever',
      });
      expect(options).toMatchObject({ rpId: 'localhost', userVerification: 'required', challenge: expect.any(String) });
      expect(options.allowCredentials ?? []).toEqual([]);
      return browser.post('/v1/sign-in/passkey', { response: authenticator.get(options, flaw) });
    };
    for (const flaw of [
      { origin: 'https://evil.example' },
      { rpId: 'evil.example' },
      { unverified: true },
      { challenge: 'YWJj' },
    ] as Flaw[])
      expect(problemOf(await attempt(flaw)), JSON.stringify(flaw)).toBe('invalid-credential');
    expect((await attempt({})).status).toBe(200);
    expect(problemOf(await attempt({ repeatCounter: true }))).toBe('invalid-credential');
    // What was shown once is shown again.
    const { body: options } = await browser.post('/v1/sign-in/passkey/options');
    const response = authenticator.get(options);
    const kept = browser.cookies.get('thingward-signin')!;
    expect((await browser.post('/v1/sign-in/passkey', { response })).status).toBe(200);
    browser.cookies.set('thingward-signin', kept);
    expect((await browser.post('/v1/sign-in/passkey', { response: authenticator.get(options) })).status).toBe(401);
    const stranger = createAuthenticator(siteOfTest(server));
    stranger.create({ challenge: 'x', rp: { id: 'localhost' }, user: { id: 'x' } });
    const { body: more } = await browser.post('/v1/sign-in/passkey/options', {});
    expect((await browser.post('/v1/sign-in/passkey', { response: stranger.get(more) })).status).toBe(401);
    const late = await browser.post('/v1/sign-in/passkey/options', {});
    server.advance(601);
    expect((await browser.post('/v1/sign-in/passkey', { response: authenticator.get(late.body) })).status).toBe(401);
  });

  it('a passkey is made for this site, by somebody who unlocked it, and brings no certificates', async () => {
    const { link } = await invite();
    const browser = openBrowser(server);
    for (const flaw of [
      { origin: 'https://evil.example' },
      { rpId: 'evil.example' },
      { unverified: true },
      { challenge: 'YWJj' },
      { format: 'apple' },
      { format: 'tpm' },
    ] as Flaw[]) {
      const { body } = await browser.post('/v1/sign-in/link', { token: tokenOf(link) });
      const response = createAuthenticator(siteOfTest(server)).create(body.passkey.options, flaw);
      const answer = await browser.post('/v1/sign-in/link/passkey', { response });
      expect(problemOf(answer), JSON.stringify(flaw)).toBe('invalid-credential');
    }
    for (const response of [
      {},
      { id: 5 },
      { id: 'x', response: null },
      { id: 'x', response: { attestationObject: 'AAAA' } },
    ])
      expect((await browser.post('/v1/sign-in/link/passkey', { response })).status, JSON.stringify(response)).toBe(401);
    await acceptByPasskey(server, link);
  });

  it('people change their own ways in, which ends their other sessions, and keep one', async () => {
    const ada = await acceptByPasskey(server, (await invite()).link);
    const { browser } = ada;
    const other = openBrowser(server);
    const { body: options } = await other.post('/v1/sign-in/passkey/options', {});
    await other.post('/v1/sign-in/passkey', { response: ada.authenticator.get(options) });
    const { body: me } = await browser.get('/v1/me');
    expect(problemOf(await browser.send('DELETE', `/v1/me/passkeys/${me.passkeys[0].id}`))).toBe('conflict');

    const begin = async () => (await browser.post('/v1/me/setup')).body;
    const second = createAuthenticator(siteOfTest(server));
    const { passkey } = await begin();
    expect(passkey.options.excludeCredentials).toEqual([
      expect.objectContaining({ id: ada.authenticator.credentialId }),
    ]);
    const response = second.create(passkey.options);
    expect((await browser.post('/v1/me/passkeys', { name: 'spare', response })).status).toBe(204);
    expect([(await other.get('/v1/me')).status, (await browser.get('/v1/me')).status]).toEqual([401, 200]);

    const { totp } = await begin();
    const body = { password: 'several unrelated words', code: codeOf(totp.secret, server.now()) };
    const set = await browser.send('PUT', '/v1/me/password', body);
    expect([set.status, set.body.recoveryCodes.length]).toEqual([200, 10]);
    expect((await browser.send('PUT', '/v1/me/password', body)).status).toBe(401);
    expect((await browser.post('/v1/me/recovery-codes')).body.recoveryCodes).toHaveLength(10);
    const after = (await browser.get('/v1/me')).body;
    expect(after).toMatchObject({ methods: ['passkey', 'password'], recoveryCodesLeft: 10 });
    expect(after.passkeys.map(({ name }: { name: string }) => name)).toEqual(['passkey', 'spare']);
    expect((await browser.send('DELETE', '/v1/me/password')).status).toBe(204);
    expect((await browser.send('DELETE', `/v1/me/passkeys/${me.passkeys[0].id}`)).status).toBe(204);
    expect((await browser.get('/v1/me')).body.methods).toEqual(['passkey']);
  });

  it('a suspended account lets nobody in', async () => {
    const { ownerKey } = (await server.owner.post('/v1/accounts', { name: `closed-${kind}` })).body;
    const { link } = (await server.as(ownerKey).post('/v1/people', { name: 'Eve', role: 'owner' })).body;
    const eve = await acceptByPasskey(server, link);
    await server.owner.post(`/v1/accounts/closed-${kind}/suspend`);
    expect(problemOf(await eve.browser.get('/v1/me'))).toBe('account-suspended');
    const { body: options } = await eve.browser.post('/v1/sign-in/passkey/options', {});
    const again = await eve.browser.post('/v1/sign-in/passkey', { response: eve.authenticator.get(options) });
    expect(problemOf(again)).toBe('account-suspended');
  });
});

describe('where people cannot sign in', () => {
  const lookAt = async (publicUrl: string) => {
    const server = await startServer('embedded', { THINGWARD_PUBLIC_URL: publicUrl });
    try {
      const ways = await openBrowser(server).get('/v1/sign-in');
      const options = await openBrowser(server).post('/v1/sign-in/passkey/options', {});
      const settings = await server.owner.get('/v1/sign-in/settings');
      return { ways, options, settings, link: server.ownerLink };
    } finally {
      await server.stop();
    }
  };

  it('an address has no passkeys, and the answer says why; over https the cookies are of the host alone', async () => {
    const { ways, options } = await lookAt('https://192.0.2.7:8443');
    expect(ways.body.passkeys).toEqual({ available: false, why: expect.stringContaining('THINGWARD_PUBLIC_URL') });
    expect([options.status, problemOf(options)]).toEqual([409, 'passkeys-off']);
    const named = await lookAt('https://things.example');
    expect(named.link).toContain('https://things.example/console/welcome#twl_');
    expect(named.options.headers.getSetCookie()).toEqual([
      expect.stringMatching(/^__Host-thingward-signin=\S+; Max-Age=600; Path=\/; HttpOnly; Secure; SameSite=Lax$/),
    ]);
  });

  it('over plain http to another machine nobody signs in', async () => {
    const { ways, options, settings } = await lookAt('http://things.example');
    expect([problemOf(ways), problemOf(options)]).toEqual(['sign-in-refused', 'sign-in-refused']);
    // Keys go where they always went.
    expect(settings.body).toEqual({ passwords: true });
  });
});

import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { problemOf } from '../../support/client.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { openBrowser, tokenOf, type Browser } from '../../support/people/browser.js';
import { startProvider, visitProvider, type OidcServer } from '../../support/people/provider.js';
import { startServer, type TestServer } from '../../support/server.js';

const client = { id: 'thingward', secret: 'a secret of the client' };
const event = { 'http://schemas.openid.net/event/backchannel-logout': {} };

describe.each(databaseKinds)('single sign-on, judged by oidc-provider, on %s', (kind) => {
  let server: TestServer;
  let idp: OidcServer;
  let provider: { id: string; redirectUri: string; backchannelLogoutUri: string };

  beforeAll(async () => {
    server = await startServer(kind, { THINGWARD_OUTBOUND_ALLOW: '127.0.0.1' });
    idp = await startProvider({ ...client, secret: 'a-secret-of-the-client' });
    const made = await server.owner.post('/v1/sign-in/providers', {
      name: 'works',
      issuer: idp.issuer,
      clientId: client.id,
      clientSecret: 'a-secret-of-the-client',
      roleMapping: { admins: 'admin', readers: 'auditor' },
    });
    expect(made.status, made.text).toBe(201);
    provider = made.body;
    idp.register(provider);
  });
  afterAll(async () => {
    await idp.stop();
    await server.stop();
  });

  const local = (url: string) => {
    const { pathname, search } = new URL(url);
    return `${pathname}${search}`;
  };
  const start = async (browser: Browser, query = '') => {
    const sent = await server
      .as(undefined)
      .send('GET', `/v1/sign-in/oidc/${provider.id}${query}`, undefined, { cookie: cookieOf(browser) })
      .catch(() => undefined);
    return sent;
  };
  const cookieOf = ({ cookies }: Browser) => [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  /** Everything until the browser is sent back; what it brings then is returned. */
  const goThere = async (browser: Browser, query = ''): Promise<string> => {
    const response = await fetch(`${server.url}/v1/sign-in/oidc/${provider.id}${query}`, {
      redirect: 'manual',
      headers: { cookie: cookieOf(browser) },
    });
    expect(response.status, await response.clone().text()).toBe(302);
    for (const set of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(set)!;
      browser.cookies.set(name!, value!);
    }
    return visitProvider(response.headers.get('location')!, (url) => url.startsWith(provider.redirectUri));
  };
  const comeBack = async (browser: Browser, url: string) => {
    const response = await fetch(`${server.url}${local(url)}`, {
      redirect: 'manual',
      headers: { cookie: cookieOf(browser) },
    });
    for (const set of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(set)!;
      browser.cookies.set(name!, value!);
    }
    const text = await response.text();
    const body = text ? JSON.parse(text) : undefined;
    return { status: response.status, body, text, headers: response.headers };
  };
  const signIn = async (browser = openBrowser(server)) => {
    const answer = await comeBack(browser, await goThere(browser));
    return { browser, answer };
  };
  const signedIn = async () => {
    const { browser, answer } = await signIn();
    expect([answer.status, answer.headers.get('location')], answer.text).toEqual([303, '/console/']);
    return browser;
  };
  const configure = async (change: object) => {
    const answer = await server.owner.send('PATCH', `/v1/sign-in/providers/${provider.id}`, change);
    expect(answer.status, answer.text).toBe(200);
  };
  const admin = (sub: string) => ({ sub, claims: { groups: ['admins'], preferred_username: `user ${sub}` } });

  it('who comes for the first time is made, by the role that the mapping gives; the secret is shown to nobody', async () => {
    idp.expect({
      sub: 'ada',
      claims: {
        groups: ['other', 'readers'],
        preferred_username: 'Ada',
        email: 'a@works.example',
        email_verified: true,
      },
    });
    const browser = await signedIn();
    const { body } = await browser.get('/v1/me');
    expect(body).toMatchObject({
      name: 'Ada',
      role: 'auditor',
      email: 'a@works.example',
      methods: ['sso'],
      session: { methods: ['sso'] },
    });
    const again = (await (await signedIn()).get('/v1/me')).body;
    expect(again.id).toBe(body.id);
    // The same address at the same provider under another subject is somebody else.
    idp.expect({
      sub: 'ada-2',
      claims: { groups: ['readers'], preferred_username: 'Ada', email: 'a@works.example', email_verified: true },
    });
    const other = (await (await signedIn()).get('/v1/me')).body;
    expect(other.id).not.toBe(body.id);
    expect(other.name).toMatch(/^Ada \(/);
    const shown = (await server.owner.get('/v1/sign-in/providers')).text + (await server.owner.get('/v1/audit')).text;
    expect(shown).toContain(client.id);
    expect(shown).not.toContain('a-secret-of-the-client');
    const [row] = await server.database.client.signInProvider.findMany();
    expect(Buffer.from(row!.secretSealed).toString('latin1')).not.toContain('a-secret-of-the-client');
    expect((await openBrowser(server).get('/v1/sign-in')).body.providers).toEqual([{ id: provider.id, name: 'works' }]);
  });

  it('the role follows the provider, and without a value nobody is let in', async () => {
    idp.expect(admin('grace'));
    const browser = await signedIn();
    expect((await browser.get('/v1/me')).body.role).toBe('admin');
    idp.expect({ sub: 'grace', claims: { groups: ['readers'] } });
    await signedIn();
    expect((await browser.get('/v1/me')).body.role).toBe('auditor');
    idp.expect({ sub: 'grace', claims: { groups: [] } });
    const { answer } = await signIn();
    expect([answer.status, problemOf(answer as never)]).toEqual([403, 'sign-in-refused']);
  });

  it('an ID token counts for this sign-in, this client and this moment alone, under a key of the provider', async () => {
    const seconds = Math.floor(Date.now() / 1000);
    for (const [what, forgery] of Object.entries({
      nonce: { claims: { nonce: 'another' } },
      'no nonce': { claims: { nonce: undefined } },
      issuer: { claims: { iss: 'https://other.example' } },
      audience: { claims: { aud: 'another-client' } },
      'authorized party': { claims: { aud: ['thingward', 'another-client'], azp: 'another-client' } },
      expired: { claims: { exp: seconds - 3600, iat: seconds - 7200 } },
      'not yet': { claims: { nbf: seconds + 3600 } },
      key: { key: 'unknown' as const },
    })) {
      idp.expect(admin('mallory'));
      idp.forge(forgery);
      const { browser, answer } = await signIn();
      expect([answer.status, problemOf(answer as never)], `${what}: ${answer.text}`).toEqual([403, 'sign-in-refused']);
      expect(browser.cookies.has('thingward'), what).toBe(false);
    }
    const people = (await server.owner.get('/v1/people')).text;
    expect(people).not.toContain('mallory');
  });

  it('what is brought back belongs to the browser that was sent, and to the provider that it was sent to', async () => {
    idp.expect(admin('linus'));
    const browser = openBrowser(server);
    const url = await goThere(browser);
    expect(new URL(url).searchParams.get('iss')).toBe(idp.issuer);
    const mixed = new URL(url);
    mixed.searchParams.set('iss', 'https://other.example');
    expect((await comeBack(browser, mixed.href)).status).toBe(403);
    const without = new URL(url);
    without.searchParams.delete('iss');
    expect((await comeBack(browser, without.href)).status).toBe(403);
    const state = new URL(url);
    state.searchParams.set('state', 'another');
    expect((await comeBack(browser, state.href)).status).toBe(403);
    const stranger = openBrowser(server);
    expect((await comeBack(stranger, url)).status).toBe(401);
    const second = await server.owner.post('/v1/sign-in/providers', {
      name: 'other',
      issuer: 'http://127.0.0.1:1',
      clientId: 'x',
      clientSecret: 'x',
    });
    const elsewhere = url.replace(provider.id, second.body.id);
    expect((await comeBack(browser, elsewhere)).status).toBe(401);
    await server.owner.send('DELETE', `/v1/sign-in/providers/${second.body.id}`);
    const kept = browser.cookies.get('thingward-signin')!;
    expect((await comeBack(browser, url)).status).toBe(303);
    browser.cookies.set('thingward-signin', kept);
    expect((await comeBack(browser, url)).status).toBe(403);
    const refused = new URL(url);
    refused.search = '';
    const fresh = openBrowser(server);
    const back = new URL(await goThere(fresh));
    refused.searchParams.set('error', 'access_denied');
    for (const name of ['state', 'iss']) refused.searchParams.set(name, back.searchParams.get(name)!);
    const said = await comeBack(fresh, refused.href);
    expect([said.status, said.body.detail]).toEqual([403, expect.stringContaining('access_denied')]);
  });

  it('asks with PKCE, a state and a nonce, and keeps them in a cookie of ten minutes', async () => {
    const response = await fetch(`${server.url}/v1/sign-in/oidc/${provider.id}`, { redirect: 'manual' });
    const asked = Object.fromEntries(new URL(response.headers.get('location')!).searchParams);
    expect(asked).toMatchObject({
      response_type: 'code',
      client_id: client.id,
      redirect_uri: provider.redirectUri,
      code_challenge_method: 'S256',
      code_challenge: expect.stringMatching(/^[\w-]{43}$/),
      state: expect.stringMatching(/^[\w-]{43}$/),
      nonce: expect.stringMatching(/^[\w-]{43}$/),
      scope: 'openid profile email',
    });
    expect(response.headers.getSetCookie()).toEqual([
      expect.stringMatching(/^thingward-signin=\S+; Max-Age=600; Path=\/; HttpOnly; SameSite=Lax$/),
    ]);
    expect(await start(openBrowser(server), '?stepUp=true')).toMatchObject({ status: 401 });
    const late = openBrowser(server);
    idp.expect(admin('late'));
    const url = await goThere(late);
    server.advance(601);
    expect((await comeBack(late, url)).status).toBe(401);
  });

  it('required acr, amr and domains are promised by the provider, or nobody is let in', async () => {
    const refusedFor = async (word: string) => {
      const { answer } = await signIn();
      expect([answer.status, problemOf(answer as never), answer.body.detail]).toEqual([
        403,
        'sign-in-refused',
        expect.stringContaining(word),
      ]);
    };
    await configure({ requiredAcr: ['urn:two-factors'] });
    idp.expect(admin('acr'));
    await refusedFor('acr');
    idp.forge({ claims: { acr: 'urn:one-factor' } });
    await refusedFor('acr');
    idp.forge({ claims: { acr: 'urn:two-factors' } });
    await signedIn();
    await configure({ requiredAcr: [], requiredAmr: ['pwd', 'otp'] });
    idp.forge({ claims: { amr: ['pwd'] } });
    await refusedFor('amr');
    idp.forge({ claims: { amr: ['otp', 'pwd', 'x'] } });
    await signedIn();
    await configure({ requiredAmr: [], allowedDomains: ['works.example'] });
    for (const claims of [
      {},
      { email: 'a@works.example' },
      { email: 'a@works.example', email_verified: false },
      { email: 'a@other.example', email_verified: true },
      { email: 'a@works.example@other.example', email_verified: true },
      { email: 'a@sub.works.example', email_verified: true },
    ]) {
      idp.expect({ sub: 'domain', claims: { groups: ['admins'], ...claims } });
      await refusedFor('works.example');
    }
    idp.expect({ sub: 'domain', claims: { groups: ['admins'], email: 'a@Works.Example', email_verified: true } });
    await signedIn();
    await configure({ allowedDomains: [] });
  });

  it('a provider that rolls its keys over is understood at once, and one that is away is said to be', async () => {
    idp.expect(admin('keys'));
    await signedIn();
    await idp.rollOver();
    await signedIn();
    const waiting = openBrowser(server);
    const url = await goThere(waiting);
    await idp.away();
    const away = await comeBack(waiting, url);
    expect([away.status, problemOf(away as never), away.headers.get('retry-after')]).toEqual([
      503,
      'provider-away',
      '30',
    ]);
    server.advance(601);
    const begun = await start(openBrowser(server));
    expect([begun!.status, problemOf(begun!)]).toEqual([503, 'provider-away']);
    await idp.back();
    await signedIn();
  });

  it('a link can be accepted by single sign-on: who was invited keeps the role of the invitation', async () => {
    const { person, link } = (await server.owner.post('/v1/people', { name: 'invited', role: 'operator' })).body;
    idp.expect({ sub: 'invited', claims: { groups: [] } });
    const browser = openBrowser(server);
    await browser.post('/v1/sign-in/link', { token: tokenOf(link) });
    expect((await comeBack(browser, await goThere(browser))).status).toBe(303);
    expect((await browser.get('/v1/me')).body).toMatchObject({ id: person.id, role: 'operator', methods: ['sso'] });
    const reused = openBrowser(server);
    expect((await reused.post('/v1/sign-in/link', { token: tokenOf(link) })).status).toBe(401);
  });

  it('a step-up asks the provider for a fresh factor of the same person', async () => {
    idp.expect(admin('fresh'));
    const browser = await signedIn();
    const key = () => browser.post('/v1/api-keys', { role: 'auditor' });
    expect((await key()).status).toBe(201);
    server.advance(301);
    expect(problemOf(await key())).toBe('step-up-required');
    const before = browser.cookies.get('thingward');
    const url = await goThere(browser, '?stepUp=true');
    idp.forge({ claims: { auth_time: Math.floor(Date.now() / 1000) - 3600 } });
    expect((await comeBack(browser, url)).status).toBe(403);
    idp.forge({});
    idp.expect(admin('somebody-else'));
    expect((await comeBack(browser, await goThere(browser, '?stepUp=true'))).status).toBe(403);
    expect(problemOf(await key())).toBe('step-up-required');
    idp.expect(admin('fresh'));
    expect((await comeBack(browser, await goThere(browser, '?stepUp=true'))).status).toBe(303);
    expect(browser.cookies.get('thingward')).not.toBe(before);
    expect((await key()).status).toBe(201);
  });

  it('who left the provider is out within the hour', async () => {
    idp.expect(admin('leaver'));
    const [leaver, recheck] = [await signedIn(), () => server.services.chores.run('recheck-sign-ins')];
    const isIn = async () => (await leaver.get('/v1/me')).status === 200;
    const pass = async (minutes: number) => {
      for (let n = 0; n < minutes; n += 10) {
        server.advance(600);
        await leaver.get('/v1/me');
        await recheck();
      }
    };
    await pass(90);
    expect(await isIn()).toBe(true);
    idp.forget();
    await pass(40);
    expect(await isIn()).toBe(false);
    // One that says nothing is believed for an hour.
    idp.expect(admin('silent'));
    const silent = await signedIn();
    await idp.away();
    for (let n = 0; n < 5; n++) {
      server.advance(600);
      await recheck();
      expect((await silent.get('/v1/me')).status, `${n}`).toBe(200);
    }
    server.advance(601);
    expect((await silent.get('/v1/me')).status).toBe(401);
    await idp.back();
    idp.refreshing(false);
    idp.expect(admin('unasked'));
    const unasked = await signedIn();
    server.advance(1500);
    expect((await unasked.get('/v1/me')).status).toBe(200);
    server.advance(1500);
    expect((await unasked.get('/v1/me')).status).toBe(200);
    server.advance(601);
    expect((await unasked.get('/v1/me')).status).toBe(401);
    idp.refreshing(true);
  });

  it('who lost their value at the provider is out when it is asked again', async () => {
    idp.expect(admin('demoted'));
    const browser = await signedIn();
    idp.expect({ sub: 'demoted', claims: { groups: [] } });
    server.advance(1501);
    expect((await browser.get('/v1/me')).status).toBe(200);
    server.advance(301);
    await server.services.chores.run('recheck-sign-ins');
    expect((await browser.get('/v1/me')).status).toBe(401);
  });

  describe('back-channel logout', () => {
    const send = (token: string) =>
      server
        .as(undefined)
        .send(
          'POST',
          `/v1/sign-in/oidc/${provider.id}/backchannel-logout`,
          new URLSearchParams({ logout_token: token }).toString(),
          {
            'content-type': 'application/x-www-form-urlencoded',
          },
        );
    const tokenFor = (sub: string, claims: object = {}, typ = 'logout+jwt') => {
      const iat = Math.floor(server.now().getTime() / 1000);
      const payload = {
        iss: idp.issuer,
        aud: client.id,
        iat,
        exp: iat + 120,
        jti: randomUUID(),
        sub,
        events: event,
        ...claims,
      };
      return idp.sign(payload, typ);
    };
    const isIn = async (browser: Browser) => (await browser.get('/v1/me')).status === 200;

    it('ends the sessions of the subject at once, and no others', async () => {
      idp.expect(admin('first'));
      const [one, two] = [await signedIn(), await signedIn()];
      idp.expect(admin('second'));
      const other = await signedIn();
      const token = await tokenFor('first');
      const answer = await send(token);
      expect([answer.status, answer.headers.get('cache-control')]).toEqual([200, 'no-store']);
      expect([await isIn(one), await isIn(two), await isIn(other)]).toEqual([false, false, true]);
      expect((await send(token)).status).toBe(400);
    });

    it('refuses what is no logout token of the provider for this client, now', async () => {
      idp.expect(admin('stays'));
      const browser = await signedIn();
      const iat = Math.floor(server.now().getTime() / 1000);
      for (const token of [
        await tokenFor('stays', {}, 'JWT'),
        await tokenFor('stays', { nonce: 'x' }),
        await tokenFor('stays', { aud: 'another' }),
        await tokenFor('stays', { iss: 'https://other.example' }),
        await tokenFor('stays', { events: {} }),
        await tokenFor('stays', { jti: undefined }),
        await tokenFor('stays', { sub: undefined }),
        await tokenFor('stays', { iat: iat - 3600, exp: iat - 3000 }),
        `${(await tokenFor('stays')).slice(0, -8)}AAAAAAAA`,
        'x.y.z',
        '',
      ]) {
        expect((await send(token)).status, token).toBe(400);
        expect(await isIn(browser), token).toBe(true);
      }
    });

    it('counts while the provider is away, under the keys that it had; and with a new key it ends first and complains then', async () => {
      idp.expect(admin('gone'));
      const known = await signedIn();
      idp.expect(admin('gone too'));
      const unknown = await signedIn();
      const [first] = [await tokenFor('gone')];
      await idp.away();
      expect((await send(first)).status).toBe(200);
      expect(await isIn(known)).toBe(false);
      await idp.rollOver();
      server.advance(601);
      const complaint = await send(await tokenFor('gone too'));
      expect([complaint.status, problemOf(complaint)]).toEqual([503, 'provider-away']);
      expect(await isIn(unknown)).toBe(false);
      await idp.back();
    });
  });

  it('whoever sets a provider up has what it gives, and a changed one vouches for nobody', async () => {
    const key = server.as(
      (await server.owner.post('/v1/api-keys', { permissions: ['people:read', 'people:write'] })).body.key,
    );
    const request = { name: 'grab', issuer: 'https://idp.example', clientId: 'x', clientSecret: 'x' };
    for (const more of [{ roleMapping: { all: 'owner' } }, { defaultRole: 'auditor' }])
      expect(problemOf(await key.post('/v1/sign-in/providers', { ...request, ...more }))).toBe('forbidden');
    const path = `/v1/sign-in/providers/${provider.id}`;
    expect(problemOf(await key.send('PATCH', path, { issuer: 'https://idp.example' }))).toBe('forbidden');
    expect(problemOf(await key.send('DELETE', path))).toBe('forbidden');
    const empty = await key.post('/v1/sign-in/providers', request);
    expect(empty.status).toBe(201);
    expect(problemOf(await key.send('PATCH', `/v1/sign-in/providers/${empty.body.id}`, { defaultRole: 'owner' }))).toBe(
      'forbidden',
    );
    const acme = server.as((await server.owner.post('/v1/accounts', { name: `acme-${kind}` })).body.ownerKey);
    expect((await acme.get(path)).status).toBe(404);
    expect((await acme.send('DELETE', path)).status).toBe(404);

    idp.expect(admin('vouched'));
    const browser = await signedIn();
    await configure({ name: 'renamed' });
    expect((await browser.get('/v1/me')).status).toBe(401);
    const again = await signedIn();
    expect((await server.owner.send('DELETE', path)).status).toBe(204);
    expect((await again.get('/v1/me')).status).toBe(401);
  });

  it('a provider at a private address is not asked, unless the setting lists it', async () => {
    const strict = await startServer(kind);
    try {
      idp.requests();
      const request = { name: 'x', issuer: idp.issuer, clientId: 'x', clientSecret: 'x' };
      const { id } = (await strict.owner.post('/v1/sign-in/providers', request)).body;
      const answer = await strict.as(undefined).get(`/v1/sign-in/oidc/${id}`);
      expect([answer.status, answer.body.detail]).toEqual([503, expect.stringContaining('THINGWARD_OUTBOUND_ALLOW')]);
      expect(idp.requests()).toEqual([]);
    } finally {
      await strict.stop();
    }
  });
});

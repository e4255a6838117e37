import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { problemOf } from '../../support/client.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { openBrowser, tokenOf } from '../../support/people/browser.js';
import { admin, client, setStage, type Stage } from '../../support/people/stage.js';

describe.each(databaseKinds)('single sign-on, judged by oidc-provider, on %s', (kind) => {
  let stage: Stage;
  let { server, idp, provider, begin, goThere, comeBack, signIn, signedIn, configure } = {} as Stage;
  beforeAll(async () => {
    stage = await setStage(kind);
    ({ server, idp, provider, begin, goThere, comeBack, signIn, signedIn, configure } = stage);
  });
  afterAll(() => stage.stop());

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
    expect(shown).not.toContain(client.secret);
    const [row] = await server.database.client.signInProvider.findMany();
    expect(Buffer.from(row!.secretSealed).toString('latin1')).not.toContain(client.secret);
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
    expect(await begin(openBrowser(server), '?stepUp=true')).toMatchObject({ status: 401 });
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
    const begun = await begin(openBrowser(server));
    expect([begun.status, problemOf(begun as never)]).toEqual([503, 'provider-away']);
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
});

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { problemOf } from '../../support/client.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { acceptByPasskey, acceptByPassword, stepUpByPasskey, type Browser } from '../../support/people/browser.js';
import { codeIn, exchange, keyOf, newVerifier } from '../../support/people/command-line.js';
import { admin, client, setStage, type Stage } from '../../support/people/stage.js';
import { startServer, type TestServer } from '../../support/server.js';

const hour = 3600;

describe.each(databaseKinds)('the key for the command line of a person, on %s', (kind) => {
  let server: TestServer;
  let names = 0;
  beforeAll(async () => {
    server = await startServer(kind);
  });
  afterAll(() => server.stop());

  const person = async (role = 'admin') => {
    const { body } = await server.owner.post('/v1/people', { name: `person-${names++}`, role });
    return acceptByPasskey(server, body.link);
  };
  const patch = (id: string, change: object) => server.owner.send('PATCH', `/v1/people/${id}`, change);
  const isGood = async (key: string): Promise<boolean> => {
    const { status } = await server.as(key).get('/v1/things?limit=1');
    expect([200, 401]).toContain(status);
    return status === 200;
  };

  it('does what the person may do, and no more, for 8 hours', async () => {
    const { browser, id, name } = await person('auditor');
    const { codeVerifier, codeChallenge } = newVerifier();
    const { status, body } = await exchange(server, await codeIn(browser, codeChallenge), codeVerifier);
    expect(status).toBe(200);
    expect(body).toMatchObject({ key: expect.stringMatching(/^twk_/), account: 'default', person: { id, name } });
    const asKey = server.as(body.key as string);
    expect((await asKey.get('/v1/things')).status).toBe(200);
    expect(problemOf(await asKey.post('/v1/segments', { name: 'x', cidr: '10.0.0.0/8' }))).toBe('forbidden');
    expect(problemOf(await asKey.get('/v1/me'))).toBe('forbidden');
    const { items } = (await asKey.get('/v1/api-keys')).body as { items: { person?: string; createdBy: string }[] };
    expect(items.filter((key) => key.person === id)).toMatchObject([{ createdBy: `person:${id}`, role: 'auditor' }]);
    server.advance(8 * hour - 60);
    expect(await isGood(body.key as string)).toBe(true);
    server.advance(120);
    expect(await isGood(body.key as string)).toBe(false);
  });

  it('comes for a code once, and for whoever began it alone', async () => {
    const { browser } = await person();
    const { codeVerifier, codeChallenge } = newVerifier();
    const code = await codeIn(browser, codeChallenge);
    for (const wrong of [newVerifier().codeVerifier, codeChallenge])
      expect(problemOf(await exchange(server, code, wrong))).toBe('invalid-credential');
    expect(problemOf(await exchange(server, `${code.slice(0, -4)}AAAA`, codeVerifier))).toBe('invalid-credential');
    const answers = await Promise.all(Array.from({ length: 4 }, () => exchange(server, code, codeVerifier)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 401, 401, 401]);
    const late = await codeIn(browser, codeChallenge);
    server.advance(601);
    expect(problemOf(await exchange(server, late, codeVerifier))).toBe('invalid-credential');
  });

  it('needs a person with a fresh factor, on a page of the site', async () => {
    const { browser, authenticator } = await person();
    const { codeChallenge } = newVerifier();
    const ask = (from: Browser, headers?: Record<string, string>) =>
      from.post('/v1/me/command-line', { codeChallenge }, headers);
    expect(problemOf(await server.owner.post('/v1/me/command-line', { codeChallenge }))).toBe('forbidden');
    expect(problemOf(await ask(browser, { 'sec-fetch-site': 'cross-site' }))).toBe('cross-site');
    server.advance(301);
    expect(problemOf(await ask(browser))).toBe('step-up-required');
    await stepUpByPasskey(browser, authenticator);
    expect((await ask(browser)).status).toBe(200);
  });

  it('is not given to who signed out, or was changed, meanwhile', async () => {
    const endings: ((browser: Browser, id: string) => Promise<unknown>)[] = [
      (browser) => browser.send('DELETE', '/v1/me/sessions/current'),
      (_browser, id) => patch(id, { status: 'suspended' }),
      (_browser, id) => server.owner.send('DELETE', `/v1/people/${id}`),
    ];
    for (const end of endings) {
      const { browser, id } = await person();
      const { codeVerifier, codeChallenge } = newVerifier();
      const code = await codeIn(browser, codeChallenge);
      await end(browser, id);
      const { status } = await exchange(server, code, codeVerifier);
      expect([401, 403]).toContain(status);
    }
  });

  it('ends with the person: deleted, suspended, changed, or with another way in', async () => {
    const endings: Record<string, (browser: Browser, id: string) => Promise<{ status: number }>> = {
      deleted: (_browser, id) => server.owner.send('DELETE', `/v1/people/${id}`),
      suspended: (_browser, id) => patch(id, { status: 'suspended' }),
      'another role': (_browser, id) => patch(id, { role: 'auditor' }),
      'another password': async (browser) => browser.post('/v1/me/recovery-codes'),
      'another link': async (_browser, id) => {
        const { body, status } = await server.owner.post(`/v1/people/${id}/link`);
        await acceptByPasskey(server, body.link);
        return { status };
      },
    };
    for (const [how, end] of Object.entries(endings)) {
      const { body } = await server.owner.post('/v1/people', { name: `person-${names++}`, role: 'admin' });
      const { browser, id } = await acceptByPassword(server, body.link);
      const { key } = await keyOf(server, browser);
      expect((await patch(id, { email: 'ada@example.com' })).status).toBe(200);
      expect(await isGood(key), how).toBe(true);
      expect((await end(browser, id)).status, how).toBeLessThan(300);
      expect(await isGood(key), how).toBe(false);
    }
  });

  it('and so does what it makes', async () => {
    const { browser, id } = await person();
    const { key, expiresAt } = await keyOf(server, browser);
    const own = server.as(key);
    expect(problemOf(await own.post('/v1/api-keys', { role: 'auditor' }))).toBe('forbidden');
    const { body } = await own.post('/v1/api-keys', { role: 'auditor', expiresAt });
    expect(await isGood(body.key)).toBe(true);
    await patch(id, { status: 'suspended' });
    expect(await isGood(body.key)).toBe(false);
  });

  it('ends where a person has too many', async () => {
    const { browser } = await person();
    const first = (await keyOf(server, browser)).key;
    for (let n = 0; n < 19; n++) await keyOf(server, browser);
    expect(await isGood(first)).toBe(true);
    const last = (await keyOf(server, browser)).key;
    expect([await isGood(first), await isGood(last)]).toEqual([false, true]);
  });
});

describe('after single sign-on', () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await setStage('embedded');
  });
  afterAll(() => stage.stop());

  const isGood = async (key: string) => (await stage.server.as(key).get('/v1/things')).status === 200;
  const keyFor = async (sub: string) => {
    stage.idp.expect(admin(sub));
    return keyOf(stage.server, await stage.signedIn());
  };

  it('it ends with the word of the provider, which nobody asks again for a key', async () => {
    const { key, expiresAt } = await keyFor('ada');
    const seconds = (Date.parse(expiresAt) - stage.server.now().getTime()) / 1000;
    expect(seconds).toBeGreaterThan(hour - 60);
    expect(seconds).toBeLessThanOrEqual(hour);
    expect(await isGood(key)).toBe(true);
  });

  it('it ends when the provider says that the person left, or sends them with another role', async () => {
    const { server, idp, provider } = stage;
    const [first, other] = [await keyFor('first'), await keyFor('other')];
    const iat = Math.floor(server.now().getTime() / 1000);
    const events = { 'http://schemas.openid.net/event/backchannel-logout': {} };
    const claims = { iss: idp.issuer, aud: client.id, iat, exp: iat + 120, jti: 'once', sub: 'first', events };
    const body = new URLSearchParams({ logout_token: await idp.sign(claims, 'logout+jwt') }).toString();
    const type = { 'content-type': 'application/x-www-form-urlencoded' };
    const path = `/v1/sign-in/oidc/${provider.id}/backchannel-logout`;
    expect((await server.as(undefined).send('POST', path, body, type)).status).toBe(200);
    expect([await isGood(first.key), await isGood(other.key)]).toEqual([false, true]);

    idp.expect({ sub: 'other', claims: { groups: ['readers'] } });
    await stage.signedIn();
    expect(await isGood(other.key)).toBe(false);
  });

  it('it ends when the provider is asked again about a session, and no longer knows the person', async () => {
    const { server, idp } = stage;
    idp.expect(admin('leaver'));
    const browser = await stage.signedIn();
    const { key } = await keyOf(server, browser);
    server.advance(1501);
    await browser.get('/v1/me');
    idp.expect({ sub: 'leaver', claims: { groups: [] } });
    server.advance(301);
    await server.services.chores.run('recheck-sign-ins');
    expect(await isGood(key)).toBe(false);
  });

  it('it ends when the provider is changed or deleted', async () => {
    const changed = await keyFor('ada');
    await stage.configure({ name: 'other works' });
    expect(await isGood(changed.key)).toBe(false);
    const deleted = await keyFor('ada');
    await stage.server.owner.send('DELETE', `/v1/sign-in/providers/${stage.provider.id}`);
    expect(await isGood(deleted.key)).toBe(false);
  });
});

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { problemOf } from '../../support/client.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { randomUUID } from 'node:crypto';
import { admin, client, setStage, type Stage } from '../../support/people/stage.js';
import { startServer } from '../../support/server.js';

const event = { 'http://schemas.openid.net/event/backchannel-logout': {} };

describe.each(databaseKinds)('who left a provider on %s', (kind) => {
  let stage: Stage;
  let { server, idp, provider, signedIn, configure, isIn } = {} as Stage;
  beforeAll(async () => {
    stage = await setStage(kind);
    ({ server, idp, provider, signedIn, configure, isIn } = stage);
  });
  afterAll(() => stage.stop());

  it('who left the provider is out within the hour', async () => {
    idp.expect(admin('leaver'));
    const [leaver, recheck] = [await signedIn(), () => server.services.chores.run('recheck-sign-ins')];
    const pass = async (minutes: number) => {
      for (let n = 0; n < minutes; n += 10) {
        server.advance(600);
        await leaver.get('/v1/me');
        await recheck();
      }
    };
    await pass(90);
    expect(await isIn(leaver)).toBe(true);
    idp.forget();
    await pass(40);
    expect(await isIn(leaver)).toBe(false);
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

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { permissionsOfRole } from '../../../src/access/permissions.js';
import { problemOf } from '../../support/client.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { acceptByPasskey, openBrowser, tokenOf } from '../../support/people/browser.js';
import { startServer, type TestServer } from '../../support/server.js';

describe.each(databaseKinds)('people on %s', (kind) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer(kind);
  });
  afterAll(() => server.stop());

  const invite = async (body: object, as = server.owner) => as.post('/v1/people', body);
  const invited = async (body: object) => {
    const answer = await invite(body);
    expect(answer.status, answer.text).toBe(201);
    return answer.body as { person: { id: string }; link: string; expiresAt: string };
  };

  it('the first start shows a link that makes the first person, once', async () => {
    expect(server.ownerLink).toMatch(/^http:\/\/localhost:\d+\/console\/welcome#twl_[A-Za-z0-9_-]{43}$/);
    const ada = await acceptByPasskey(server, server.ownerLink!, 'Ada');
    const { body } = await ada.browser.get('/v1/me');
    expect(body).toMatchObject({
      id: ada.id,
      account: 'default',
      name: 'Ada',
      role: 'owner',
      status: 'active',
      methods: ['passkey'],
      lastSignInAt: expect.any(String),
    });
    expect(new Set(body.permissions)).toEqual(new Set(permissionsOfRole('owner', 'default')));
    const again = await openBrowser(server).post('/v1/sign-in/link', { token: tokenOf(server.ownerLink!) });
    expect([again.status, problemOf(again)]).toEqual([401, 'invalid-credential']);
  });

  it('an invited person is shown, accepts, is changed and is deleted, and the audit says by whom', async () => {
    const { person, link, expiresAt } = await invited({ name: 'Grace', email: 'grace@example.com', role: 'operator' });
    expect(person).toMatchObject({
      account: 'default',
      name: 'Grace',
      status: 'invited',
      methods: [],
      role: 'operator',
    });
    const hours = (Date.parse(expiresAt) - server.now().getTime()) / 3_600_000;
    expect(hours).toBeGreaterThan(23);
    expect(hours).toBeLessThanOrEqual(24);
    const { browser } = await acceptByPasskey(server, link);
    expect((await browser.get('/v1/things')).status).toBe(200);
    expect(problemOf(await browser.get('/v1/people'))).toBe('forbidden');
    const shown = (await server.owner.get(`/v1/people/${person.id}`)).body;
    expect(shown).toMatchObject({ email: 'grace@example.com', status: 'active', methods: ['passkey'] });

    const change = { role: 'auditor', email: null };
    const changed = await server.owner.send('PATCH', `/v1/people/${person.id}`, change);
    expect([changed.status, changed.body.role, changed.body.email]).toEqual([200, 'auditor', undefined]);
    expect((await browser.get('/v1/people')).status).toBe(200);
    expect(problemOf(await browser.post('/v1/things/pump/suspend'))).toBe('forbidden');

    expect((await server.owner.send('DELETE', `/v1/people/${person.id}`)).status).toBe(204);
    expect(problemOf(await browser.get('/v1/me'))).toBe('invalid-credential');
    expect((await server.owner.get(`/v1/people/${person.id}`)).status).toBe(404);
    const audit = (await server.owner.get(`/v1/audit?target=person:${person.id}`)).body.items;
    expect(audit.map(({ action }: { action: string }) => action)).toEqual([
      'person.delete',
      'person.update',
      'person.sign-in',
      'person.accept',
      'person.create',
    ]);
    expect(audit[2].actor).toBe(`person:${person.id}`);
  });

  it('a suspended person is out at once, and back when resumed', async () => {
    const { person, link } = await invited({ name: 'Linus', role: 'auditor' });
    const { browser, authenticator } = await acceptByPasskey(server, link);
    const suspended = await server.owner.send('PATCH', `/v1/people/${person.id}`, { status: 'suspended' });
    expect(suspended.body.status).toBe('suspended');
    expect(problemOf(await browser.get('/v1/me'))).toBe('invalid-credential');
    const { body: options } = await browser.post('/v1/sign-in/passkey/options', {});
    const refused = await browser.post('/v1/sign-in/passkey', { response: authenticator.get(options) });
    expect(refused.status).toBe(401);
    await server.owner.send('PATCH', `/v1/people/${person.id}`, { status: 'active' });
    const { body: more } = await browser.post('/v1/sign-in/passkey/options', {});
    expect((await browser.post('/v1/sign-in/passkey', { response: authenticator.get(more) })).status).toBe(200);
  });

  it('names are unique in an account, however they are written', async () => {
    await invited({ name: 'Margaret', role: 'auditor' });
    for (const name of ['Margaret', 'margaret', ' MARGARET '])
      expect(problemOf(await invite({ name, role: 'auditor' })), name).toBe('person-exists');
    expect((await invite({ name: '', role: 'auditor' })).status).toBe(400);
    expect((await invite({ name: 'x' })).status).toBe(400);
    expect((await invite({ name: 'x', role: 'owner', permissions: ['things:read'] })).status).toBe(400);
  });

  it('nobody grants what they lack, and nobody touches who can do more', async () => {
    const key = async (body: object) => server.as((await server.owner.post('/v1/api-keys', body)).body.key);
    const admin = await key({ role: 'admin' });
    const manager = await key({ permissions: ['people:read', 'people:write', 'things:read'] });
    expect(problemOf(await invite({ name: 'more', role: 'owner' }, admin))).toBe('forbidden');
    expect((await invite({ name: 'more', permissions: ['issuers:write'] }, admin)).body.detail).toContain(
      'issuers:write',
    );
    const { body } = await invite({ name: 'less', permissions: ['things:read'] }, manager);
    expect(body.person.permissions).toEqual(['things:read']);
    const path = `/v1/people/${body.person.id}`;
    expect(problemOf(await manager.send('PATCH', path, { role: 'operator' }))).toBe('forbidden');
    const { person: boss } = await invited({ name: 'boss', role: 'owner' });
    for (const [method, more, body] of [
      ['PATCH', '', { name: 'minion' }],
      ['DELETE', ''],
      ['POST', '/link'],
    ] as const)
      for (const as of [admin, manager])
        expect(problemOf(await as.send(method, `/v1/people/${boss.id}${more}`, body)), method).toBe('forbidden');
    expect((await manager.send('PATCH', path, { name: 'lesser' })).status).toBe(200);
    expect((await manager.send('DELETE', path)).status).toBe(204);
  });

  it('the last owner stays, also when two are demoted at once', async () => {
    const { ownerKey } = (await server.owner.post('/v1/accounts', { name: `acme-${kind}` })).body;
    const acme = server.as(ownerKey);
    const make = async (name: string) => {
      const { body } = await acme.post('/v1/people', { name, role: 'owner' });
      return acceptByPasskey(server, body.link);
    };
    const [first, second] = [await make('first'), await make('second')];
    for (let round = 0; round < 5; round++) {
      const demote = (id: string) => acme.send('PATCH', `/v1/people/${id}`, { role: 'admin' });
      const remove = (id: string) => acme.send('PATCH', `/v1/people/${id}`, { status: 'suspended' });
      const answers = await Promise.all([demote(first.id), round % 2 ? remove(second.id) : demote(second.id)]);
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
      for (const { id } of [first, second])
        expect((await acme.send('PATCH', `/v1/people/${id}`, { role: 'owner', status: 'active' })).status).toBe(200);
    }
    expect((await acme.send('DELETE', `/v1/people/${first.id}`)).status).toBe(204);
    for (const [method, body] of [
      ['DELETE'],
      ['PATCH', { role: 'auditor' }],
      ['PATCH', { status: 'suspended' }],
    ] as const)
      expect(problemOf(await acme.send(method, `/v1/people/${second.id}`, body)), method).toBe('conflict');
    // One who never came in is nobody to rely on, but stays as long as there is no other.
    const invited = (await acme.post('/v1/people', { name: 'invited', role: 'owner' })).body.person.id as string;
    expect(problemOf(await acme.send('DELETE', `/v1/people/${second.id}`))).toBe('conflict');
    expect((await acme.send('DELETE', `/v1/people/${invited}`)).status).toBe(204);
    const globex = server.as((await server.owner.post('/v1/accounts', { name: `empty-${kind}` })).body.ownerKey);
    const ids: string[] = [];
    for (const name of ['one', 'two'])
      ids.push((await globex.post('/v1/people', { name, role: 'owner' })).body.person.id as string);
    const both = await Promise.all(ids.map((id) => globex.send('DELETE', `/v1/people/${id}`)));
    expect(both.map(({ status }) => status).sort()).toEqual([204, 409]);
  });

  it('a link is good for 24 hours and one person, and a newer one takes its place', async () => {
    const { person, link } = await invited({ name: 'late', role: 'auditor' });
    const opens = async (each: string) =>
      (await openBrowser(server).post('/v1/sign-in/link', { token: tokenOf(each) })).status;
    expect(await opens(link)).toBe(200);
    const renewed = (await server.owner.post(`/v1/people/${person.id}/link`)).body.link as string;
    expect([await opens(link), await opens(renewed)]).toEqual([401, 200]);
    server.advance(24 * 3600 - 60);
    expect(await opens(renewed)).toBe(200);
    server.advance(61);
    expect(await opens(renewed)).toBe(401);
    const third = (await server.owner.post(`/v1/people/${person.id}/link`)).body.link as string;
    const both = await Promise.allSettled([acceptByPasskey(server, third), acceptByPasskey(server, third)]);
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });

  it('a second link takes the place of what the person had', async () => {
    const { person, link } = await invited({ name: 'lost', role: 'auditor' });
    const before = await acceptByPasskey(server, link);
    const { link: other } = (await server.owner.post(`/v1/people/${person.id}/link`)).body;
    expect((await before.browser.get('/v1/me')).status).toBe(200);
    const after = await acceptByPasskey(server, other);
    expect(after.id).toBe(before.id);
    expect((await before.browser.get('/v1/me')).status).toBe(401);
    const { body: options } = await before.browser.post('/v1/sign-in/passkey/options', {});
    const old = await before.browser.post('/v1/sign-in/passkey', { response: before.authenticator.get(options) });
    expect(old.status).toBe(401);
  });

  it('people of one account are not there for another', async () => {
    const { ownerKey } = (await server.owner.post('/v1/accounts', { name: `globex-${kind}` })).body;
    const globex = server.as(ownerKey);
    const { person } = await invited({ name: 'ours', role: 'auditor' });
    for (const [method, path, body] of [
      ['GET', '', undefined],
      ['PATCH', '', { name: 'theirs' }],
      ['DELETE', '', undefined],
      ['POST', '/link', undefined],
    ] as const)
      expect((await globex.send(method, `/v1/people/${person.id}${path}`, body)).status, method).toBe(404);
    expect((await globex.get('/v1/people')).body.items).toEqual([]);
  });
});

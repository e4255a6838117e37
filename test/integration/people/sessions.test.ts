import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createClient, problemOf } from '../../support/client.js';
import { databaseKinds, freshDatabase } from '../../support/databases/databases.js';
import {
  acceptByPasskey,
  followStream,
  openBrowser,
  signInByPasskey,
  stepUpByPasskey,
  tokenOf,
  type Browser,
} from '../../support/people/browser.js';
import { createAuthenticator } from '../../support/people/authenticator.js';
import { startServer, type TestServer } from '../../support/server.js';

const minute = 60;

describe.each(databaseKinds)('sessions of people on %s', (kind) => {
  let server: TestServer;
  let names = 0;
  beforeAll(async () => {
    server = await startServer(kind);
  });
  afterAll(() => server.stop());

  const person = async (role = 'owner') => {
    const { body } = await server.owner.post('/v1/people', { name: `person-${names++}`, role });
    return acceptByPasskey(server, body.link);
  };
  const isIn = async (browser: Browser, more?: Record<string, string>) => {
    const { status } = await browser.get('/v1/me', more);
    expect([200, 401]).toContain(status);
    return status === 200;
  };

  it('the cookie is opaque, of this host alone, and only its hash is stored', async () => {
    const { browser, authenticator } = await person();
    const session = browser.cookies.get('thingward')!;
    expect(session).toMatch(/^tws_[A-Za-z0-9_-]{43}$/);
    const { body: options } = await browser.post('/v1/sign-in/passkey/options', {});
    await browser.post('/v1/sign-in/passkey', { response: authenticator.get(options) });
    const [given, cleared] = browser.setCookies();
    expect(given).toMatch(/^thingward=tws_\S+; Max-Age=43200; Path=\/; HttpOnly; SameSite=Strict$/);
    expect(cleared).toMatch(/^thingward-signin=; Max-Age=0; /);
    const token = browser.cookies.get('thingward')!;
    expect(token).not.toBe(session);
    const rows = await server.database.client.personSession.findMany();
    const hash = createHash('sha256').update(token).digest();
    expect(rows.filter((row) => hash.equals(row.hash))).toHaveLength(1);
    expect(
      JSON.stringify(rows, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value)),
    ).not.toContain(token.slice(4));
  });

  it('ends after half an hour without its person, whom polling does not replace', async () => {
    const { browser } = await person();
    for (let n = 0; n < 3; n++) {
      server.advance(29 * minute);
      expect(await isIn(browser)).toBe(true);
    }
    server.advance(20 * minute);
    expect(await isIn(browser, { 'thingward-background': '1' })).toBe(true);
    expect((await browser.get('/v1/things', { 'thingward-background': '1' })).status).toBe(200);
    server.advance(11 * minute);
    expect(await isIn(browser)).toBe(false);
  });

  it('ends after twelve hours, however busy it is', async () => {
    const { browser } = await person();
    for (let passed = 0; passed < 11 * 60 + 40; passed += 20) {
      server.advance(20 * minute);
      expect(await isIn(browser), `${passed} minutes`).toBe(true);
    }
    server.advance(21 * minute);
    expect(await isIn(browser)).toBe(false);
  });

  it('is listed with where it began, and ended by its person', async () => {
    const ada = await person();
    const other = await signInByPasskey(server, ada.authenticator);
    const { items } = (await ada.browser.get('/v1/me/sessions')).body;
    expect(items).toHaveLength(2);
    expect(items.filter(({ current }: { current: boolean }) => current)).toHaveLength(1);
    const strange = items.find(({ current }: { current: boolean }) => !current);
    expect(strange).toMatchObject({ methods: ['passkey'], sourceIp: '127.0.0.1', userAgent: expect.any(String) });
    expect((await ada.browser.send('DELETE', `/v1/me/sessions/${strange.id}`)).status).toBe(204);
    expect([await isIn(ada.browser), await isIn(other)]).toEqual([true, false]);
    const bob = await person();
    const foreign = await bob.browser.send('DELETE', `/v1/me/sessions/${items[0].id}`);
    expect(foreign.status).toBe(404);
    const token = ada.browser.cookies.get('thingward')!;
    expect((await ada.browser.send('DELETE', '/v1/me/sessions/current')).status).toBe(204);
    expect(ada.browser.cookies.has('thingward')).toBe(false);
    ada.browser.cookies.set('thingward', token);
    expect(await isIn(ada.browser)).toBe(false);
  });

  it('a request that changes something comes from a page of this site, as JSON', async () => {
    const { browser } = await person();
    const cookie = `thingward=${browser.cookies.get('thingward')}`;
    const plain = server.as(undefined);
    const site = `http://localhost:${new URL(server.url).port}`;
    const make = (headers: Record<string, string>, body: unknown = { name: 'dock', cidr: '10.0.0.0/8' }) =>
      plain.send('POST', '/v1/segments', body, { cookie, ...headers });
    for (const headers of [
      {},
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { 'sec-fetch-site': 'none' },
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { origin: `${server.url}.evil.example` },
      { origin: server.url, 'sec-fetch-site': 'cross-site' },
    ])
      expect(problemOf(await make(headers)), JSON.stringify(headers)).toBe('cross-site');
    const type = 'text/plain';
    const form = await make({ 'sec-fetch-site': 'same-origin', 'content-type': type }, '{"name":"dock"}');
    expect(problemOf(form)).toBe('unsupported-media-type');
    expect((await server.owner.get('/v1/segments')).body.items).toEqual([]);
    for (const [method, path] of [
      ['PATCH', '/v1/segments/dock'],
      ['PUT', '/v1/things/pump/policies'],
      ['DELETE', '/v1/segments/dock'],
      ['DELETE', '/v1/me/sessions/current'],
      ['POST', '/v1/me/step-up'],
    ] as const)
      expect(problemOf(await plain.send(method, path, {}, { cookie })), `${method} ${path}`).toBe('cross-site');
    expect((await make({ origin: server.url })).status).toBe(201);
    expect((await plain.send('DELETE', '/v1/segments/dock', undefined, { cookie, origin: site })).status).toBe(204);
    expect((await make({ 'sec-fetch-site': 'same-origin' })).status).toBe(201);
    await browser.send('DELETE', '/v1/segments/dock');
    // Reading changes nothing, and no other site may read: there is no CORS.
    const read = await plain.send('GET', '/v1/things', undefined, { cookie, origin: 'https://evil.example' });
    expect([read.status, read.headers.get('access-control-allow-origin')]).toEqual([200, null]);
    // Signing in is a change too: nobody is signed in as somebody else by another site.
    expect(problemOf(await plain.post('/v1/sign-in/passkey/options', {}))).toBe('cross-site');
  });

  it('is shown by its cookie alone, and a key by its header alone', async () => {
    const { browser } = await person();
    const token = browser.cookies.get('thingward')!;
    expect(problemOf(await server.as(token).get('/v1/things'))).toBe('invalid-credential');
    const inBody = await server.as(undefined).post('/v1/introspect', { token: 'x', client_secret: token });
    expect(inBody.status).toBe(401);
    const keyed = await server
      .as(undefined)
      .send('GET', '/v1/things', undefined, { cookie: `thingward=${server.ownerKey}` });
    expect(problemOf(keyed)).toBe('missing-credential');
    expect(problemOf(await server.owner.get('/v1/me'))).toBe('forbidden');
  });

  it('a person is one more caller: what they do is theirs in the audit, and their role is all they have', async () => {
    const { browser, id } = await person('operator');
    const made = await browser.post('/v1/enrollments', { thingNamePattern: '*', maxUses: 1 });
    expect(made.status).toBe(201);
    const [entry] = (await server.owner.get(`/v1/audit?target=enrollment:${made.body.id}`)).body.items;
    expect(entry.actor).toBe(`person:${id}`);
    const refused = await browser.post('/v1/segments', { name: 'dock', cidr: '10.0.0.0/8' });
    expect([problemOf(refused), refused.body.detail]).toEqual(['forbidden', expect.stringContaining('segments:write')]);
    expect(problemOf(await (await person('proxy')).browser.post('/v1/proxies', { name: 'gate' }))).toBe('forbidden');
  });

  it('some acts need a factor that was shown within five minutes', async () => {
    const { browser, authenticator } = await person();
    const key = () => browser.post('/v1/api-keys', { role: 'auditor' });
    const made = await key();
    expect(made.status).toBe(201);
    expect((await server.as(made.body.key).get('/v1/things')).status).toBe(200);
    server.advance(5 * minute);
    const [issuer] = (await browser.get('/v1/issuers')).body.items;
    const bulk = { filter: { policy: 'sensor' }, reason: 'unspecified' };
    const acts: [string, string, unknown?][] = [
      ['POST', '/v1/api-keys', { role: 'auditor' }],
      ['DELETE', `/v1/api-keys/${made.body.id}`],
      ['POST', '/v1/people', { name: 'x', role: 'auditor' }],
      ['PATCH', `/v1/people/${made.body.id}`, { name: 'x' }],
      ['DELETE', `/v1/people/${made.body.id}`],
      ['POST', `/v1/people/${made.body.id}/link`],
      ['POST', '/v1/accounts', { name: 'new' }],
      ['POST', '/v1/accounts/new/suspend'],
      ['POST', '/v1/accounts/new/resume'],
      ['PATCH', `/v1/issuers/${issuer.id}`, { listSuperseded: true }],
      ['POST', '/v1/revocations/bulk', { ...bulk, expectedCount: 0 }],
      ['POST', `/v1/enrollments/${made.body.id}/revoke`, { andThings: true }],
      ['PATCH', '/v1/sign-in/settings', { passwords: false }],
      ['POST', '/v1/me/setup'],
      ['POST', '/v1/me/recovery-codes'],
      ['DELETE', '/v1/me/password'],
    ];
    for (const [method, path, body] of acts) {
      const answer = await browser.send(method, path, body);
      expect([answer.status, problemOf(answer)], `${method} ${path}`).toEqual([403, 'step-up-required']);
    }
    expect((await browser.post('/v1/revocations/bulk', { ...bulk, dryRun: true })).status).toBe(200);
    const before = browser.cookies.get('thingward')!;
    expect((await stepUpByPasskey(browser, authenticator)).status).toBe(200);
    const after = browser.cookies.get('thingward')!;
    expect(after).not.toBe(before);
    expect((await key()).status).toBe(201);
    server.advance(5 * minute - 1);
    expect((await key()).status).toBe(201);
    server.advance(1);
    expect(problemOf(await key())).toBe('step-up-required');
    browser.cookies.set('thingward', before);
    expect(await isIn(browser)).toBe(false);
  });

  it('the passkey of somebody else is no fresh factor', async () => {
    const [ada, bob] = [await person(), await person()];
    expect(problemOf(await stepUpByPasskey(ada.browser, bob.authenticator))).toBe('invalid-credential');
    expect((await stepUpByPasskey(ada.browser, ada.authenticator)).status).toBe(200);
  });

  it('a stream ends with the session, and keeps nobody signed in', async () => {
    const { browser, id } = await person('auditor');
    const follow = () => followStream(server, browser);
    const ended = await follow();
    await server.owner.send('PATCH', `/v1/people/${id}`, { role: 'operator' });
    await ended();
    const idle = await follow();
    server.advance(31 * minute);
    await server.services.chores.run('end-expired-streams');
    await idle();
    expect(await isIn(browser)).toBe(false);
    // What is said of people stays inside.
    const entries = JSON.stringify((await server.owner.get('/v1/revocations?limit=1000')).body.entries);
    expect(entries).not.toContain('person');
  });
});

const postgres = databaseKinds.filter((kind) => kind === 'postgresql');

describe.each(postgres)('sessions on two instances of %s', (kind) => {
  it('what ends on one has ended on the other before it is acknowledged', async () => {
    const { settings } = await freshDatabase(kind);
    const common = { ...settings, THINGWARD_OWNER_KEY: `twk_${randomBytes(32).toString('base64url')}` };
    const first = await startServer(kind, common);
    const second = await startServer(kind, common);
    try {
      const { link } = (await first.owner.post('/v1/people', { name: 'stays', role: 'owner' })).body;
      await acceptByPasskey(first, link);
      for (let n = 0; n < 4; n++) {
        const { body } = await first.owner.post('/v1/people', { name: `person-${n}`, role: 'owner' });
        const { browser, id, authenticator } = await acceptByPasskey(first, body.link);
        const cookie = `thingward=${browser.cookies.get('thingward')}`;
        const there = createClient(second.url, undefined);
        const look = async () => (await there.send('GET', '/v1/people', undefined, { cookie })).status;
        expect(await look()).toBe(200);
        const become = async (role: string) =>
          expect((await first.owner.send('PATCH', `/v1/people/${id}`, { role })).status).toBe(200);
        await become('operator');
        expect(await look()).toBe(403);
        await become('auditor');
        expect(await look()).toBe(200);
        const ends = [
          () => first.owner.send('PATCH', `/v1/people/${id}`, { status: 'suspended' }),
          () => first.owner.send('DELETE', `/v1/people/${id}`),
          () => browser.send('DELETE', '/v1/me/sessions/current'),
          () => stepUpByPasskey(browser, authenticator),
        ];
        expect((await ends[n]!()).status).toBeLessThan(300);
        expect(await look(), `ending ${n}`).toBe(401);
      }
    } finally {
      await second.stop();
      await first.stop();
    }
  });

  it('a link that was opened on one is accepted on the other, and by one browser alone', async () => {
    const { settings } = await freshDatabase(kind);
    const site = 'http://localhost:9';
    const ownerKey = `twk_${randomBytes(32).toString('base64url')}`;
    const common = { ...settings, THINGWARD_OWNER_KEY: ownerKey, THINGWARD_PUBLIC_URL: site };
    const servers = [await startServer(kind, common), await startServer(kind, common)] as const;
    try {
      const { link } = (await servers[0].owner.post('/v1/people', { name: 'Ada', role: 'owner' })).body;
      const finishes = [];
      for (const [opening, accepting] of [servers, [...servers].reverse()]) {
        const [browser, there] = [openBrowser(opening), openBrowser(accepting)];
        const { body } = await browser.post('/v1/sign-in/link', { token: tokenOf(link) });
        const response = createAuthenticator(site).create(body.passkey.options);
        there.cookies.set('thingward-signin', browser.cookies.get('thingward-signin')!);
        finishes.push(() => there.post('/v1/sign-in/link/passkey', { response }));
      }
      const answers = await Promise.all(finishes.map((finish) => finish()));
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 401]);
    } finally {
      for (const server of servers) await server.stop();
    }
  });
});

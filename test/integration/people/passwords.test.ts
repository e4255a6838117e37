import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { problemOf } from '../../support/client.js';
import { databaseKinds } from '../../support/databases/databases.js';
import {
  acceptByPasskey,
  acceptByPassword,
  codeOf,
  openBrowser,
  tokenOf,
  type WithPassword,
} from '../../support/people/browser.js';
import { startServer, type TestServer } from '../../support/server.js';

describe.each(databaseKinds)('passwords on %s', (kind) => {
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
  const withPassword = async () => {
    const person = await acceptByPassword(server, (await invite()).link);
    server.advance(30);
    return person;
  };
  const login = ({ name, password }: Pick<WithPassword, 'name' | 'password'>, browser = openBrowser(server)) =>
    browser.post('/v1/sign-in/password', { account: 'default', name, password });
  const hashes = async () => {
    const text = (await server.as(undefined).get('/metrics')).text;
    return Number(/^thingward_password_hashes_total (\d+)$/m.exec(text)?.[1] ?? 0);
  };

  it('a password opens nothing without a code, and a code counts once', async () => {
    const person = await withPassword();
    expect(person.recoveryCodes).toHaveLength(10);
    const browser = openBrowser(server);
    const first = await login(person, browser);
    expect([first.status, first.body]).toEqual([200, { next: ['totp', 'recovery'] }]);
    expect(browser.cookies.has('thingward')).toBe(false);
    expect(problemOf(await browser.get('/v1/me'))).toBe('missing-credential');
    const code = codeOf(person.secret, server.now());
    const wrong = String((Number(code) + 1) % 1_000_000).padStart(6, '0');
    expect(problemOf(await browser.post('/v1/sign-in/totp', { code: wrong }))).toBe('invalid-credential');
    const done = await browser.post('/v1/sign-in/totp', { code });
    expect([done.status, done.body.session.methods]).toEqual([200, ['password', 'totp']]);
    const again = openBrowser(server);
    await login(person, again);
    expect(problemOf(await again.post('/v1/sign-in/totp', { code }))).toBe('invalid-credential');
    server.advance(30);
    const next = codeOf(person.secret, server.now());
    const racing = await Promise.all([1, 2, 3].map(() => again.post('/v1/sign-in/totp', { code: next })));
    expect(racing.filter(({ status }) => status === 200)).toHaveLength(1);
    const steps = openBrowser(server);
    expect((await steps.post('/v1/sign-in/totp', { code: next })).status).toBe(401);
  });

  it('a recovery code stands in for the app once', async () => {
    const person = await withPassword();
    const [code] = person.recoveryCodes as [string];
    expect(code).toMatch(/^([0-9a-z]{6}-){3}[0-9a-z]{6}$/);
    const attempt = async (each: string) => {
      const browser = openBrowser(server);
      await login(person, browser);
      return browser.post('/v1/sign-in/recovery', { code: each });
    };
    const [one, two] = await Promise.all([attempt(code), attempt(code)]);
    expect([one.status, two.status].sort()).toEqual([200, 401]);
    expect((one.status === 200 ? one : two).body.recoveryCodesLeft).toBe(9);
    expect((await attempt(code)).status).toBe(401);
    expect((await attempt(person.recoveryCodes[1]!.toUpperCase().replaceAll('-', ' '))).status).toBe(200);
    const other = await withPassword();
    expect((await attempt(other.recoveryCodes[0]!)).status).toBe(401);
  });

  it('known and unknown names get the same answers for the same work, and the same waits', async () => {
    const person = await withPassword();
    const passkeyOnly = await acceptByPasskey(server, (await invite()).link);
    const guess = async (account: string, name: string) => {
      const before = await hashes();
      const answer = await openBrowser(server).post('/v1/sign-in/password', {
        account,
        name,
        password: 'a wrong password',
      });
      const { requestId: _, ...said } = answer.body;
      const cookies = answer.headers.getSetCookie().length;
      return {
        status: answer.status,
        said,
        cookies,
        retryAfter: answer.headers.get('retry-after'),
        work: (await hashes()) - before,
      };
    };
    const whom = [
      ['default', person.name],
      ['default', passkeyOnly.name],
      ['default', 'nobody at all'],
      ['no-such-account', 'nobody at all'],
    ] as const;
    const [known, , unknown] = whom;
    for (let round = 0; round < 5; round++) {
      const others = [];
      // Each guess costs a hash: that of an account that nobody has is compared once.
      for (const [account, name] of round === 0 ? whom : whom.slice(0, 3)) others.push(await guess(account, name));
      expect(others[0]).toMatchObject({ status: 401, work: 1, retryAfter: null });
      for (const other of others) expect(other, `${round}`).toEqual(others[0]);
    }
    // From here on each waits twice as long, and no password is hashed before its time.
    for (const seconds of [1, 2, 4, 8, 16, 32, 60, 60]) {
      for (const [account, name] of [known, unknown]) {
        const waiting = await guess(account, name);
        expect(waiting).toMatchObject({ status: 429, retryAfter: String(seconds), work: 0 });
      }
      server.advance(seconds);
      for (const [account, name] of [known, unknown]) expect((await guess(account, name)).status).toBe(401);
    }
    // It waits, and is not locked out; a passkey does not even wait.
    const { body: options } = await passkeyOnly.browser.post('/v1/sign-in/passkey/options', {});
    const response = passkeyOnly.authenticator.get(options);
    expect((await passkeyOnly.browser.post('/v1/sign-in/passkey', { response })).status).toBe(200);
    expect((await login(person)).status).toBe(429);
    server.advance(60);
    expect((await login(person)).status).toBe(200);
    expect((await guess('default', person.name)).status).toBe(401);
  });

  it('guesses at codes wait too, and guesses at the same time do not share one place', async () => {
    const person = await withPassword();
    const browser = openBrowser(server);
    await login(person, browser);
    const guess = (n: number) => browser.post('/v1/sign-in/totp', { code: String(n).padStart(6, '0') });
    const answers = await Promise.all(Array.from({ length: 12 }, (_, n) => guess(n)));
    const judged = answers.filter(({ status }) => status !== 429);
    expect(judged.length).toBeLessThanOrEqual(5);
    server.advance(300);
    await login(person, browser);
    expect((await browser.post('/v1/sign-in/totp', { code: codeOf(person.secret, server.now()) })).status).toBe(200);
  });

  it('an address that guesses too often is turned away, whatever it says', async () => {
    const limited = await startServer(kind, { THINGWARD_FAILED_CREDENTIALS_PER_MINUTE: '3' });
    try {
      const statuses = [];
      for (let n = 0; n < 5; n++) {
        const token = `twl_${String(n).repeat(43)}`;
        statuses.push((await openBrowser(limited).post('/v1/sign-in/link', { token })).status);
      }
      expect(statuses).toEqual([401, 401, 401, 429, 429]);
    } finally {
      await limited.stop();
    }
  });

  it('passwords that are guessed first are refused, and long ones are fine', async () => {
    const { link, person } = await invite();
    const browser = openBrowser(server);
    const { body: opened } = await browser.post('/v1/sign-in/link', { token: tokenOf(link) });
    const { secret } = opened.password.totp;
    expect(opened.password.totp.uri).toContain(
      `otpauth://totp/Thingward:${person.name}?issuer=Thingward&secret=${secret}`,
    );
    const set = (password: string) =>
      browser.post('/v1/sign-in/link/password', { password, code: codeOf(secret, server.now()) });
    for (const password of [
      'short',
      'aaaaaaaaaaaaaaaa',
      '123456789012345',
      `${person.name}${person.name}`,
      'x'.repeat(257),
    ])
      expect((await set(password)).status, password).toBe(400);
    expect(
      problemOf(await browser.post('/v1/sign-in/link/password', { password: 'fine long words', code: '000000' })),
    ).toBe('invalid-credential');
    expect((await set('пароль из нескольких слов '.repeat(9).trim())).status).toBe(200);
  });

  it('passwords can be switched off for an account', async () => {
    const person = await withPassword();
    const off = await server.owner.send('PATCH', '/v1/sign-in/settings', { passwords: false });
    expect(off.body).toEqual({ passwords: false });
    expect(problemOf(await login(person))).toBe('sign-in-refused');
    expect((await openBrowser(server).get('/v1/sign-in')).body.passwords).toBe(false);
    await server.owner.send('PATCH', '/v1/sign-in/settings', { passwords: true });
    expect((await login(person)).status).toBe(200);
  });
});

// What is counted there belongs to the process: one database is enough, and each hash takes half a second.
describe('a crowd', () => {
  it('is told to come back: one password is hashed at a time, sixteen wait, and more are turned away', async () => {
    const server = await startServer('embedded');
    const attempts = Array.from({ length: 30 }, (_, n) =>
      openBrowser(server).post('/v1/sign-in/password', { account: 'default', name: `crowd-${n}`, password: 'x' }),
    );
    const answers = await Promise.all(attempts);
    await server.stop();
    const counted = (status: number) => answers.filter((answer) => answer.status === status);
    expect(counted(401).length).toBeGreaterThanOrEqual(17);
    expect(counted(401).length + counted(429).length).toBe(30);
    for (const answer of counted(429)) expect(answer.headers.get('retry-after')).toBe('5');
  });
});

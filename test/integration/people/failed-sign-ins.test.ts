import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rfc3339 } from '../../../src/clock.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { acceptByPasskey, acceptByPassword, codeOf, openBrowser } from '../../support/people/browser.js';
import { admin, setStage, type Stage } from '../../support/people/stage.js';
import { mostRecordedInHour } from '../../../src/sign-in/failed-sign-ins.js';

type Entry = { at: string; actor: string; target: string; sourceIp: string; detail: Record<string, unknown> };

describe.each(databaseKinds)('failed sign-ins in the audit on %s', (kind) => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await setStage(kind, { THINGWARD_FAILED_CREDENTIALS_PER_MINUTE: '10000' });
    stage.server.freeze();
  });
  afterAll(() => stage.stop());

  /** The entries of a target, newest first, once there are so many. */
  const entries = async (target: string, count: number, action = 'person.sign-in-failed'): Promise<Entry[]> => {
    const read = async (): Promise<Entry[]> =>
      (await stage.server.owner.get(`/v1/audit?limit=200&action=${action}&target=${target}`)).body.items;
    await expect.poll(async () => (await read()).length, { timeout: 60_000 }).toBe(count);
    return read();
  };
  const invite = async (name: string) =>
    (await stage.server.owner.post('/v1/people', { name, role: 'owner' })).body as { link: string };
  const guess = (name: string, account = 'default', password = 'a wrong password') =>
    openBrowser(stage.server).post('/v1/sign-in/password', { account, name, password });

  it('says who was guessed at, how, and from where', async () => {
    const { server } = stage;
    const person = await acceptByPassword(server, (await invite('guessed')).link);
    server.advance(30);
    const { body } = await guess('Guessed');
    const browser = openBrowser(server);
    await browser.post('/v1/sign-in/password', { account: 'default', name: person.name, password: person.password });
    await browser.post('/v1/sign-in/totp', { code: 'x' });
    const right = codeOf(person.secret, server.now());
    const wrong = String((Number(right) + 1) % 1_000_000).padStart(6, '0');
    expect((await browser.post('/v1/sign-in/totp', { code: wrong })).status).toBe(401);
    expect((await browser.post('/v1/sign-in/recovery', { code: 'nothing of the kind' })).status).toBe(401);
    const found = await entries(`person:${person.id}`, 3);
    const problem = 'invalid-credential';
    expect(found.map(({ detail }) => detail).reverse()).toEqual([
      { method: 'password', problem },
      { method: 'totp', problem },
      { method: 'recovery', problem },
    ]);
    expect(found.at(-1)).toMatchObject({ actor: 'anonymous', sourceIp: '127.0.0.1', requestId: body.requestId });
    expect((await browser.post('/v1/sign-in/totp', { code: right })).status).toBe(200);
    expect((await browser.post('/v1/me/step-up', { code: wrong })).status).toBe(401);
    const [stepUp] = await entries(`person:${person.id}`, 1, 'person.step-up-failed');
    expect(stepUp).toMatchObject({ actor: `person:${person.id}`, detail: { method: 'totp', problem } });
  });

  it('says whose passkey was refused, and who is suspended', async () => {
    const { server } = stage;
    const { id, authenticator, browser } = await acceptByPasskey(server, (await invite('keyed')).link);
    const { body: options } = await browser.post('/v1/sign-in/passkey/options', {});
    const response = authenticator.get({ ...options, challenge: 'AAAA' });
    expect((await browser.post('/v1/sign-in/passkey', { response })).status).toBe(401);
    await server.owner.send('PATCH', `/v1/people/${id}`, { status: 'suspended' });
    const { body: more } = await browser.post('/v1/sign-in/passkey/options', {});
    expect((await browser.post('/v1/sign-in/passkey', { response: authenticator.get(more) })).status).toBe(401);
    const found = await entries(`person:${id}`, 2);
    expect(found.every(({ detail }) => detail['method'] === 'passkey')).toBe(true);
  });

  it('says whom a provider vouches for and nothing lets in', async () => {
    const { server, idp, provider } = stage;
    idp.expect({ ...admin('stranger'), claims: { groups: ['nobodies'] } });
    const { answer } = await stage.signIn();
    expect(answer.status, answer.text).toBe(403);
    const [entry] = await entries(`provider:${provider.id}`, 1);
    expect(entry!.detail).toEqual({ method: 'sso', problem: 'sign-in-refused' });
    expect(entry!.at).toBe(rfc3339(server.now()));
  });

  it('guessing cannot fill it, hides no other guess, and writes down nothing that was typed', async () => {
    const { server } = stage;
    const browser = openBrowser(server);
    // Costs no hash, as a password does.
    const guessByPasskey = async (name: string, account = 'default') => {
      await browser.post('/v1/sign-in/passkey/options', {});
      const response = { id: 'unknown' };
      expect((await browser.post('/v1/sign-in/passkey', { account, name, response })).status).toBe(401);
    };
    const person = await acceptByPassword(server, (await invite('neighbour')).link);
    for (let n = 0; n < mostRecordedInHour + 5; n++) await guessByPasskey(`secret-word-${n}`);
    const full = await entries('account:default', mostRecordedInHour);
    expect(JSON.stringify(full)).not.toContain('secret-word');
    await guess(person.name);
    await entries(`person:${person.id}`, 1);
    await guess('secret-word', 'no-such-account');
    server.advance(3600);
    await guess('secret-word-again');
    const [latest] = await entries('account:default', mostRecordedInHour + 1);
    expect(latest!.detail).toEqual({ method: 'password', problem: 'invalid-credential', unrecorded: 5 });
    const { body } = await server.owner.get('/v1/audit?limit=200&action=person.sign-in-failed');
    expect(body.items.filter(({ target }: Entry) => target === 'account:no-such-account')).toEqual([]);
    expect(JSON.stringify(body)).not.toContain('secret-word');
  });
});

import { describe, expect, it } from 'vitest';
import { problemOf } from '../../support/client.js';
import { csrPem } from '../../support/pki/csr.js';
import { assertion, enroll, pemOf, provision } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';

const limit = 5;
const unknownKey = `twk_${'B'.repeat(43)}`;
const bearer = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

async function withServer(work: (server: TestServer) => Promise<void>): Promise<void> {
  const settings = { THINGWARD_FAILED_CREDENTIALS_PER_MINUTE: String(limit), THINGWARD_TRUSTED_PROXIES: '127.0.0.1' };
  const server = await startServer('embedded', settings);
  try {
    await work(server);
  } finally {
    await server.stop();
  }
}

/** Counts what is read by an index of credentials while work is done. */
async function lookUps(server: TestServer, work: () => Promise<unknown>): Promise<number> {
  const read = async (): Promise<number> => {
    const [row] = await server.database.client.$queryRaw<{ scans: bigint }[]>`
      SELECT sum(idx_scan) AS scans FROM (SELECT pg_stat_force_next_flush()) f,
        pg_stat_user_indexes WHERE indexrelname IN ('api_keys_hash_key', 'enrollments_token_hash_key')`;
    return Number(row!.scans);
  };
  await read();
  const before = await read();
  await work();
  await read();
  return (await read()) - before;
}

describe('wrong credentials', () => {
  it('every kind counts: keys, enrollments that are used up, tokens, assertions, refresh tokens, Basic, in the URL', () =>
    withServer(async (server) => {
      const once = await enroll(server, { maxUses: 1 });
      const device = await provision(server, once.token, 'first');
      const { accessToken } = device.answer.body.token;
      const good = { audience: server.url, subject: 'default/first', now: server.now(), pem: pemOf(device) };
      const expired = await assertion({ ...good, key: device.key, claims: { exp: 1 } });
      const used = device.answer.body.token.refreshToken;
      const anonymous = server.as(undefined);
      const ask = (path: string, body: object) => (from: object) => anonymous.send('POST', path, body, { ...from });
      const get = (authorization: string) => (from: object) =>
        anonymous.send('GET', '/v1/things', undefined, { authorization, ...from });
      const token = (body: object) => ask('/v1/token', body);
      await token({ grant_type: 'refresh_token', refresh_token: used })({});
      const kinds: Record<string, (from: object) => Promise<{ status: number }>> = {
        'an API key': get(`Bearer ${unknownKey}`),
        'an enrollment token': (from) =>
          anonymous.send('POST', '/v1/provision', {}, { authorization: `Bearer twe_${'B'.repeat(43)}`, ...from }),
        'an enrollment that is used up': (from) => {
          const headers = { authorization: `Bearer ${once.token}`, ...from };
          return anonymous.send('POST', '/v1/provision', { thingName: 'second', csr: csrPem() }, headers);
        },
        'an access token': (from) =>
          anonymous.send('GET', '/v1/self', undefined, { authorization: `Bearer ${accessToken}x`, ...from }),
        'a refresh token': token({ grant_type: 'refresh_token', refresh_token: `${used.slice(0, -2)}AA` }),
        'an assertion': token({
          grant_type: 'client_credentials',
          client_assertion_type: bearer,
          client_assertion: `${expired}x`,
        }),
        'a proof': ask('/v1/renew', { csr: csrPem(), proof: expired }),
        Basic: get(`Basic ${Buffer.from(`x:${unknownKey}`).toString('base64')}`),
        'a key in the URL': ask(`/integrations/aws-authorizer?key=${unknownKey}`, {}),
      };
      let n = 0;
      for (const [kind, send] of Object.entries(kinds)) {
        const from = { 'x-forwarded-for': `192.0.2.${++n}` };
        const statuses: number[] = [];
        for (let k = 0; k <= limit; k++) statuses.push((await send(from)).status);
        expect(
          statuses.slice(0, limit).every((status) => status === 401 || status === 400),
          `${kind}: ${statuses.join(' ')}`,
        ).toBe(true);
        expect(statuses[limit], kind).toBe(429);
      }
    }));

  it('over the limit nothing unknown is looked up, and what was good lately passes', () =>
    withServer(async (server) => {
      const { token } = await enroll(server);
      const device = await provision(server, token, 'first');
      const { accessToken } = device.answer.body.token;
      await server.as(accessToken).get('/v1/self');
      expect((await server.owner.get('/v1/things')).status).toBe(200);
      const wrong = async (times: number) => {
        const statuses = new Set<number>();
        for (let k = 0; k < times; k++) statuses.add((await server.as(unknownKey).get('/v1/things')).status);
        return [...statuses];
      };
      expect(await lookUps(server, () => wrong(limit))).toBeGreaterThanOrEqual(limit);
      const cost = await lookUps(server, async () => expect(await wrong(50)).toEqual([429]));
      expect(cost).toBe(0);
      expect((await server.owner.get('/v1/things')).status).toBe(200);
      expect((await provision(server, token, 'second')).answer.status).toBe(201);
      expect((await server.as(accessToken).get('/v1/self')).status).toBe(200);
      server.advance(61);
      expect(await wrong(1)).toEqual([401]);
    }));

  it('IPv6 counts by /64', () =>
    withServer(async (server) => {
      const from = async (address: string) =>
        (
          await server.inject({
            url: '/v1/things',
            headers: { authorization: `Bearer ${unknownKey}`, 'x-forwarded-for': address },
          })
        ).statusCode;
      const statuses: number[] = [];
      for (let k = 0; k <= limit; k++) statuses.push(await from(`2001:db8:0:7::${k}`));
      expect(statuses.at(-1)).toBe(429);
      expect(await from('2001:db8:0:8::1')).toBe(401);
    }));
});

describe('a key that the server is to make', () => {
  it('is not made for a dead enrollment, nor for a name that is taken', () =>
    withServer(async (server) => {
      const live = await enroll(server);
      await provision(server, live.token, 'taken');
      const dead = await enroll(server, { maxUses: 1 });
      await provision(server, dead.token, 'only');
      const made = await countKeys(async () => {
        const ask = (token: string, thingName: string) =>
          server.as(token).post('/v1/provision', { thingName, keyType: 'rsa-3072' });
        expect(problemOf(await ask(live.token, 'taken'))).toBe('thing-exists');
        for (let k = 0; k < limit; k++) expect(problemOf(await ask(dead.token, 'another'))).toBe('invalid-credential');
        expect(problemOf(await ask(dead.token, 'another'))).toBe('too-many-requests');
      });
      expect(made).toBe(0);
      expect(
        await countKeys(() => server.as(live.token).post('/v1/provision', { thingName: 'new', keyType: 'rsa-2048' })),
      ).toBe(1);
    }));
});

/** How many keys node:crypto was asked to make in the background. */
async function countKeys(work: () => Promise<unknown>): Promise<number> {
  const { createHook } = await import('node:async_hooks');
  let jobs = 0;
  const hook = createHook({ init: (_id, type) => void (type === 'KEYPAIRGENREQUEST' && jobs++) }).enable();
  await work();
  hook.disable();
  return jobs;
}

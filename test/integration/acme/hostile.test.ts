import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { jwkOf, type AcmeAnswer, type AcmeParty, type Bent } from '../../support/acme/client.js';
import { openAcmeStage, refused, type AcmeEnrollment, type AcmeStage } from '../../support/acme/stage.js';
import { anyDatabase, databaseKinds } from '../../support/databases/databases.js';
import { newKey } from '../../support/pki/csr.js';

describe.each(databaseKinds)('hostile requests to ACME on %s', (kind) => {
  let stage: AcmeStage;
  let enrollment: AcmeEnrollment;
  let party: AcmeParty;
  beforeAll(async () => {
    stage = await openAcmeStage(kind, { THINGWARD_FAILED_CREDENTIALS_PER_MINUTE: '100000' });
    enrollment = await stage.enroll();
    party = await stage.acme.account(enrollment.eab);
  });
  afterAll(() => stage.server.stop());
  const to = (name: string): string => stage.acme.directory[name]!;
  const order = { identifiers: [{ type: 'dns', value: 'hostile-1' }] };
  const asking = async (bent: Bent, payload: unknown = order) =>
    refused(await party.ask(to('newOrder'), payload, bent));

  describe('nonces', () => {
    it('count once: a replayed request is refused, with a fresh nonce', async () => {
      const nonce = await stage.acme.freshNonce();
      expect((await party.ask(party.kid, undefined, { nonce })).status).toBe(200);
      const again = await party.ask(party.kid, undefined, { nonce });
      expect(refused(again)).toEqual([400, 'badNonce']);
      expect(again.headers.get('replay-nonce')).not.toBe(nonce);
      // The last letter holds four bits that say nothing: written otherwise it is the same nonce.
      const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
      const last = letters[letters.indexOf(nonce.at(-1)!) ^ 1]!;
      expect(refused(await party.ask(party.kid, undefined, { nonce: nonce.slice(0, -1) + last }))).toEqual([
        400,
        'badNonce',
      ]);
    });

    it('of many copies at once, one counts', async () => {
      const nonce = await stage.acme.freshNonce();
      const answers = await Promise.all(Array.from({ length: 20 }, () => party.ask(party.kid, undefined, { nonce })));
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    });

    it('that nobody gave, that were changed, or that are too old or too new are refused', async () => {
      const nonce = await stage.acme.freshNonce();
      const changed = nonce.startsWith('A') ? `B${nonce.slice(1)}` : `A${nonce.slice(1)}`;
      for (const bad of ['', 'x', changed, nonce.slice(1), `${nonce}A`, 'A'.repeat(43), '='.repeat(43), 'é'.repeat(43)])
        expect(await asking({ nonce: bad })).toEqual([400, 'badNonce']);
      for (const bad of [undefined, null, 7, {}, [nonce]])
        expect(await asking({ nonce, header: { nonce: bad } })).toEqual([400, 'badNonce']);
      const old = await stage.acme.freshNonce();
      stage.server.advance(15 * 60 + 1);
      expect(await asking({ nonce: old })).toEqual([400, 'badNonce']);
      const young = await stage.acme.freshNonce();
      stage.server.advance(-6 * 60);
      expect(await asking({ nonce: young })).toEqual([400, 'badNonce']);
      stage.server.advance(6 * 60);
    });

    it('are not used up by whoever has no key: the same nonce still counts afterwards', async () => {
      const nonce = await stage.acme.freshNonce();
      const stranger = newKey();
      expect(refused(await stage.acme.post(to('newOrder'), stranger, { kid: party.kid }, order, { nonce }))).toEqual([
        403,
        'unauthorized',
      ]);
      expect(refused(await stage.acme.newAccount(undefined, stranger))).toEqual([403, 'externalAccountRequired']);
      expect((await party.ask(party.kid, undefined, { nonce })).status).toBe(200);
    });
  });

  // What follows for one database is judged before anything is asked of it.
  const once = anyDatabase.filter((each) => each === kind);

  describe.each(once)('signatures', () => {
    it('with another algorithm than that of the key are refused, whatever the header says', async () => {
      for (const alg of ['ES384', 'RS256', 'EdDSA'])
        expect(await asking({ header: { alg } })).toEqual([403, 'unauthorized']);
      for (const alg of ['none', 'HS256', 'PS256', 'ES512', 'es256', '', undefined, null, 7, ['ES256']]) {
        const answer = await party.ask(to('newOrder'), order, { header: { alg } });
        expect(refused(answer)).toEqual([400, 'badSignatureAlgorithm']);
        expect(answer.body.algorithms).toEqual(['ES256', 'ES384', 'EdDSA', 'RS256']);
      }
    });

    it('by the public key as a secret count for nothing', async () => {
      const confused = (jws: Record<string, string>) => {
        const header = JSON.parse(Buffer.from(jws['protected']!, 'base64url').toString()) as object;
        const head = Buffer.from(JSON.stringify({ ...header, alg: 'HS256' })).toString('base64url');
        const mac = createHmac('sha256', JSON.stringify(jwkOf(party.key))).update(`${head}.${jws['payload']}`);
        return { ...jws, protected: head, signature: mac.digest('base64url') };
      };
      expect(await asking({ body: confused })).toEqual([400, 'badSignatureAlgorithm']);
    });

    it('that are empty, cut, longer, DER, or of other octets are refused', async () => {
      const signature = (bend: (bytes: Buffer) => Buffer) => (jws: Record<string, string>) => ({
        ...jws,
        signature: bend(Buffer.from(jws['signature']!, 'base64url')).toString('base64url'),
      });
      const bends = [
        () => Buffer.alloc(0),
        () => Buffer.alloc(64),
        (bytes: Buffer) => bytes.subarray(1),
        (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc(1)]),
        (bytes: Buffer) => Buffer.from(bytes.map((octet, n) => (n === 40 ? octet ^ 1 : octet))),
      ];
      for (const bend of bends) expect(await asking({ body: signature(bend) })).toEqual([403, 'unauthorized']);
      const otherPayload = (jws: Record<string, string>) => ({
        ...jws,
        payload: Buffer.from('{}').toString('base64url'),
      });
      expect(await asking({ body: otherPayload })).toEqual([403, 'unauthorized']);
    });

    it('with jwk and kid together, with neither, or with the wrong one of the two are refused', async () => {
      expect(await asking({ header: { jwk: jwkOf(party.key) } })).toEqual([400, 'malformed']);
      expect(await asking({ header: { kid: undefined } })).toEqual([400, 'malformed']);
      const jwk = jwkOf(party.key);
      for (const path of ['newOrder', 'keyChange'])
        expect(refused(await stage.acme.post(to(path), party.key, { jwk }, order))).toEqual([400, 'malformed']);
      expect(refused(await party.ask(to('newAccount'), {}))).toEqual([400, 'malformed']);
    });

    it('for another URL, or another account, are refused', async () => {
      for (const url of [
        undefined,
        to('newAccount'),
        `${to('newOrder')}/`,
        `${to('newOrder')}?x`,
        to('newOrder').replace('127.0.0.1', 'localhost'),
        7,
      ])
        expect(await asking({ header: { url } })).toEqual([403, 'unauthorized']);
      const other = await stage.acme.account(enrollment.eab);
      expect(await asking({ header: { kid: other.kid } })).toEqual([403, 'unauthorized']);
      for (const kid of [
        `${party.kid}x`,
        party.kid.toUpperCase(),
        'x',
        7,
        null,
        '',
        `${stage.server.url}/acme/account/00000000-0000-4000-8000-000000000000`,
      ])
        expect(await asking({ header: { kid } })).toEqual([400, 'accountDoesNotExist']);
    });
  });

  describe.each(once)('bodies', () => {
    it('that are no flattened JWS in canonical base64url are refused', async () => {
      const bodies: Bent['body'][] = [
        () => 'x',
        () => '',
        () => [],
        () => null,
        (jws) => ({ ...jws, header: {} }),
        (jws) => ({ payload: jws['payload'], signatures: [jws] }),
        (jws) => `${jws['protected']}.${jws['payload']}.${jws['signature']}`,
        (jws) => JSON.stringify(jws).replace('{', '{"payload":"e30",'),
        (jws) => ({ ...jws, protected: `${jws['protected']}=` }),
        (jws) => ({ ...jws, payload: `${jws['payload']} ` }),
        (jws) => ({ ...jws, protected: 'e30x' }),
        (jws) => ({ ...jws, protected: Buffer.from('[]').toString('base64url') }),
        (jws) => ({ ...jws, protected: Buffer.from([0xff, 0xfe]).toString('base64url') }),
        (jws) => ({ ...jws, signature: 7 }),
        ({ payload, signature }) => ({ payload, signature }),
        (jws) => '['.repeat(30_000) + JSON.stringify(jws),
        (jws) => JSON.stringify(jws).replace('{', `{"x":${'['.repeat(20_000)}${']'.repeat(20_000)}`),
      ];
      for (const body of bodies) expect(await asking({ body: body! })).toEqual([400, 'malformed']);
      for (const header of [{ crit: ['b64'], b64: false }, { crit: [] }, { b64: true }])
        expect(await asking({ header })).toEqual([400, 'malformed']);
    });

    it('that are too large, or of another type, are refused in the words of ACME', async () => {
      expect(refused(await party.ask(to('newOrder'), order, { contentType: 'application/json' }))).toEqual([
        415,
        'malformed',
      ]);
      expect(refused(await party.ask(to('newOrder'), { ...order, more: 'x'.repeat(70_000) }))).toEqual([
        413,
        'malformed',
      ]);
      expect((await fetch(to('newOrder'))).status).toBe(405);
    });

    it('that say what ACME does not know are refused, and further members are not looked at', async () => {
      for (const payload of [
        null,
        [],
        7,
        {},
        { identifiers: [] },
        { identifiers: 'x' },
        { identifiers: [{ type: 'dns' }] },
        { identifiers: [{ type: 7, value: 'x' }] },
      ])
        expect(await asking({}, payload)).toEqual([400, 'malformed']);
      expect((await party.ask(to('newOrder'), { ...order, further: { members: true } })).status).toBe(201);
      for (const member of ['notBefore', 'notAfter'])
        expect(await asking({}, { ...order, [member]: '2027-01-01T00:00:00Z' })).toEqual([400, 'malformed']);
      const made = (await party.ask(to('newOrder'), order)).body;
      for (const url of [made.authorizations[0], `${party.kid}/orders`])
        expect(refused(await party.ask(url, {}))).toEqual([400, 'malformed']);
    });
  });

  it('an account has a thousand orders at most', async () => {
    const busy = await stage.acme.account(enrollment.eab);
    const answers: AcmeAnswer[] = [];
    for (let n = 0; n < 1003; n += 17)
      answers.push(...(await Promise.all(Array.from({ length: 17 }, (_, m) => busy.order(`many-${n + m}`)))));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1000);
    const full = answers.find(({ status }) => status !== 201)!;
    expect([...refused(full), full.headers.get('retry-after')]).toEqual([429, 'rateLimited', '3600']);
  });
});

it('an address that guesses is held back, and accounts that signed lately are not', async () => {
  const stage = await openAcmeStage('embedded', { THINGWARD_FAILED_CREDENTIALS_PER_MINUTE: '5' });
  try {
    const { eab } = await stage.enroll();
    const party = await stage.acme.account(eab);
    await party.order('before');
    const guess = () => stage.acme.newAccount({ kid: eab.kid, hmacKey: Buffer.alloc(32, 1).toString('base64url') });
    const answers = [];
    for (let n = 0; n < 7; n++) answers.push(await guess());
    expect(refused(answers[0]!)).toEqual([403, 'unauthorized']);
    expect(refused(answers.at(-1)!)).toEqual([429, 'rateLimited']);
    expect(Number(answers.at(-1)!.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await party.order('after')).status).toBe(201);
  } finally {
    await stage.server.stop();
  }
});

import { createHmac, generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { acmeCsr, bindKey, jwkOf, type AcmeParty } from '../../support/acme/client.js';
import { openAcmeStage, refused, type AcmeEnrollment, type AcmeStage } from '../../support/acme/stage.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { csrDer, newKey } from '../../support/pki/csr.js';
import * as der from '../../../src/pki/der.js';
import { oids } from '../../../src/pki/oid.js';

describe.each(databaseKinds)('hostile accounts and orders of ACME on %s', (kind) => {
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

  describe('accounts', () => {
    const bound = async (binding: unknown, key = newKey()) =>
      refused(await stage.acme.newAccount(undefined, key, { externalAccountBinding: binding }));

    it('need the binding of an enrollment, for their own key and this request', async () => {
      const url = to('newAccount');
      const [key, other] = [newKey(), newKey()];
      const { kid, hmacKey } = enrollment.eab;
      const wrongKey = Buffer.alloc(32, 1).toString('base64url');
      const unauthorized = [
        bindKey({ kid, hmacKey: wrongKey }, key, url),
        bindKey({ kid: '00000000-0000-4000-8000-000000000000', hmacKey }, key, url),
        bindKey({ kid: 'x'.repeat(500), hmacKey }, key, url),
        bindKey({ kid, hmacKey }, key, url, { alg: 'none' }),
        bindKey({ kid, hmacKey }, key, url, { alg: 'ES256' }),
        bindKey({ kid, hmacKey }, key, url, { alg: 'constructor' }),
        bindKey({ kid, hmacKey }, key, url, { kid: [kid] }),
      ];
      for (const binding of unauthorized) expect(await bound(binding, key)).toEqual([403, 'unauthorized']);
      const malformed = [
        bindKey({ kid, hmacKey }, other, url),
        bindKey({ kid, hmacKey }, key, to('newOrder')),
        bindKey({ kid, hmacKey }, key, url, { nonce: 'x' }),
        { ...bindKey({ kid, hmacKey }, key, url), payload: '*' },
        'x',
        null,
        [],
        {},
      ];
      for (const binding of malformed) expect(await bound(binding, key)).toEqual([400, 'malformed']);
      expect((await stage.acme.newAccount({ kid, hmacKey }, key)).status).toBe(201);
    });

    it('take other MACs of the same key', async () => {
      const key = newKey();
      const { kid, hmacKey } = enrollment.eab;
      const { protected: head, payload } = bindKey({ kid, hmacKey }, key, to('newAccount'), { alg: 'HS512' });
      const mac = createHmac('sha512', Buffer.from(hmacKey, 'base64url'))
        .update(`${head}.${payload}`)
        .digest('base64url');
      const binding = { protected: head, payload, signature: mac };
      expect((await stage.acme.newAccount(undefined, key, { externalAccountBinding: binding })).status).toBe(201);
    });

    it('take no weak, private, or unknown key', async () => {
      const key = newKey();
      const jwk = jwkOf(key) as Record<string, unknown>;
      const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey;
      const other = generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey;
      const bad: unknown[] = [
        jwkOf(weak),
        jwkOf(other),
        key.export({ format: 'jwk' }),
        { ...jwk, x: 'A'.repeat(43) },
        { ...jwk, crv: 'P-384' },
        { ...jwk, crv: 'P-521' },
        { ...jwk, kty: 'oct', k: 'AAAA' },
        { ...jwk, kty: '__proto__' },
        { kty: 'OKP', crv: 'Ed25519', x: Buffer.alloc(32).toString('base64url') },
        { kty: 'OKP', crv: 'X25519', x: Buffer.alloc(32, 9).toString('base64url') },
        { kty: 'RSA', n: 'A'.repeat(20_000), e: 'AQAB' },
        { kty: 'EC' },
        'x',
        7,
        [],
      ];
      for (const each of bad) {
        const answer = await stage.acme.post(to('newAccount'), key, { jwk: each as object }, {});
        expect(refused(answer)).toEqual([400, 'badPublicKey']);
      }
      const stranger = jwkOf(newKey());
      expect(refused(await stage.acme.post(to('newAccount'), key, { jwk: stranger }, {}))).toEqual([
        403,
        'unauthorized',
      ]);
    });
  });

  describe('identifiers and requests', () => {
    it('says of each identifier why not', async () => {
      const bad = [
        '*.pump',
        'pump.example',
        '',
        'a b',
        '-a',
        'a-',
        'x'.repeat(64),
        'ä',
        'a/b',
        'a\u0000',
        '${x}',
        '+',
        '#',
        '1'.repeat(500),
      ];
      for (const name of bad) expect(refused(await party.order(name))).toEqual([400, 'rejectedIdentifier']);
      const types = await party.ask(to('newOrder'), {
        identifiers: [
          { type: 'ip', value: '10.0.0.1' },
          { type: 'dns', value: 'a.b' },
        ],
      });
      expect(refused(types)).toEqual([400, 'unsupportedIdentifier']);
      expect(types.body.subproblems).toMatchObject([
        { type: 'urn:ietf:params:acme:error:unsupportedIdentifier', identifier: { type: 'ip', value: '10.0.0.1' } },
        { type: 'urn:ietf:params:acme:error:rejectedIdentifier', identifier: { type: 'dns', value: 'a.b' } },
      ]);
      const many = await party.order('one-1', 'one-2');
      expect(refused(many)).toEqual([400, 'rejectedIdentifier']);
      expect(many.body.subproblems).toHaveLength(1);
      expect((await party.order('same-1', 'SAME-1')).status).toBe(201);
    });

    it('takes a request for the name of its order alone, and leaves the order ready', async () => {
      const made = (await party.order('csr-1')).body;
      const finalize = async (csr: unknown) => refused(await party.ask(made.finalize, { csr }));
      const named = (name: string): Buffer =>
        der.sequence(der.set(der.sequence(oids.commonName, der.utf8String(name))));
      const bad = [
        acmeCsr(['csr-2']),
        acmeCsr(['csr-1', 'csr-2']),
        acmeCsr(['CSR-1']),
        acmeCsr([]),
        csrDer().toString('base64url'),
        csrDer({ subject: named('csr-2') }).toString('base64url'),
        csrDer({ key: party.key, subject: named('csr-1') }).toString('base64url'),
        csrDer({ subject: named('csr-1'), version: 1 }).toString('base64url'),
        Buffer.from(acmeCsr(['csr-1']), 'base64url')
          .subarray(1)
          .toString('base64url'),
        '',
      ];
      for (const csr of bad) expect(await finalize(csr)).toEqual([400, 'badCSR']);
      for (const csr of ['=', undefined, 7, `${acmeCsr(['csr-1'])}=`, 'A'.repeat(40_000)])
        expect(await finalize(csr)).toEqual([400, 'malformed']);
      const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey;
      expect(await finalize(acmeCsr(['csr-1'], weak))).toEqual([400, 'badPublicKey']);
      expect(
        (await party.ask(made.finalize, { csr: csrDer({ subject: named('csr-1') }).toString('base64url') })).body
          .status,
      ).toBe('valid');
      expect(await finalize(acmeCsr(['csr-1']))).toEqual([403, 'orderNotReady']);
    });

    it('ends an order whose authorization is given up', async () => {
      const made = (await party.order('given-up')).body;
      expect((await party.ask(made.authorizations[0], { status: 'deactivated' })).body.status).toBe('deactivated');
      expect(refused(await party.ask(made.finalize, { csr: acmeCsr(['given-up']) }))).toEqual([403, 'orderNotReady']);
      expect((await party.ask(made.authorizations[0])).body.status).toBe('deactivated');
      for (const id of ['x', '../x', '00000000-0000-4000-8000-000000000000', 'x'.repeat(64)])
        expect(refused(await party.ask(`${stage.server.url}/acme/order/${encodeURIComponent(id)}`))).toEqual([
          404,
          'malformed',
        ]);
    });
  });
});

import { generateKeyPairSync, type X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { acmeCsr, derOf, jwkOf, pemsOf as pems, serialOf, signJws } from '../../support/acme/client.js';
import { openAcmeStage, refused, type AcmeStage } from '../../support/acme/stage.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { newKey } from '../../support/pki/csr.js';

describe.each(databaseKinds)('ACME on %s', (kind) => {
  let stage: AcmeStage;
  beforeAll(async () => {
    stage = await openAcmeStage(kind);
  });
  afterAll(() => stage.server.stop());
  const audit = async (action: string) =>
    (await stage.server.owner.get(`/v1/audit?action=${action}&limit=100`)).body.items as {
      actor: string;
      target: string;
    }[];

  describe('the directory and nonces', () => {
    it('names every resource below the public URL, and wants an external account', async () => {
      const { url } = stage.server;
      expect(stage.acme.directory).toEqual({
        newNonce: `${url}/acme/new-nonce`,
        newAccount: `${url}/acme/new-account`,
        newOrder: `${url}/acme/new-order`,
        revokeCert: `${url}/acme/revoke-cert`,
        keyChange: `${url}/acme/key-change`,
        renewalInfo: `${url}/acme/renewal-info`,
        meta: { externalAccountRequired: true },
      });
    });

    it('gives a nonce to HEAD with 200, to GET with 204, and with every answer to a POST', async () => {
      const nonces = new Set<string>();
      for (const [method, status] of [
        ['HEAD', 200],
        ['GET', 204],
      ] as const) {
        const answer = await fetch(stage.acme.directory['newNonce']!, { method });
        expect([answer.status, answer.headers.get('cache-control')]).toEqual([status, 'no-store']);
        expect(answer.headers.get('link')).toBe(`<${stage.server.url}/acme/directory>;rel="index"`);
        nonces.add(answer.headers.get('replay-nonce')!);
      }
      const refusal = await fetch(stage.acme.directory['newOrder']!, {
        method: 'POST',
        body: 'x',
        headers: { 'content-type': 'application/jose+json' },
      });
      nonces.add(refusal.headers.get('replay-nonce')!);
      expect(nonces.size).toBe(3);
      for (const nonce of nonces) expect(nonce).toMatch(/^[A-Za-z0-9_-]{43}$/);
    });
  });

  describe('from an account to a certificate', () => {
    it('makes the thing of the enrollment, and gives its chain in PEM', async () => {
      const { eab, acmeDirectory } = await stage.enroll({ attributes: { site: 'berlin' }, thingType: 'pump' });
      expect(acmeDirectory).toBe(`${stage.server.url}/acme/directory`);
      const party = await stage.acme.account(eab);
      const ordered = await party.order('Made-1');
      expect(ordered.status).toBe(201);
      expect(ordered.headers.get('location')).toMatch(/\/acme\/order\/[0-9a-f-]{36}$/);
      expect(ordered.body).toMatchObject({ status: 'ready', identifiers: [{ type: 'dns', value: 'made-1' }] });
      const authorization = await party.ask(ordered.body.authorizations[0]);
      expect(authorization.body).toMatchObject({ status: 'valid', identifier: { type: 'dns', value: 'made-1' } });
      const key = newKey();
      const done = await party.ask(ordered.body.finalize, { csr: acmeCsr(['made-1'], key) });
      expect([done.status, done.body.status]).toEqual([200, 'valid']);
      expect((await party.ask(ordered.headers.get('location')!)).body).toEqual(done.body);
      const chain = await party.ask(done.body.certificate);
      expect(chain.headers.get('content-type')).toBe('application/pem-certificate-chain');
      const [leaf, issuing, root] = pems(chain.text);
      expect([leaf!.subject, leaf!.subjectAltName]).toEqual([
        'O=default\nCN=made-1',
        'URI:urn:thingward:default:made-1',
      ]);
      expect(leaf!.checkPrivateKey(key)).toBe(true);
      expect(leaf!.verify(issuing!.publicKey) && issuing!.verify(root!.publicKey)).toBe(true);
      expect(await stage.thing('made-1')).toMatchObject({
        attributes: { site: 'berlin' },
        thingType: 'pump',
        status: 'active',
      });
      const [entry] = (await audit('thing.provision')).filter(({ target }) => target === 'thing:made-1');
      expect(entry!.actor).toBe(`acme:${party.kid.split('/').at(-1)}`);
      expect((await audit('acme-account.create')).map(({ target }) => target)).toContain(
        `acme-account:${party.kid.split('/').at(-1)}`,
      );
    });

    it.each([
      ['ES256', newKey()],
      ['ES384', generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey],
      ['RS256', generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey],
      ['EdDSA', generateKeyPairSync('ed25519').privateKey],
    ])('takes accounts that sign with %s', async (alg, key) => {
      const { eab } = await stage.enroll();
      const party = await stage.acme.account(eab, key);
      expect(pems(await party.obtain(`by-${alg.toLowerCase()}`))).toHaveLength(3);
    });

    it('answers the account of a key that has one with 200, also without a binding', async () => {
      const { eab } = await stage.enroll();
      const party = await stage.acme.account(eab);
      for (const more of [{}, { onlyReturnExisting: true }]) {
        const again = await stage.acme.newAccount(undefined, party.key, more);
        expect([again.status, again.headers.get('location')]).toEqual([200, party.kid]);
      }
      expect(refused(await stage.acme.newAccount(undefined, newKey(), { onlyReturnExisting: true }))).toEqual([
        400,
        'accountDoesNotExist',
      ]);
    });

    it('shows and changes an account, lists its orders in pages, and ends it', async () => {
      const party = await stage.acme.account((await stage.enroll()).eab);
      expect((await party.ask(party.kid, { contact: ['mailto:a@example.com'] })).body).toMatchObject({
        contact: ['mailto:a@example.com'],
      });
      const { body } = await party.ask(party.kid);
      expect(body).toMatchObject({ status: 'valid', contact: ['mailto:a@example.com'], orders: `${party.kid}/orders` });
      const made: string[] = [];
      for (let n = 0; n < 101; n++) made.push((await party.order(`paged-${n}`)).headers.get('location')!);
      const first = await party.ask(body.orders);
      expect(first.body.orders).toHaveLength(100);
      const next = /<([^>]+)>;rel="next"/.exec(first.headers.get('link')!)![1]!;
      const second = await party.ask(next);
      expect([...first.body.orders, ...second.body.orders].sort()).toEqual(made.sort());
      expect(refused(await party.ask(party.kid, { status: 'revoked' }))).toEqual([400, 'malformed']);
      expect((await party.ask(party.kid, { status: 'deactivated' })).body.status).toBe('deactivated');
      expect(refused(await party.order('late'))).toEqual([403, 'unauthorized']);
      expect(refused(await stage.acme.newAccount((await stage.enroll()).eab, party.key))).toEqual([
        403,
        'unauthorized',
      ]);
    });

    it('refuses contacts that nobody can write to', async () => {
      const { eab } = await stage.enroll();
      const ask = async (...contact: string[]) => refused(await stage.acme.newAccount(eab, newKey(), { contact }));
      expect(await ask('tel:+4930')).toEqual([400, 'unsupportedContact']);
      expect(await ask('mailto:a@b.example,c@d.example')).toEqual([400, 'invalidContact']);
      expect(await ask('mailto:a@b.example?subject=x')).toEqual([400, 'invalidContact']);
    });
  });

  describe('renewal', () => {
    it('is a new order of the account: the same thing, another certificate, and the enrollment is not used', async () => {
      const { id, eab } = await stage.enroll({ maxUses: 1 });
      const party = await stage.acme.account(eab);
      const first = await party.obtain('renewed-1');
      const before = await stage.thing('renewed-1');
      const second = await party.obtain('renewed-1');
      expect(serialOf(second)).not.toBe(serialOf(first));
      expect(await stage.thing('renewed-1')).toMatchObject({ id: before.id });
      expect((await stage.server.owner.get(`/v1/enrollments/${id}`)).body).toMatchObject({
        uses: 1,
        status: 'exhausted',
      });
      // The first stays good until the second is used.
      expect((await stage.server.owner.get(`/v1/certificates/${serialOf(first)}`)).body.status).toBe('active');
    });

    it('says when to renew, and takes an order that names what it replaces, once', async () => {
      const party = await stage.acme.account((await stage.enroll()).eab);
      const [leaf, issuing] = pems(await party.obtain('ari-1'));
      const ski = skiOf(issuing!);
      const certId = `${ski.toString('base64url')}.${Buffer.from(leaf!.serialNumber, 'hex').toString('base64url')}`;
      const info = await stage.acme.read(await fetch(`${stage.acme.directory['renewalInfo']}/${certId}`));
      expect(info.status).toBe(200);
      expect(Number(info.headers.get('retry-after'))).toBeGreaterThan(0);
      const { start, end } = info.body.suggestedWindow as { start: string; end: string };
      const [from, to] = [Date.parse(leaf!.validFrom), Date.parse(leaf!.validTo)];
      expect(Date.parse(start)).toBeGreaterThan((from + to) / 2);
      expect(Date.parse(end)).toBeGreaterThan(Date.parse(start));
      expect(Date.parse(end)).toBeLessThan(to);
      const replacing = () =>
        party.ask(stage.acme.directory['newOrder']!, {
          identifiers: [{ type: 'dns', value: 'ari-1' }],
          replaces: certId,
        });
      const ordered = await replacing();
      expect([ordered.status, ordered.body.replaces]).toEqual([201, certId]);
      expect(refused(await replacing())).toEqual([409, 'alreadyReplaced']);
      const other = await stage.acme.account((await stage.enroll()).eab);
      expect(
        refused(
          await other.ask(stage.acme.directory['newOrder']!, {
            identifiers: [{ type: 'dns', value: 'ari-2' }],
            replaces: certId,
          }),
        ),
      ).toEqual([400, 'malformed']);
      for (const unknown of [
        'x',
        'x.y',
        `${ski.toString('base64url')}.${'A'.repeat(27)}`,
        `${'A'.repeat(27)}.${certId.split('.')[1]}`,
      ]) {
        const answer = await stage.acme.read(await fetch(`${stage.acme.directory['renewalInfo']}/${unknown}`));
        expect(refused(answer)).toEqual([404, 'malformed']);
      }
    });
  });

  describe('revocation', () => {
    it('by the account, with its reason, once', async () => {
      const party = await stage.acme.account((await stage.enroll()).eab);
      const chain = await party.obtain('given-up-1');
      const revoke = (reason?: number) =>
        party.ask(stage.acme.directory['revokeCert']!, { certificate: derOf(chain), reason });
      for (const reason of [2, 6, 7, 8, 10, 11, -1])
        expect(refused(await revoke(reason))).toEqual([400, 'badRevocationReason']);
      expect((await revoke(5)).status).toBe(200);
      expect((await stage.server.owner.get(`/v1/certificates/${serialOf(chain)}`)).body).toMatchObject({
        status: 'revoked',
        reason: 'cessationOfOperation',
      });
      expect(refused(await revoke(5))).toEqual([400, 'alreadyRevoked']);
      expect(refused(await party.order('given-up-1'))).toEqual([403, 'unauthorized']);
    });

    it('by the key of the certificate, and by nobody else', async () => {
      const [party, other] = [
        await stage.acme.account((await stage.enroll()).eab),
        await stage.acme.account((await stage.enroll()).eab),
      ];
      const key = newKey();
      const chain = await party.obtain('given-up-2', key);
      const to = stage.acme.directory['revokeCert']!;
      const payload = { certificate: derOf(chain), reason: 1 };
      expect(refused(await other.ask(to, payload))).toEqual([403, 'unauthorized']);
      const stranger = newKey();
      expect(refused(await stage.acme.post(to, stranger, { jwk: jwkOf(stranger) }, payload))).toEqual([
        403,
        'unauthorized',
      ]);
      expect((await stage.acme.post(to, key, { jwk: jwkOf(key) }, payload)).status).toBe(200);
      expect((await stage.server.owner.get(`/v1/certificates/${serialOf(chain)}`)).body).toMatchObject({
        reason: 'keyCompromise',
      });
      // A key that was revoked as compromised is taken for nothing, not even for an account.
      expect(refused(await stage.acme.newAccount((await stage.enroll()).eab, key))).toEqual([400, 'badPublicKey']);
    });
  });

  describe('keyChange', () => {
    const inner = (key = newKey(), old = newKey(), account = '', header: object = {}) =>
      signJws(
        key,
        { url: stage.acme.directory['keyChange'], jwk: jwkOf(key), ...header },
        { account, oldKey: jwkOf(old) },
      );

    it('gives the account to the new key, and nothing to the old one', async () => {
      const party = await stage.acme.account((await stage.enroll()).eab);
      const key = newKey();
      const to = stage.acme.directory['keyChange']!;
      expect((await party.ask(to, inner(key, party.key, party.kid))).status).toBe(200);
      expect(refused(await party.order('old-key'))).toEqual([403, 'unauthorized']);
      expect(refused(await stage.acme.newAccount(undefined, party.key, { onlyReturnExisting: true }))).toEqual([
        400,
        'accountDoesNotExist',
      ]);
      expect((await stage.acme.post(party.kid, key, { kid: party.kid }, undefined)).body.status).toBe('valid');
      expect((await audit('acme-account.change-key')).length).toBeGreaterThan(0);
    });

    it('refuses what the new key did not sign, what names another account or key, and a key that is taken', async () => {
      const [party, other] = [
        await stage.acme.account((await stage.enroll()).eab),
        await stage.acme.account((await stage.enroll()).eab),
      ];
      const to = stage.acme.directory['keyChange']!;
      const [key, stranger] = [newKey(), newKey()];
      const wrong = [
        inner(key, stranger, party.kid),
        inner(key, party.key, other.kid),
        inner(stranger, party.key, party.kid, { jwk: jwkOf(key) }),
        inner(key, party.key, party.kid, { url: `${to}x` }),
        inner(key, party.key, party.kid, { nonce: 'x' }),
        inner(key, party.key, party.kid, { kid: party.kid }),
      ];
      for (const payload of wrong) expect(refused(await party.ask(to, payload))).toEqual([400, 'malformed']);
      const taken = await party.ask(to, inner(other.key, party.key, party.kid));
      expect([...refused(taken), taken.headers.get('location')]).toEqual([409, 'malformed', other.kid]);
      expect((await party.ask(party.kid)).status).toBe(200);
    });
  });
});

/** The subject key identifier of an authority, as its extension has it. */
function skiOf(certificate: X509Certificate): Buffer {
  const at = certificate.raw.indexOf(Buffer.from('0603551d0e', 'hex'));
  const value = certificate.raw.subarray(at + 5);
  // OCTET STRING { OCTET STRING of 20 }.
  return value.subarray(4, 24);
}

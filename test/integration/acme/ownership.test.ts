import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { acmeCsr, pemsOf, serialOf } from '../../support/acme/client.js';
import { openAcmeStage, refused, type AcmeStage } from '../../support/acme/stage.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { provision } from '../../support/fleet.js';
import { csrPem, newKey } from '../../support/pki/csr.js';

const day = 86_400;

describe.each(databaseKinds)('who gets what by ACME on %s', (kind) => {
  let stage: AcmeStage;
  beforeAll(async () => {
    stage = await openAcmeStage(kind);
  });
  afterAll(() => stage.server.stop());
  const party = async (more: object = {}) => stage.acme.account((await stage.enroll(more)).eab);

  describe('a thing belongs to the account that made it', () => {
    it('another account gets nothing for its name, nor what its orders and certificates are', async () => {
      const { eab } = await stage.enroll();
      const [own, other] = [await stage.acme.account(eab), await stage.acme.account(eab)];
      const ordered = await own.order('mine-1');
      const early = await other.order('mine-1');
      const done = await own.ask(ordered.body.finalize, { csr: acmeCsr(['mine-1']) });
      // The order that was made before there was a thing leads to nothing either.
      expect(refused(await other.ask(early.body.finalize, { csr: acmeCsr(['mine-1']) }))).toEqual([
        403,
        'unauthorized',
      ]);
      expect(refused(await other.order('mine-1'))).toEqual([403, 'unauthorized']);
      expect(refused(await other.order('MINE-1'))).toEqual([403, 'unauthorized']);
      for (const url of [ordered.headers.get('location')!, ordered.body.authorizations[0], done.body.certificate])
        expect(refused(await other.ask(url))).toEqual([404, 'malformed']);
      expect(refused(await other.ask(ordered.body.finalize, { csr: acmeCsr(['mine-1']) }))).toEqual([404, 'malformed']);
      expect(refused(await other.ask(own.kid))).toEqual([403, 'unauthorized']);
      expect(refused(await other.ask(own.kid, { status: 'deactivated' }))).toEqual([403, 'unauthorized']);
      expect(refused(await other.ask(`${own.kid}/orders`))).toEqual([403, 'unauthorized']);
    });

    it('a thing that was made in another way belongs to no account, with whatever key it is asked for', async () => {
      const { token, eab } = await stage.enroll();
      const account = await stage.acme.account(eab);
      const early = await account.order('by-token-1');
      const device = await provision(stage.server, token, 'by-token-1');
      expect(device.answer.status).toBe(201);
      // Its own request, which somebody saw: the answer would be its certificate.
      const csr = acmeCsr(['by-token-1'], device.key);
      expect(refused(await account.ask(early.body.finalize, { csr }))).toEqual([403, 'unauthorized']);
      expect(refused(await account.order('by-token-1'))).toEqual([403, 'unauthorized']);
    });

    it('a device request that is replayed while its thing is made gives the thing to one of the two', async () => {
      const { token, eab } = await stage.enroll();
      const account = await stage.acme.account(eab);
      for (let n = 0; n < 8; n++) {
        const name = `raced-${n}`;
        const key = newKey();
        const ordered = await account.order(name);
        const [byAcme, byToken] = await Promise.all([
          account.ask(ordered.body.finalize, { csr: acmeCsr([name], key) }),
          stage.server.as(token).post('/v1/provision', { thingName: name, csr: csrPem({ key }) }),
        ]);
        const again = await account.order(name);
        if (byAcme.body.status === 'valid') expect(again.status).toBe(201);
        else expect([...refused(byAcme), ...refused(again)]).toEqual([403, 'unauthorized', 403, 'unauthorized']);
        expect(byToken.status).toBeLessThan(202);
      }
    });

    it('accounts of another tenant have names of their own', async () => {
      const { body } = await stage.server.owner.post('/v1/accounts', { name: `other-${kind}` });
      const owner = stage.server.as((body.ownerKey ?? body.key) as string);
      const { body: enrollment } = await owner.post('/v1/enrollments', { thingNamePattern: '*', maxUses: 5 });
      const [here, there] = [await party(), await stage.acme.account(enrollment.eab)];
      await here.obtain('both-1');
      await there.obtain('both-1');
      expect((await owner.get('/v1/things/both-1')).body.account).toBe(`other-${kind}`);
    });
  });

  describe('a thing that is not active', () => {
    it('gets nothing while it is suspended, and renews once it is resumed', async () => {
      const account = await party();
      await account.obtain('held-1');
      const ordered = await account.order('held-1');
      await stage.server.owner.post('/v1/things/held-1/suspend', {});
      expect(refused(await account.order('held-1'))).toEqual([403, 'unauthorized']);
      expect(refused(await account.ask(ordered.body.finalize, { csr: acmeCsr(['held-1']) }))).toEqual([
        403,
        'unauthorized',
      ]);
      await stage.server.owner.post('/v1/things/held-1/resume', {});
      expect((await account.ask(ordered.body.finalize, { csr: acmeCsr(['held-1']) })).body.status).toBe('valid');
    });

    it('gets nothing once it is revoked, not even its certificate', async () => {
      const account = await party();
      const done = await account.issue('gone-1');
      const ordered = await account.order('gone-1');
      await stage.server.owner.post('/v1/things/gone-1/revoke', { reason: 'keyCompromise' });
      expect(refused(await account.ask(done.body.certificate))).toEqual([403, 'unauthorized']);
      expect(refused(await account.order('gone-1'))).toEqual([403, 'unauthorized']);
      expect(refused(await account.ask(ordered.body.finalize, { csr: acmeCsr(['gone-1']) }))).toEqual([
        403,
        'unauthorized',
      ]);
    });

    it('a held certificate is not renewed around', async () => {
      const account = await party();
      await account.obtain('hold-1');
      const serialNumber = serialOf(await account.obtain('hold-1'));
      await stage.server.owner.post(`/v1/certificates/${serialNumber}/revoke`, { reason: 'certificateHold' });
      expect(refused(await account.order('hold-1'))).toEqual([403, 'unauthorized']);
      await stage.server.owner.post(`/v1/certificates/${serialNumber}/release`, {});
      await account.obtain('hold-1');
    });
  });

  describe('a re-enrollment', () => {
    it('by a token takes the thing from the account', async () => {
      const account = await party();
      await account.obtain('back-1');
      const { body } = await stage.server.owner.post('/v1/things/back-1/reenroll', {});
      expect(refused(await account.issue('back-1'))[0]).toBeGreaterThanOrEqual(400);
      const device = await provision(stage.server, body.enrollment?.token ?? body.token, 'back-1');
      expect(device.answer.status).toBe(201);
      expect(refused(await account.order('back-1'))).toEqual([403, 'unauthorized']);
    });
  });

  describe('the enrollment', () => {
    it('covers names and addresses for orders too', async () => {
      const account = await party({ thingNamePattern: 'pump-*' });
      expect(refused(await account.order('valve-1'))).toEqual([403, 'rejectedIdentifier']);
      const elsewhere = await party({ sourceCidrs: ['10.0.0.0/8'] });
      expect(refused(await elsewhere.order('pump-9'))).toEqual([403, 'rejectedIdentifier']);
    });

    it('admits no account and no thing once it has expired, and its things still renew', async () => {
      const { eab } = await stage.enroll({
        expiresAt: new Date(stage.server.now().getTime() + 3600_000).toISOString(),
      });
      const account = await stage.acme.account(eab);
      await account.obtain('timely-1');
      const ordered = await account.order('timely-2');
      stage.server.advance(3601);
      expect(refused(await stage.acme.newAccount(eab))).toEqual([403, 'unauthorized']);
      expect(refused(await account.order('timely-3'))).toEqual([403, 'unauthorized']);
      expect(refused(await account.ask(ordered.body.finalize, { csr: acmeCsr(['timely-2']) }))).toEqual([
        403,
        'unauthorized',
      ]);
      await account.obtain('timely-1');
    });

    it('the same once it is revoked, at once', async () => {
      const { id, eab } = await stage.enroll();
      const account = await stage.acme.account(eab);
      const ordered = await account.order('stopped-1');
      await stage.server.owner.post(`/v1/enrollments/${id}/revoke`, {});
      expect(refused(await stage.acme.newAccount(eab))).toEqual([403, 'unauthorized']);
      expect(refused(await account.ask(ordered.body.finalize, { csr: acmeCsr(['stopped-1']) }))).toEqual([
        403,
        'unauthorized',
      ]);
    });

    it('is never used more often than it may be, and admits ten accounts more than that', async () => {
      const { id, eab } = await stage.enroll({ maxUses: 2 });
      const account = await stage.acme.account(eab);
      const orders = await Promise.all(['few-1', 'few-2', 'few-3', 'few-4'].map((name) => account.order(name)));
      const done = await Promise.all(
        orders.map(({ body }) => account.ask(body.finalize, { csr: acmeCsr([body.identifiers[0].value]) })),
      );
      expect(done.filter(({ body }) => body.status === 'valid')).toHaveLength(2);
      expect((await stage.server.owner.get(`/v1/enrollments/${id}`)).body).toMatchObject({ uses: 2 });
      const { eab: roomy } = await stage.enroll({ maxUses: 1 });
      const answers = await Promise.all(Array.from({ length: 14 }, () => stage.acme.newAccount(roomy)));
      expect(answers.filter(({ status }) => status === 201)).toHaveLength(11);
      const full = answers.find(({ status }) => status !== 201)!;
      expect([...refused(full), Number(full.headers.get('retry-after'))]).toEqual([429, 'rateLimited', 86_400]);
    });

    it('with approval, an order waits for an operator, and says when to ask again', async () => {
      const account = await party({ approval: 'required' });
      const done = await account.issue('patient-1');
      expect([done.body.status, done.headers.get('retry-after')]).toEqual(['processing', '30']);
      const again = await account.ask(done.headers.get('location')!);
      expect(again.body.status).toBe('processing');
      const { body } = await stage.server.owner.get('/v1/waiting');
      const [{ id }] = body.items as [{ id: string }];
      await stage.server.owner.post(`/v1/waiting/${id}/approve`, {});
      const approved = await account.ask(done.headers.get('location')!);
      expect(approved.body.status).toBe('valid');
      await account.obtain('patient-1');

      const denied = await account.issue('patient-2');
      const items = (await stage.server.owner.get('/v1/waiting?status=waiting')).body.items as { id: string }[];
      await stage.server.owner.post(`/v1/waiting/${items[0]!.id}/deny`, { reason: 'not ours' });
      const after = await account.ask(denied.headers.get('location')!);
      expect(after.body).toMatchObject({
        status: 'invalid',
        error: { type: 'urn:ietf:params:acme:error:unauthorized' },
      });
      expect(after.body.error.detail).toContain('not ours');
    });
  });

  describe('renewal', () => {
    it('after the certificate expired goes on as long as the enrollment says', async () => {
      const [strict, graceful] = [
        await party({ expiresAt: 'never' }),
        await party({ expiresAt: 'never', renewGraceSeconds: 10 * day }),
      ];
      await strict.obtain('lapsed-1');
      await graceful.obtain('lapsed-2');
      stage.server.advance(91 * day);
      expect(refused(await strict.issue('lapsed-1'))).toEqual([403, 'unauthorized']);
      await graceful.obtain('lapsed-2');
      stage.server.advance(101 * day);
      expect(refused(await graceful.issue('lapsed-2'))).toEqual([403, 'unauthorized']);
    });

    it('makes ten certificates that nobody uses, and no more', async () => {
      const account = await party({ expiresAt: 'never' });
      for (let n = 0; n < 10; n++) await account.obtain('eager-1');
      const done = await account.issue('eager-1');
      expect(refused(done)).toEqual([409, 'rejectedIdentifier']);
      expect(done.body.detail).toContain('too many renewals');
    });

    it('takes the same key again, and gives another certificate', async () => {
      const account = await party({ expiresAt: 'never' });
      const key = newKey();
      const [first, second] = [await account.obtain('same-key-1', key), await account.obtain('same-key-1', key)];
      expect(serialOf(second)).not.toBe(serialOf(first));
      expect(pemsOf(second)[0]!.checkPrivateKey(key)).toBe(true);
    });
  });

  it('old orders are forgotten, and what was issued stays', async () => {
    const account = await party({ expiresAt: 'never' });
    const done = await account.issue('kept-1');
    const open = await account.order('kept-2');
    const url = done.headers.get('location')!;
    stage.server.advance(2 * day);
    const sweep = () => stage.server.services.chores.run('sweep-acme');
    await sweep();
    expect(refused(await account.ask(url))).toEqual([404, 'malformed']);
    expect((await account.ask(open.headers.get('location')!)).body.status).toBe('ready');
    expect((await account.ask(done.body.certificate)).status).toBe(200);
    stage.server.advance(6 * day);
    expect(refused(await account.ask(open.headers.get('location')!))).toEqual([404, 'malformed']);
    await sweep();
    expect((await account.ask(`${account.kid}/orders`)).body.orders).toEqual([]);
  });
});

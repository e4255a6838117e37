import { createHash, createPublicKey } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { csrPem } from '../../support/pki/csr.js';
import { problemOf, type Client } from '../../support/client.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { enroll, provision, useKey, type Device } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';
import { createWaitingRoom } from '../../support/provisioning/waiting.js';

const day = 86_400;

const ask = (server: TestServer, token: string, { name, csr }: Pick<Device, 'name' | 'csr'>, more: object = {}) =>
  server.as(token).post('/v1/provision', { thingName: name, csr, ...more });

const fingerprintOf = ({ key }: Device): string =>
  createHash('sha256')
    .update(createPublicKey(key).export({ type: 'spki', format: 'der' }))
    .digest('hex');

describe.each(databaseKinds)('enrollments with approval on %s', (kind) => {
  let server: TestServer;
  let owner: Client;
  beforeAll(async () => {
    server = await startServer(kind);
    owner = server.owner;
  });
  afterAll(() => server.stop());

  const { nextName, wait, approve, deny } = createWaitingRoom(() => server);
  const usesOf = async (id: string) => (await owner.get(`/v1/enrollments/${id}`)).body.uses as number;

  describe('a device that waits', () => {
    it('gets nothing until it is approved, and then what it would have got at once', async () => {
      const { id, token, device, waiting } = await wait({ deviceAttributes: ['site'] }, { attributes: { site: 'b' } });
      expect(device.answer.body).toEqual({ status: 'waiting', id: waiting, retryAfter: 30 });
      expect(device.answer.headers.get('retry-after')).toBe('30');
      expect(device.answer.headers.get('cache-control')).toBe('no-store');
      expect((await ask(server, token, device)).body.id).toBe(waiting);
      expect((await owner.get(`/v1/things/${device.name}`)).status).toBe(404);
      const entry = (await owner.get(`/v1/waiting/${waiting}`)).body;
      expect(entry).toMatchObject({
        id: waiting,
        status: 'waiting',
        enrollment: id,
        name: device.name,
        attributes: { site: 'b' },
        keyFingerprint: fingerprintOf(device),
        sourceIp: '127.0.0.1',
        timesSeen: 2,
      });
      expect(await usesOf(id)).toBe(0);

      const approved = await approve(waiting);
      expect(approved.status, approved.text).toBe(200);
      expect(approved.body).toMatchObject({ status: 'approved', grantedName: device.name });
      expect(await usesOf(id)).toBe(1);
      const first = await ask(server, token, device);
      expect(first.status, first.text).toBe(201);
      expect(first.body.thing.attributes).toEqual({ site: 'b' });
      expect(first.body.certificate.serialNumber).toBe(approved.body.serialNumber);
      expect(first.body.token.accessToken).toEqual(expect.any(String));
      const again = await ask(server, token, device);
      expect(again.status).toBe(200);
      expect(again.body.certificate.pem).toBe(first.body.certificate.pem);
      expect(await usesOf(id)).toBe(1);
      expect((await useKey(server, { ...device, answer: first })).status).toBe(200);
      expect((await owner.get(`/v1/waiting/${waiting}`)).body.collectedAt).toEqual(expect.any(String));
      const actions = (await owner.get(`/v1/audit?target=thing:${device.name}`)).body.items;
      expect(actions.map(({ action }: { action: string }) => action)).toEqual(
        expect.arrayContaining(['waiting.open', 'waiting.approve', 'thing.provision']),
      );
    });

    it('is the same wait whatever name it gives later: what was approved is what was shown', async () => {
      const { token, device, waiting } = await wait();
      const other = await ask(server, token, { ...device, name: 'somebody-else' });
      expect(other.body.id).toBe(waiting);
      await approve(waiting);
      const answer = await ask(server, token, { ...device, name: 'somebody-else' });
      expect(answer.status).toBe(201);
      expect(answer.body.thing.name).toBe(device.name);
    });

    it('needs a key of its own', async () => {
      const { token } = await enroll(server, { approval: 'required' });
      const answer = await server.as(token).post('/v1/provision', { thingName: 'no-csr', keyType: 'ec-p256' });
      expect([answer.status, problemOf(answer)]).toEqual([422, 'bad-csr']);
    });

    it('asks less often after an hour, and is forgotten after 7 days', async () => {
      const { token, device, waiting } = await wait();
      server.advance(3601);
      expect((await ask(server, token, device)).body.retryAfter).toBe(300);
      server.advance(7 * day);
      expect((await owner.get(`/v1/waiting/${waiting}`)).status).toBe(404);
      expect((await approve(waiting)).status).toBe(404);
      expect((await deny(waiting)).status).toBe(404);
      const again = await ask(server, token, device);
      expect(again.status, again.text).toBe(202);
      expect(again.body.id).not.toBe(waiting);
      await server.services.chores.run('sweep-waiting');
      expect((await owner.get(`/v1/waiting/${again.body.id}`)).body.timesSeen).toBe(1);
      server.advance(-7 * day - 3601);
    });

    it('is told to go by a name or key that another thing has', async () => {
      const open = await enroll(server);
      const { name, csr } = await provision(server, open.token, nextName());
      const { token } = await enroll(server, { approval: 'required' });
      expect(problemOf(await ask(server, token, { name, csr: csrPem() }))).toBe('thing-exists');
      expect(problemOf(await ask(server, token, { name: 'another', csr }))).toBe('key-in-use');
    });
  });

  describe('a decision', () => {
    it('changes name, attributes and policies within the enrollment, and not beyond', async () => {
      const limits = {
        thingNamePattern: 'w*',
        policies: ['sensor', 'actuator'],
        attributes: { site: 'a' },
        deviceAttributes: ['rack'],
      };
      const { token, device, waiting } = await wait(limits, { attributes: { rack: '1' } });
      for (const body of [{ name: 'other' }, { attributes: { site: 'b' } }, { policies: ['sensor', 'root'] }])
        expect(problemOf(await approve(waiting, body))).toBe('outside-enrollment');
      const body = { name: `w-renamed-${kind}`, attributes: { rack: '2' }, policies: ['actuator'] };
      expect((await approve(waiting, body)).status).toBe(200);
      const answer = await ask(server, token, device);
      expect(answer.body.thing).toMatchObject({ name: body.name, attributes: { site: 'a', rack: '2' } });
      expect((await owner.get(`/v1/things/${body.name}`)).body.policies).toEqual(['actuator']);
    });

    it('is told to a denied device, whose key stays denied', async () => {
      const { id, token, device, waiting } = await wait();
      const answer = await deny(waiting, 'not ours');
      expect(answer.body).toMatchObject({ status: 'denied', reason: 'not ours' });
      const told = await ask(server, token, device);
      expect([told.status, problemOf(told), told.body.reason]).toEqual([403, 'approval-denied', 'not ours']);
      expect(told.body.detail).toContain('not ours');
      server.advance(20 * day);
      await server.services.chores.run('sweep-waiting');
      expect((await ask(server, token, { ...device, name: 'another-name' })).status).toBe(403);
      server.advance(-20 * day);
      expect(await usesOf(id)).toBe(0);
      expect((await approve(waiting)).status).toBe(409);
    });

    it('is made once: of approvals and denials at the same moment one wins', async () => {
      for (let round = 0; round < 5; round++) {
        const { id, token, device, waiting } = await wait();
        const answers = await Promise.all([approve(waiting), deny(waiting), approve(waiting), deny(waiting)]);
        const statuses = answers.map(({ status }) => status);
        expect(statuses.toSorted()).toEqual([200, 409, 409, 409]);
        const isApproved = statuses[0] === 200 || statuses[2] === 200;
        expect((await ask(server, token, device)).status).toBe(isApproved ? 201 : 403);
        expect(await usesOf(id)).toBe(isApproved ? 1 : 0);
      }
    });

    it('is refused for a name that was taken meanwhile, and can give another', async () => {
      const { id, token, device, waiting } = await wait();
      const { token: open } = await enroll(server);
      await provision(server, open, device.name);
      expect(problemOf(await approve(waiting))).toBe('thing-exists');
      expect(await usesOf(id)).toBe(0);
      expect((await ask(server, token, device)).status).toBe(202);
      expect((await approve(waiting, { name: `${device.name}-b` })).status).toBe(200);
      expect((await ask(server, token, device)).body.thing.name).toBe(`${device.name}-b`);
    });

    it('takes a place in the segment', async () => {
      const segment = `seg-${nextName()}`;
      await owner.post('/v1/segments', { name: segment, cidr: '10.0.0.0/8', deviceLimit: 1 });
      const { token, device, waiting } = await wait({ segment });
      const second = await provision(server, token, nextName());
      expect((await approve(waiting)).status).toBe(200);
      expect(problemOf(await approve(second.answer.body.id))).toBe('segment-full');
      expect((await ask(server, token, device)).status).toBe(201);
    });
  });

  describe('an enrollment that ends while devices wait', () => {
    it.each([
      ['is revoked', ({ id }: { id: string }) => owner.post(`/v1/enrollments/${id}/revoke`)],
      ['expires', () => Promise.resolve(server.advance(2 * day))],
    ])('%s: nobody is approved, and the device is told', async (_, end) => {
      const expiresAt = new Date(server.now().getTime() + day * 1000).toISOString();
      const before = server.now().getTime();
      const { id, token, device, waiting } = await wait({ expiresAt });
      await end({ id });
      expect([(await approve(waiting)).status, await usesOf(id)]).toEqual([409, 0]);
      const told = await ask(server, token, device);
      expect([told.status, problemOf(told)]).toEqual([401, 'invalid-credential']);
      server.advance(-Math.round((server.now().getTime() - before) / day / 1000) * day);
    });

    it('gives an approved device its certificate later, unless it was revoked', async () => {
      const expiresAt = new Date(server.now().getTime() + day * 1000).toISOString();
      const first = await wait({ expiresAt });
      const second = await wait({ expiresAt });
      await approve(first.waiting);
      await approve(second.waiting);
      await owner.post(`/v1/enrollments/${second.id}/revoke`);
      server.advance(5 * day);
      expect((await ask(server, first.token, first.device)).status).toBe(201);
      expect((await ask(server, first.token, first.device)).status).toBe(200);
      server.advance(2 * day);
      expect(problemOf(await ask(server, first.token, first.device))).toBe('thing-exists');
      expect((await ask(server, second.token, second.device)).status).toBe(401);
      server.advance(-7 * day);
    });

    it('is used up: the rest is refused', async () => {
      const { token, device, waiting } = await wait({ maxUses: 1 });
      const late = await provision(server, token, nextName());
      await approve(waiting);
      expect((await approve(late.answer.body.id)).status).toBe(409);
      expect((await ask(server, token, late)).status).toBe(401);
      expect((await ask(server, token, device)).status).toBe(201);
    });

    it('stands still with its account', async () => {
      const name = `acc-${kind}`;
      const { ownerKey } = (await owner.post('/v1/accounts', { name })).body;
      const tenant = server.as(ownerKey);
      const { token } = await enroll({ owner: tenant }, { approval: 'required' });
      const device = await provision(server, token, 'one');
      const approved = await provision(server, token, 'two');
      expect((await tenant.post(`/v1/waiting/${approved.answer.body.id}/approve`)).status).toBe(200);
      await owner.post(`/v1/accounts/${name}/suspend`);
      for (const each of [device, approved])
        expect(problemOf(await ask(server, token, each))).toBe('account-suspended');
      expect(problemOf(await tenant.post(`/v1/waiting/${device.answer.body.id}/approve`))).toBe('account-suspended');
      await owner.post(`/v1/accounts/${name}/resume`);
      expect((await ask(server, token, approved)).status).toBe(201);
      // Nobody else's entries are there.
      expect((await owner.get(`/v1/waiting/${device.answer.body.id}`)).status).toBe(404);
      expect((await approve(device.answer.body.id)).status).toBe(404);
    });
  });
});

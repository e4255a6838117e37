import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { problemOf } from '../../support/client.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { enroll, provision, renew, useKey } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';

describe.each(databaseKinds)('administration on %s', (kind) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer(kind);
  });
  afterAll(() => server.stop());

  it('lists page by page, each item once', async () => {
    const { token } = await enroll(server, { thingNamePattern: 'page-*' });
    const names = Array.from({ length: 23 }, (_, n) => `page-${String(n).padStart(2, '0')}`);
    await Promise.all(names.map((name) => provision(server, token, name)));
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const { body } = await server.owner.get(`/v1/things?limit=5${cursor ? `&cursor=${cursor}` : ''}`);
      seen.push(...body.items.map(({ name }: { name: string }) => name));
      cursor = body.nextCursor;
    } while (cursor);
    expect(seen).toEqual(names);
    await enroll(server);
    await server.owner.post('/v1/api-keys', { permissions: ['things:read'] });
    await server.owner.post('/v1/accounts', { name: 'page-2' });
    for (const [path, limit] of [
      ['/v1/certificates', 7],
      ['/v1/audit', 7],
      ['/v1/enrollments', 1],
      ['/v1/api-keys', 1],
      ['/v1/accounts', 1],
    ] as const) {
      const whole = (await server.owner.get(`${path}?limit=1000`)).body;
      expect(whole.nextCursor, path).toBeUndefined();
      expect(whole.items.length, path).toBeGreaterThan(limit);
      const pages: unknown[] = [];
      let next = `${path}?limit=${limit}`;
      for (;;) {
        const { body } = await server.owner.get(next);
        expect(body.items.length, path).toBeLessThanOrEqual(limit);
        pages.push(...body.items);
        if (!body.nextCursor) break;
        next = `${path}?limit=${limit}&cursor=${body.nextCursor}`;
      }
      expect(pages, path).toEqual(whole.items);
    }
  });

  it('PATCH merges attributes, raises the generation, and tells the log and the audit', async () => {
    const { token } = await enroll(server, { attributes: { site: 'berlin', line: '1' } });
    await provision(server, token, 'patched-1');
    const patch = { attributes: { site: 'munich', line: null, room: '7' } };
    const answer = await server.owner.send('PATCH', '/v1/things/patched-1', patch, {
      'content-type': 'application/merge-patch+json',
    });
    expect(answer.body.attributes).toEqual({ site: 'munich', room: '7' });
    const row = await server.database.client.thing.findFirstOrThrow({ where: { name: 'patched-1' } });
    expect(row.gen).toBe(2);
    const entry = await server.database.client.logEntry.findFirstOrThrow({
      where: { type: 'thing-changed' },
      orderBy: { position: 'desc' },
    });
    expect(entry.payload).toMatchObject({ thingName: 'patched-1', gen: 2, attributes: { site: 'munich', room: '7' } });
    await server.owner.send('PATCH', '/v1/things/patched-1', patch);
    expect((await server.database.client.thing.findFirstOrThrow({ where: { name: 'patched-1' } })).gen).toBe(2);
    const audit = (await server.owner.get('/v1/audit?target=thing:patched-1&action=thing.change-attributes')).body
      .items;
    expect(audit).toHaveLength(1);
    expect(audit[0].detail.before.attributes).toEqual({ site: 'berlin', line: '1' });
  });

  it('PUT policies replaces them; unknown ones are refused', async () => {
    const { token } = await enroll(server);
    await provision(server, token, 'policed-1');
    expect(
      (await server.owner.send('PUT', '/v1/things/policed-1/policies', { policies: ['camera', 'actuator'] })).body
        .policies,
    ).toEqual(['camera', 'actuator']);
    expect(problemOf(await server.owner.send('PUT', '/v1/things/policed-1/policies', { policies: ['nope'] }))).toBe(
      'unknown-policy',
    );
    expect(
      (await server.owner.get('/v1/things?policy=camera')).body.items.map(({ name }: { name: string }) => name),
    ).toEqual(['policed-1']);
  });

  it('filters certificates by thing, status and expiry', async () => {
    const { token } = await enroll(server);
    const { answer } = await provision(server, token, 'filtered-1');
    const of = async (query: string) =>
      (await server.owner.get(`/v1/certificates?thing=filtered-1&${query}`)).body.items.length as number;
    expect(await of('status=active')).toBe(1);
    expect(await of('status=revoked')).toBe(0);
    expect(await of(`expiringBefore=${answer.body.certificate.notAfter}`)).toBe(0);
    expect(await of('expiringBefore=2099-01-01T00:00:00Z')).toBe(1);
  });

  it('a suspended account stops its keys, enrollments and devices, and goes on when resumed', async () => {
    const { ownerKey } = (await server.owner.post('/v1/accounts', { name: 'paused', timeZone: 'Europe/Berlin' })).body;
    const owner = server.as(ownerKey);
    const { token } = await enroll({ owner }, { policy: 'actuator' });
    const device = await provision(server, token, 'd-1');
    expect(device.answer.body.policies[0].statements.at(-1).condition.timeWindows[0].timeZone).toBe('Europe/Berlin');
    await server.owner.post('/v1/accounts/paused/suspend');
    expect(problemOf(await owner.get('/v1/things'))).toBe('account-suspended');
    expect(problemOf((await provision(server, token, 'd-2')).answer)).toBe('account-suspended');
    expect((await server.as(device.answer.body.token.accessToken).get('/v1/self')).status).toBe(401);
    await server.owner.post('/v1/accounts/paused/resume');
    expect((await owner.get('/v1/things')).body.items).toHaveLength(1);
    expect(problemOf(await server.owner.post('/v1/accounts/default/suspend'))).toBe('conflict');
    expect(problemOf(await server.owner.post('/v1/accounts', { name: 'paused' }))).toBe('account-exists');
  });

  it('lists a superseded certificate in the CRL when the issuer says so, with a rising number', async () => {
    const { token } = await enroll(server);
    const device = await provision(server, token, 'listed-1');
    const { serialNumber } = device.answer.body.certificate;
    const before = await server.services.lists.publisher.bundle('default');
    for (const { id } of (await server.owner.get('/v1/issuers')).body.items)
      await server.owner.send('PATCH', `/v1/issuers/${id}`, { listSuperseded: true });
    await useKey(server, await renew(server, device));
    const after = await server.services.lists.publisher.bundle('default');
    expect(after[0]!.der.includes(Buffer.from(serialNumber, 'hex'))).toBe(true);
    expect(after.map(({ number }, n) => number > before[n]!.number)).toContain(true);
    server.advance(5 * 86_400);
    const later = await server.services.lists.publisher.bundle('default');
    expect(later[0]!.number).toBeGreaterThan(after[0]!.number);
    expect(later[0]!.nextUpdate.getTime()).toBeGreaterThan(server.now().getTime() + 6 * 86_400_000);
  });
});

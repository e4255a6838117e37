import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { databaseKinds } from '../../support/databases/databases.js';
import { enroll, holdSessions, provision, renew } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';
import { problemOf } from '../../support/client.js';

type Point = { at: string; value: number };

describe.each(databaseKinds)('figures of an account on %s', (kind) => {
  let server: TestServer;
  const figure = async (name: string, more = '') => (await server.owner.get(`/v1/metrics?name=${name}${more}`)).body;
  const latest = async (name: string): Promise<number> => (await figure(name)).points.at(-1)?.value;
  const settle = async (): Promise<void> => {
    await server.services.chores.run('write-figures');
    await server.services.chores.run('read-account-figures');
  };

  beforeAll(async () => {
    server = await startServer(kind);
    server.freeze();
  });
  afterAll(() => server.stop());

  it('has first boots, renewals and revocations from the audit, each in its minute', async () => {
    const { token } = await enroll(server, { maxUses: 10 });
    const device = await provision(server, token, 'pump-1');
    await provision(server, token, 'pump-2');
    expect((await renew(server, device)).answer.status).toBe(201);
    const { serialNumber } = device.answer.body.certificate;
    await server.owner.post(`/v1/certificates/${serialNumber}/revoke`, { reason: 'keyCompromise' });
    await settle();
    // Read again, it is not counted again.
    await settle();
    expect(await latest('things.provisioned')).toBe(2);
    expect(await latest('certificates.renewed')).toBe(1);
    const revoked = await figure('certificates.revoked');
    expect(revoked).toMatchObject({ kind: 'count', by: 'reason' });
    expect(revoked.points.at(-1).value).toBe(1);
    expect(revoked.series).toEqual([{ label: 'keyCompromise', points: [revoked.points.at(-1)] }]);
    server.advance(60);
    await settle();
    expect(await latest('things.provisioned')).toBe(0);
    expect((await figure('things.provisioned')).points.at(-2).value).toBe(2);
  });

  it('has decisions by result, and denials by edge and by reason', async () => {
    const ask = (thingName: string) =>
      server.owner.post('/v1/authorize', { principal: { thingName }, action: 'publish', resource: 'topic:a' });
    for (const name of ['nobody', 'nobody', 'pump-2']) await ask(name);
    await server.services.chores.run('write-figures');
    const edge = await holdSessions(server.owner, 'gate', ['pump-2']);
    server.advance(2);
    const denied = { 'no-matching-statement': 40, 'a reason of a later version': 2 };
    const report = { incarnation: 'i', denied };
    expect((await server.owner.post(`/v1/proxies/${edge}/sessions`, report)).status).toBe(204);
    await settle();
    const total = await figure('decisions.deny', '&step=600');
    const sum = (points: Point[]): number => points.reduce((all, { value }) => all + value, 0);
    const asked = sum(total.points) + sum((await figure('decisions.allow')).points);
    expect(asked).toBe(45);
    expect(total.series.map(({ label, points }: { label: string; points: Point[] }) => [label, sum(points)])).toEqual([
      ['gate', 42],
    ]);
    const reasons = await figure('decisions.denyReasons', '&step=3600');
    const byReason = Object.fromEntries(
      reasons.series.map(({ label, points }: { label: string; points: Point[] }) => [label, sum(points)]),
    );
    expect(byReason).toMatchObject({ other: 2, 'unknown-principal': expect.any(Number) });
    expect(sum(reasons.points)).toBe(sum(total.points));
  });

  it('has sessions and edges, enrollments, lists and waiting devices', async () => {
    await enroll(server, { maxUses: 2 }).then(async ({ token }) => {
      await provision(server, token, 'one');
      await provision(server, token, 'two');
    });
    await server.as(undefined).get('/crl/bundle.pem');
    await settle();
    const gauges = await Promise.all(
      ['sessions.open', 'edges.stale', 'enrollments.usedUp', 'devices.waiting'].map(latest),
    );
    expect(gauges).toEqual([1, 1, 1, 0]);
    expect((await figure('sessions.open')).series[0].label).toBe('gate');
    expect(await latest('lists.ends')).toBeGreaterThan(86_400);
    expect(await latest('lists.age')).toBeGreaterThanOrEqual(0);
  });

  it('counts what was refused without a name for the operator, and nobody sees another account', async () => {
    const { ownerKey } = (await server.owner.post('/v1/accounts', { name: 'acme' })).body;
    for (let n = 0; n < 3; n++) await server.as('twk_wrong-wrong-wrong-wrong').get('/v1/things');
    await settle();
    expect(await latest('credentials.failed')).toBe(3);
    const acme = server.as(ownerKey);
    for (const name of ['credentials.failed', 'things.provisioned', 'decisions.deny', 'sessions.open']) {
      const { points, series } = (await acme.get(`/v1/metrics?name=${name}`)).body;
      expect(points.filter(({ value }: Point) => value !== 0)).toEqual([]);
      expect(series ?? []).toEqual([]);
    }
  });

  it('refuses what is no figure, no span and too many steps, and whoever may not read', async () => {
    for (const query of [
      'name=nothing',
      'name=edges.stale&step=61',
      'name=edges.stale&step=0',
      'step=60',
      'name=edges.stale&more=1',
    ])
      expect(problemOf(await server.owner.get(`/v1/metrics?${query}`)), query).toBe('invalid-request');
    const far = 'from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z';
    expect(problemOf(await server.owner.get(`/v1/metrics?name=edges.stale&${far}`))).toBe('invalid-request');
    const back = 'from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z';
    expect(problemOf(await server.owner.get(`/v1/metrics?name=edges.stale&${back}`))).toBe('invalid-request');
    const { key } = (await server.owner.post('/v1/api-keys', { permissions: ['things:read'] })).body;
    expect(problemOf(await server.as(key).get('/v1/metrics?name=edges.stale'))).toBe('forbidden');
  });

  it('forgets after a day, and thins the parts of a whole before', async () => {
    const rows = (label: boolean) =>
      server.database.client.figure.count({ where: { name: 'decisions.deny', label: label ? { not: '' } : '' } });
    const before = [await rows(false), await rows(true)];
    expect(before.every((count) => count > 0)).toBe(true);
    server.advance(3 * 3600);
    await server.services.chores.run('prune-figures');
    expect(await rows(false)).toBe(before[0]);
    const parts = await server.database.client.figure.findMany({ where: { label: { not: '' } } });
    expect(parts.filter(({ minute }) => minute.getUTCMinutes() % 10 !== 0)).toEqual([]);
    const ofGate = parts.filter(({ name, label }) => name === 'decisions.deny' && label === 'gate');
    expect(ofGate.reduce((sum, { value }) => sum + value, 0)).toBe(42);
    server.advance(22 * 3600);
    await server.services.chores.run('prune-figures');
    expect(await server.database.client.figure.count()).toBe(0);
  });
});

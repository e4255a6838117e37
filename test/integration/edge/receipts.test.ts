import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { databaseKinds } from '../../support/databases/databases.js';
import { openEdgeStream } from '../../support/edge/follower.js';
import { enroll, provision } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';

type Receipt = {
  enforced: boolean;
  enforcedBy: { id: string; since: string }[];
  notEnforcedBy: { id: string; stale: boolean }[];
  items: { id: string; appliedAt: string; enforcedAt?: string; sessionsClosed?: number }[];
};

describe.each(databaseKinds)('who enforces a revocation, among edges with sessions, on %s', (kind) => {
  let server: TestServer;
  let edgeKey: string;
  let serials: string[];

  beforeAll(async () => {
    server = await startServer(kind);
    edgeKey = (await server.owner.post('/v1/api-keys', { role: 'edge' })).body.key as string;
    const { token } = await enroll(server);
    serials = [];
    for (const name of ['pump', 'valve', 'lamp', 'bell']) {
      const { answer } = await provision(server, token, name);
      serials.push(answer.body.certificate.serialNumber as string);
    }
  });
  afterAll(() => server.stop());

  const edge = () => server.as(edgeKey);
  const cursorNow = () => server.services.log.cursor();
  const register = async (name: string) =>
    (await edge().post('/v1/proxies', { name, sessions: true })).body.id as string;
  const confirm = (id: string, more: object = {}) =>
    edge().post(`/v1/proxies/${id}/applied`, { cursor: cursorNow(), incarnation: 'run-1', mode: 'stream', ...more });
  const revoke = async (serial: string) => {
    const { body } = await server.owner.post(`/v1/certificates/${serial}/revoke`, { reason: 'keyCompromise' });
    return body.position as number;
  };
  const holdBell = async () =>
    (await server.owner.post(`/v1/certificates/${serials[3]}/revoke`, { reason: 'certificateHold' })).body as {
      position: number;
    };
  const receipt = async (position: number) =>
    (await server.owner.get(`/v1/revocations/${position}`)).body as Receipt & object;
  const idsOf = (edges: { id: string }[]) => edges.map(({ id }) => id).sort();
  /** As if so many milliseconds had passed since an edge last spoke: the clock of the database measures its silence. */
  const wasSilentFor = (id: string, ms: number) =>
    server.database.client.$executeRaw`
      UPDATE proxies SET confirmed_at = clock_timestamp() - ${ms} * interval '1 millisecond' WHERE id = ${id}::uuid`;

  it('a stalled edge is not: at once for what it has not enforced, and 15 seconds later for anything', async () => {
    const [quick, stalled, deaf] = await Promise.all(['quick', 'stalled', 'deaf'].map(register));
    const before = await revoke(serials[0]!);
    for (const id of [quick!, stalled!, deaf!]) await confirm(id, { enforced: cursorNow(), sessionsClosed: 0 });
    expect(await receipt(before)).toMatchObject({ enforced: true, notEnforcedBy: [] });
    const known = cursorNow();
    const position = await revoke(serials[1]!);
    // One closes its sessions; one knows and does not come to it; one still speaks, but hears nothing.
    await confirm(quick!, { enforced: cursorNow(), sessionsClosed: 1 });
    await confirm(stalled!, { enforced: known });
    await confirm(deaf!, { cursor: known, enforced: known });
    const now = await receipt(position);
    expect([now.enforced, idsOf(now.enforcedBy)]).toEqual([false, [quick]]);
    expect(idsOf(now.notEnforcedBy)).toEqual([stalled!, deaf!].sort());
    expect(idsOf(now.items)).toEqual([quick!, stalled!].sort());
    expect(now.items.find(({ id }) => id === stalled)).not.toHaveProperty('enforcedAt');
    expect(now.items.find(({ id }) => id === quick)).toMatchObject({ sessionsClosed: 1 });
    expect((await receipt(before)).enforced).toBe(true);
    // A paused, killed or cut-off edge says nothing more, and its live sessions contradict who knows what.
    await wasSilentFor(stalled!, 13_000);
    expect(idsOf((await receipt(before)).enforcedBy)).toEqual([quick!, stalled!, deaf!].sort());
    await wasSilentFor(stalled!, 15_001);
    const later = await receipt(before);
    expect([later.enforced, idsOf(later.enforcedBy)]).toEqual([false, [quick!, deaf!].sort()]);
    expect(later.notEnforcedBy).toMatchObject([{ id: stalled, stale: true }]);
    // It comes back right: what it enforced, it enforces; the rest only when it says so.
    await confirm(stalled!, { enforced: known });
    expect((await receipt(before)).enforced).toBe(true);
    expect(idsOf((await receipt(position)).enforcedBy)).toEqual([quick]);
    await confirm(stalled!, { enforced: cursorNow(), sessionsClosed: 4 });
    await confirm(deaf!, { enforced: cursorNow(), sessionsClosed: 0 });
    expect(await receipt(position)).toMatchObject({ enforced: true });
    // A killed one begins again, and has enforced nothing.
    await confirm(deaf!, { incarnation: 'run-2' });
    expect(await receipt(before)).toMatchObject({ enforced: false, notEnforcedBy: [{ id: deaf }] });
    for (const id of [quick!, stalled!, deaf!]) await edge().send('DELETE', `/v1/proxies/${id}`);
  });

  it('a report of sessions is no word about enforcing', async () => {
    const id = await register('talker');
    await confirm(id, { enforced: cursorNow() });
    const position = server.services.log.position();
    expect(idsOf((await receipt(position)).enforcedBy)).toEqual([id]);
    await wasSilentFor(id, 16_000);
    expect((await edge().post(`/v1/proxies/${id}/sessions`, { incarnation: 'run-1' })).status).toBe(204);
    expect(idsOf((await receipt(position)).notEnforcedBy)).toEqual([id]);
    await edge().send('DELETE', `/v1/proxies/${id}`);
  });

  it('sessions closed before the report that enforces count for it, once', async () => {
    const id = await register('closer');
    await confirm(id, { enforced: cursorNow(), sessionsClosed: 0 });
    const { position } = await holdBell();
    await confirm(id, { sessionsClosed: 2 });
    await confirm(id, { enforced: cursorNow(), sessionsClosed: 5 });
    await server.owner.post(`/v1/certificates/${serials[3]}/release`);
    await confirm(id, { enforced: cursorNow(), sessionsClosed: 1 });
    const of = ({ items }: Receipt) => items.find((each) => each.id === id)!.sessionsClosed;
    expect(of(await receipt(position))).toBe(7);
    expect(of(await receipt(position + 1))).toBe(1);
    await edge().send('DELETE', `/v1/proxies/${id}`);
  });

  it('old receipts are thinned out, and say since when too late, never too early', async () => {
    const id = await register('veteran');
    const positions: number[] = [];
    for (let n = 0; n < 3; n++) {
      positions.push((await holdBell()).position);
      await server.owner.post(`/v1/certificates/${serials[3]}/release`);
      await confirm(id, { enforced: cursorNow(), sessionsClosed: 1 });
    }
    const at = async () =>
      Promise.all(positions.map(async (each) => Date.parse((await receipt(each)).enforcedBy[0]?.since ?? '')));
    const before = await at();
    // All of one hour, days ago.
    await server.database.client.$executeRaw`
      UPDATE enforcements SET at = date_trunc('hour', clock_timestamp()) - interval '2 days' + (at - date_trunc('hour', at)) / 2
      WHERE proxy_id = ${id}::uuid`;
    await server.services.chores.run('prune-receipts');
    const { client } = server.database;
    expect(await client.enforcement.count({ where: { proxyId: id } })).toBe(1);
    const after = await at();
    expect(new Set(after).size).toBe(1);
    expect(after.every((time) => time < before[0]!)).toBe(true);
    // What the log has no more is forgotten but for the last.
    await confirm(id, { incarnation: 'run-2', enforced: cursorNow() });
    await client.enforcement.create({
      data: { proxyId: id, incarnation: 'run-1', position: 1n, at: new Date(), sessionsClosed: 0 },
    });
    await server.services.chores.run('prune-receipts');
    expect(await client.enforcement.findMany({ where: { proxyId: id } })).toMatchObject([{ incarnation: 'run-2' }]);
    await edge().send('DELETE', `/v1/proxies/${id}`);
  });

  it('the same report many times at once is noted once', async () => {
    const id = await register('stutterer');
    const position = await revoke(serials[2]!);
    const answers = await Promise.all(
      Array.from({ length: 12 }, () => confirm(id, { enforced: cursorNow(), sessionsClosed: 1 })),
    );
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    const { items } = await receipt(position);
    // What is closed is counted by whoever came first; the others count for the next report.
    expect(items).toMatchObject([{ id, sessionsClosed: 1 }]);
    await confirm(id, { incarnation: 'run-2', enforced: cursorNow() });
    expect((await receipt(position)).items).toMatchObject([{ id, sessionsClosed: 0 }]);
    await edge().send('DELETE', `/v1/proxies/${id}`);
  });

  it('a deleted key is told why its stream ends, and is 401 from then on', async () => {
    const { id, key } = (await server.owner.post('/v1/api-keys', { role: 'edge' })).body as Record<string, string>;
    const stream = await openEdgeStream(server, key!, cursorNow());
    await stream.until(() => stream.heads.length > 0);
    await server.owner.send('DELETE', `/v1/api-keys/${id}`);
    await stream.ended;
    expect(stream.entries).toMatchObject([{ type: 'key', id, status: 'deleted' }]);
    const as = server.as(key);
    const answers = [
      await as.get(`/v1/edge/stream?after=${cursorNow()}`),
      await as.get('/v1/edge/snapshot'),
      await as.post('/v1/edge/principals', { fingerprints: ['0'.repeat(64)] }),
      await as.post('/v1/proxies', { name: 'gone', sessions: true }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([401, 401, 401, 401]);
  });
});

import { randomBytes, randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { createIdempotencyStore } from '../../../src/idempotency/store.js';
import { problemOf, type Client } from '../../support/client.js';
import { databaseKinds, freshDatabase, sealingKey } from '../../support/databases/databases.js';
import { enroll } from '../../support/fleet.js';
import { startProgram } from '../../support/program.js';
import { startServer, type TestServer } from '../../support/server.js';

const newKey = { name: 'dashboard', role: 'auditor' };
const send = (client: Client, path: string, body: unknown, key: string) =>
  client.send('POST', path, body, { 'idempotency-key': key });
const keysOf = async ({ owner }: Pick<TestServer, 'owner'>) => (await owner.get('/v1/api-keys?limit=1000')).body.items;

describe.each(databaseKinds)('Idempotency-Key on %s', (kind) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer(kind);
  });
  afterAll(() => server.stop());

  it('gives the first answer again, in every octet, and makes nothing twice', async () => {
    const key = randomUUID();
    const first = await send(server.owner, '/v1/api-keys', newKey, key);
    const again = await send(server.owner, '/v1/api-keys', newKey, key);
    expect([first.status, again.status, again.text]).toEqual([201, 201, first.text]);
    expect([first, again].map(({ headers }) => headers.get('idempotency-replayed'))).toEqual([null, 'true']);
    expect(again.headers.get('content-type')).toBe(first.headers.get('content-type'));
    expect((await keysOf(server)).filter(({ name }: { name?: string }) => name === 'dashboard')).toHaveLength(1);
    server.advance(24 * 3600 + 1);
    expect((await send(server.owner, '/v1/api-keys', newKey, key)).text).not.toBe(first.text);
  });

  it('belongs to one credential, method and path, and to one body', async () => {
    const key = randomUUID();
    const segment = { name: 'one', cidr: '10.0.0.0/8' };
    expect((await send(server.owner, '/v1/segments', segment, key)).status).toBe(201);
    const other = await send(server.owner, '/v1/segments', { ...segment, name: 'two' }, key);
    expect([other.status, problemOf(other)]).toEqual([422, 'idempotency-mismatch']);
    expect((await server.owner.get('/v1/segments/two')).status).toBe(404);
    expect((await send(server.owner, '/v1/api-keys', newKey, key)).status).toBe(201);
    const { key: admin } = (await server.owner.post('/v1/api-keys', { role: 'admin' })).body as { key: string };
    // It is another request, so the name is taken.
    const taken = await send(server.as(admin), '/v1/segments', segment, key);
    expect([taken.status, problemOf(taken)]).toEqual([409, 'segment-exists']);
  });

  it('keeps no refusal', async () => {
    const key = randomUUID();
    const segment = { name: 'late', cidr: '10.0.0.0/8', deviceLimit: 1 };
    await server.owner.post('/v1/segments', segment);
    expect((await send(server.owner, '/v1/segments', segment, key)).status).toBe(409);
    await server.owner.send('DELETE', '/v1/segments/late');
    expect((await send(server.owner, '/v1/segments', segment, key)).status).toBe(201);
    expect((await send(server.owner, '/v1/segments', segment, key)).headers.get('idempotency-replayed')).toBe('true');
  });

  it('has 22 to 200 visible characters', async () => {
    for (const key of ['k'.repeat(21), 'k'.repeat(201), `${'k'.repeat(21)} `]) {
      const { status, body } = await send(server.owner, '/v1/api-keys', newKey, key);
      expect([status, /22 to 200/.test(body.detail as string)]).toEqual([400, true]);
    }
    for (const key of ['k'.repeat(22), 'k'.repeat(200)])
      expect((await send(server.owner, '/v1/api-keys', newKey, key)).status).toBe(201);
  });

  it('is refused where the CSR is the safe repeat, and ignored where nothing is made', async () => {
    const { token } = await enroll(server);
    const refused = await send(server.as(token), '/v1/provision', { thingName: 'a', keyType: 'ec-p256' }, randomUUID());
    expect([refused.status, problemOf(refused)]).toEqual([400, 'invalid-request']);
    expect(refused.body.detail).toMatch(/csr/);
    const question = { principal: { thingName: 'a' }, action: 'publish', resource: 'topic:a' };
    const key = randomUUID();
    for (const action of ['publish', 'subscribe'])
      expect((await send(server.owner, '/v1/authorize', { ...question, action }, key)).status).toBe(200);
  });

  it('is never stored itself, nor is anything of the answer in the clear', async () => {
    const key = randomUUID();
    const { body } = await send(server.owner, '/v1/api-keys', newKey, key);
    const rows = await server.database.client.idempotencyKey.findMany();
    const text = JSON.stringify(
      rows.map((row) => [Buffer.from(row.id).toString('latin1'), Buffer.from(row.answer ?? []).toString('latin1')]),
    );
    expect(rows.length).toBeGreaterThan(0);
    for (const secret of [key, body.key as string, body.id as string]) expect(text).not.toContain(secret);
  });

  it('is bounded for each account, and forgotten after a day', async () => {
    const store = createIdempotencyStore(server.database.client, 3);
    await server.owner.post('/v1/accounts', { name: 'small' });
    const [at, soon, late] = [0, 1, 2].map((hour) => new Date(Date.UTC(2027, 0, 1, hour))) as [Date, Date, Date];
    const claim = (n: number, when = at) =>
      store.claim({
        id: Buffer.alloc(32, n),
        account: 'small',
        bodyMark: Buffer.alloc(32),
        claim: randomUUID(),
        at: when,
        claimedUntil: soon,
        expiresAt: new Date(when.getTime() + 3_600_000),
      });
    expect([await claim(1), await claim(2), await claim(3), await claim(4)]).toEqual([true, true, true, false]);
    expect(await claim(4, late)).toBe(true);
    await store.prune(late);
    expect(await store.find(Buffer.alloc(32, 1))).toBeUndefined();
    expect(await store.find(Buffer.alloc(32, 4))).toBeDefined();
  });
});

describe.runIf(inject('postgresUrl') !== '')('Idempotency-Key over two instances', () => {
  it('carries a request out once, whichever instance gets it, and again when its instance was killed in the middle', async () => {
    const database = await freshDatabase('postgresql');
    const ownerKey = `twk_${randomBytes(32).toString('base64url')}`;
    const settings: Record<string, string> = { ...database.settings, THINGWARD_OWNER_KEY: ownerKey };
    const server = await startServer('postgresql', settings);
    const other = await startProgram({
      ...settings,
      THINGWARD_KEY: sealingKey,
      THINGWARD_PKI_URL: 'http://127.0.0.1:1',
    });
    const blocker = new pg.Client({ connectionString: settings['DATABASE_URL'] });
    await blocker.connect();
    try {
      const there = server.as(ownerKey);
      const askOther = (key: string) =>
        fetch(`${other.url}/v1/api-keys`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', authorization: `Bearer ${ownerKey}`, 'idempotency-key': key },
          body: JSON.stringify(newKey),
        });
      const shared = randomUUID();
      const first = await (await askOther(shared)).text();
      expect((await send(there, '/v1/api-keys', newKey, shared)).text).toBe(first);

      // The other instance claims the request, and then waits for a lock.
      const key = randomUUID();
      await blocker.query('BEGIN');
      await blocker.query('LOCK TABLE api_keys IN SHARE MODE');
      const lost = askOther(key).then(
        () => 'answered',
        () => 'lost',
      );
      const client = server.database.client;
      const claimed = () => client.idempotencyKey.count({ where: { answer: null } });
      while ((await claimed()) === 0) await new Promise((resolve) => setTimeout(resolve, 20));
      await other.kill('SIGKILL');
      expect(await lost).toBe('lost');
      await blocker.query('ROLLBACK');

      const meanwhile = await send(there, '/v1/api-keys', newKey, key);
      expect([meanwhile.status, problemOf(meanwhile)]).toEqual([409, 'idempotency-in-progress']);
      expect(Number(meanwhile.headers.get('retry-after'))).toBeGreaterThan(0);
      server.advance(121);
      const after = await send(there, '/v1/api-keys', newKey, key);
      expect(after.status, after.text).toBe(201);
      expect((await send(there, '/v1/api-keys', newKey, key)).text).toBe(after.text);
      expect((await keysOf(server)).filter(({ name }: { name?: string }) => name === 'dashboard')).toHaveLength(2);
    } finally {
      await other.kill('SIGKILL');
      await blocker.end();
      await server.stop();
      database.remove();
    }
  });

  it('lets one of many at the same time through', async () => {
    const server = await startServer('postgresql');
    try {
      const key = randomUUID();
      const answers = await Promise.all(
        Array.from({ length: 12 }, () => send(server.as(server.ownerKey, 'impatient'), '/v1/api-keys', newKey, key)),
      );
      const made = answers.filter(({ status }) => status === 201);
      expect(new Set(made.map(({ text }) => text)).size).toBe(1);
      for (const { status, text } of answers) expect([201, 409], text).toContain(status);
      expect((await keysOf(server)).filter(({ name }: { name?: string }) => name === 'dashboard')).toHaveLength(1);
    } finally {
      await server.stop();
    }
  });
});

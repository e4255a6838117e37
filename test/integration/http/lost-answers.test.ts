import { randomBytes, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { problemOf, type Answer } from '../../support/client.js';
import { databaseKinds, freshDatabase } from '../../support/databases/databases.js';
import { enroll, provision } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';

type Operation = { responses: Record<string, unknown> };
type Paths = Record<string, { post?: Operation }>;

const statements = [{ id: 'all', effect: 'allow', actions: ['publish'], resources: ['topic:a'] }];
const pipeline = { name: 'lost', match: { topics: ['#'] }, values: { a: '$.a' }, steps: [] };
const policy = { name: 'lost', statements };

/** What makes another object each time, with the list that counts them. */
const makers: [path: string, body: object | undefined, list: string][] = [
  ['/v1/accounts', { name: 'second' }, '/v1/accounts'],
  ['/v1/api-keys', { role: 'auditor' }, '/v1/api-keys'],
  ['/v1/people', { name: 'Ada', role: 'auditor' }, '/v1/people'],
  ['/v1/enrollments', { thingNamePattern: '*', maxUses: 1, expiresAt: 'never' }, '/v1/enrollments'],
  ['/v1/things/{name}/reenroll', undefined, '/v1/enrollments'],
  ['/v1/policies', policy, '/v1/policies'],
  ['/v1/policies/{name}/versions', policy, '/v1/policies/lost/versions'],
  ['/v1/pipelines', pipeline, '/v1/pipelines'],
  ['/v1/pipelines/{name}/versions', pipeline, '/v1/pipelines/lost/versions'],
  [
    '/v1/sign-in/providers',
    { name: 'idp', issuer: 'https://idp.example', clientId: 'c', clientSecret: 's', defaultRole: 'auditor' },
    '/v1/sign-in/providers',
  ],
  ['/v1/segments', { name: 'lost', cidr: '10.0.0.0/8' }, '/v1/segments'],
  ['/v1/groups', { name: 'lost', query: 'type = pump' }, '/v1/groups'],
  ['/v1/campaigns', { query: 'type = pump', do: 'renew' }, '/v1/campaigns'],
  ['/v1/things/{name}/commands', { name: 'lost' }, '/v1/things/lost/commands'],
  ['/v1/command-schemas', { name: 'lost', schema: true }, '/v1/command-schemas'],
  ['/v1/issuers', { kind: 'issuing' }, '/v1/issuers'],
  ['/v1/webhooks', { url: 'https://hooks.example/', types: ['audit.*'] }, '/v1/webhooks'],
  ['/v1/alerts/channels', { name: 'lost', type: 'webhook', url: 'https://hooks.example/' }, '/v1/alerts/channels'],
  [
    '/v1/alerts/rules',
    { name: 'lost', metric: 'edges.stale', condition: 'greater_than', threshold: 0, severity: 'info', channels: [] },
    '/v1/alerts/rules',
  ],
];

/** Elsewhere a repeat is refused, finds what the first made, or brings about what the first did. */
const others = [
  '/v1/provision',
  '/v1/renew',
  '/v1/proxies',
  '/v1/revocations/bulk',
  '/v1/aws/retry',
  '/v1/things/{name}/aws/retry',
  '/v1/aws/import',
  '/v1/aws/reconcile',
];

describe('what an Idempotency-Key protects', () => {
  it('is every POST that answers 201 or 202', () => {
    const { paths } = parse(readFileSync('openapi.yaml', 'utf8')) as { paths: Paths };
    const making = Object.entries(paths).flatMap(([path, { post }]) =>
      post && ['201', '202'].some((status) => status in post.responses) ? [path] : [],
    );
    const hereOrNamed = [...makers.map(([path]) => path), ...others, '/v1/people/{id}/link'];
    expect(making.sort()).toEqual(hereOrNamed.sort());
  });
});

describe.each(databaseKinds)('an answer that was lost, on %s', (kind) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer(kind);
    const { token } = await enroll(server);
    await provision(server, token, 'lost');
  });
  afterAll(() => server.stop());

  const countOf = async (list: string): Promise<number> =>
    ((await server.owner.get(`${list}?limit=1000`)).body as { items: object[] }).items.length;

  it.each(makers)('of POST %s is not made up by doing it again', async (path, body, list) => {
    const key = randomUUID();
    const send = (): Promise<Answer> =>
      server.owner.send('POST', path.replace('{name}', 'lost'), body, { 'idempotency-key': key });
    const first = await send();
    expect([200, 201, 202], first.text).toContain(first.status);
    // What the kill of an instance leaves, when it comes after the change and before the answer is kept.
    await server.database.client.idempotencyKey.updateMany({ data: { answer: null } });
    const made = await countOf(list);
    expect(problemOf(await send())).toBe('idempotency-in-progress');
    server.advance(121);
    const again = await send();
    expect([again.status, problemOf(again)]).toEqual([409, 'idempotency-answer-lost']);
    expect(await countOf(list)).toBe(made);
  });

  it('is done again where that only brings about the same', async () => {
    const key = randomUUID();
    const suspend = () => server.owner.send('POST', '/v1/things/lost/suspend', undefined, { 'idempotency-key': key });
    expect((await suspend()).status).toBe(200);
    await server.database.client.idempotencyKey.updateMany({ data: { answer: null } });
    server.advance(121);
    expect((await suspend()).status).toBe(200);
  });
});

describe.runIf(inject('postgresUrl') !== '')('a request that another instance has taken over', () => {
  it('makes nothing when its own instance wakes up', async () => {
    const { settings, remove } = await freshDatabase('postgresql');
    const ownerKey = `twk_${randomBytes(32).toString('base64url')}`;
    const shared = { ...settings, THINGWARD_OWNER_KEY: ownerKey };
    const sleeper = await startServer('postgresql', shared);
    const waker = await startServer('postgresql', shared);
    const blocker = new pg.Client({ connectionString: settings['DATABASE_URL'] as string });
    await blocker.connect();
    try {
      const key = randomUUID();
      const ask = (server: TestServer) =>
        server.as(ownerKey).send('POST', '/v1/api-keys', { name: 'once', role: 'auditor' }, { 'idempotency-key': key });
      await blocker.query('BEGIN');
      await blocker.query('LOCK TABLE api_keys IN SHARE MODE');
      const late = ask(sleeper);
      const rows = () => sleeper.database.client.idempotencyKey.count({ where: { answer: null } });
      while ((await rows()) === 0) await new Promise((resolve) => setTimeout(resolve, 20));
      waker.advance(121);
      const other = ask(waker);
      const claims = () =>
        blocker.query('SELECT count(DISTINCT claim) FROM idempotency_keys WHERE claimed_until > $1', [
          new Date(waker.now().getTime()),
        ]);
      while ((await claims()).rows[0].count === '0') await new Promise((resolve) => setTimeout(resolve, 20));
      await blocker.query('ROLLBACK');
      const answers = await Promise.all([late, other]);
      expect(answers.map(({ status }) => status)).toEqual([409, 201]);
      const { body } = await waker.as(ownerKey).get('/v1/api-keys?limit=1000');
      expect((body as { items: { name?: string }[] }).items.filter(({ name }) => name === 'once')).toHaveLength(1);
    } finally {
      await blocker.end();
      await Promise.all([sleeper.stop(), waker.stop()]);
      remove();
    }
  });
});

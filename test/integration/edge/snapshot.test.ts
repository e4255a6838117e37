import { createHash, X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eachPromise, type Grantee } from '../../../src/access/grantee.js';
import type { Question } from '../../../src/authorize/question.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { followAsEdge, openEdgeStream, readPages } from '../../support/edge/follower.js';
import { enroll, pemOf, provision, type Device } from '../../support/fleet.js';
import { loadHere } from '../../support/judges-apart.js';
import { createRandom } from '../../support/policy-cases.js';
import { startServer, type TestServer } from '../../support/server.js';

const asker: Grantee = {
  kind: 'grantee',
  id: 'edge',
  account: 'default',
  actor: 'key:edge',
  role: 'edge',
  permissions: new Set(),
  expiresAt: null,
  promises: eachPromise(false),
};

const fingerprintOf = (device: Device): string =>
  createHash('sha256')
    .update(new X509Certificate(pemOf(device)).raw)
    .digest('hex');
const tokenOf = (device: Device): string => device.answer.body.token.accessToken as string;

/** Every form of a principal, three topics, from two addresses. */
function questionsOf(device: Device): Question[] {
  const [fingerprint, token] = [fingerprintOf(device), tokenOf(device)];
  const forms = [{ token, fingerprint }, { token }, { fingerprint }, { certificatePem: pemOf(device) }];
  const asks = ['alpha', 'beta', 'other'].flatMap((name) =>
    ['10.1.2.3', '192.168.1.1'].map((sourceIp) => ({ name, context: { sourceIp, protocol: 'mqtts' } })),
  );
  return forms.flatMap((principal) =>
    asks.map(({ name, context }) => ({
      principal,
      action: 'publish',
      resource: `topic:default/${name}/x`,
      context,
    })),
  );
}

describe.each(databaseKinds)('what an edge is told on %s', (kind) => {
  let server: TestServer;
  let edgeKey: string;
  let devices: Device[];

  const policy = (name: string, resource: string, version = 1) => ({
    name,
    statements: [{ id: `s${version}`, effect: 'allow', actions: ['publish'], resources: [resource] }],
  });

  beforeAll(async () => {
    server = await startServer(kind);
    server.freeze();
    edgeKey = (await server.owner.post('/v1/api-keys', { role: 'edge' })).body.key as string;
    for (const name of ['alpha', 'beta'])
      expect((await server.owner.post('/v1/policies', policy(name, `topic:default/${name}/#`))).status).toBe(201);
    const segment = { name: 'hall', cidr: '10.0.0.0/8', allowedProtocols: ['MQTT'] };
    expect((await server.owner.post('/v1/segments', segment)).status).toBe(201);
    const { token } = await enroll(server, { policies: ['alpha'], attributes: { v: 'a' } });
    devices = [];
    for (const name of ['pump', 'valve', 'lamp']) devices.push(await provision(server, token, name));
  });
  afterAll(() => server.stop());

  it('a snapshot has what the contract names', async () => {
    const { body, headers } = await server.as(edgeKey).get('/v1/edge/snapshot');
    expect(Object.keys(body as object).sort()).toEqual(
      [
        ...['account', 'certificates', 'cursor', 'epoch', 'issuers', 'jwks', 'policies', 'position'],
        ...['pipelines', 'promises', 'segments', 'serverTime', 'things', 'tokenIssuer'],
      ].sort(),
    );
    expect(headers.get('cache-control')).toBe('no-store');
    expect(body.account).toEqual({
      name: 'default',
      status: 'active',
      settings: { timeZone: 'UTC', clientIdForm: 'thing' },
    });
    expect(body.promises).toEqual({ bearer: false, enforcesCrl: false, followsFeed: false });
    expect(body.cursor).toBe(`${body.epoch}:${body.position}`);
    expect(body.jwks).toEqual((await server.as(undefined).get('/.well-known/jwks.json')).body);
    expect(body.issuers).toEqual([(await server.as(undefined).get('/ca/chain.pem')).text]);
    expect((body.policies as { name: string }[]).map(({ name }) => name)).toContain('alpha');
    expect(body.segments).toEqual([expect.objectContaining({ name: 'hall', cidr: '10.0.0.0/8' })]);
    expect(JSON.stringify(body)).not.toMatch(/sealed|"d":|egressRules|deviceLimit/);
  });

  it('a snapshot and the stream after it lead to the verdicts of a judge loaded from the database', async () => {
    const random = createRandom(20261128);
    const since = await followAsEdge(server, edgeKey);
    const owner = server.owner;
    const serials = devices.map((device) => device.answer.body.certificate.serialNumber as string);
    const changes: (() => Promise<{ status: number }>)[] = [
      () => owner.send('PATCH', '/v1/things/pump', { attributes: { v: 'b' } }),
      () => owner.send('PUT', '/v1/things/valve/policies', { policies: ['beta'] }),
      () => owner.send('PUT', '/v1/segments/hall/things/pump'),
      () => owner.post('/v1/policies/alpha/versions', policy('alpha', 'topic:default/other/#', 2)),
      () => owner.post('/v1/policies/alpha/activate', { version: 2 }),
      () => owner.post('/v1/things/lamp/suspend'),
      () => owner.send('PATCH', '/v1/segments/hall', { cidr: '192.168.0.0/16' }),
      () => owner.post(`/v1/certificates/${serials[1]}/revoke`, { reason: 'certificateHold' }),
      () => owner.post('/v1/policies/alpha/activate', { version: 1 }),
      () => owner.post(`/v1/certificates/${serials[1]}/release`),
      () => owner.post('/v1/things/lamp/resume'),
      () => owner.send('DELETE', '/v1/segments/hall/things/pump'),
      () => owner.post('/v1/things/pump/revoke', { reason: 'keyCompromise' }),
    ];
    let asked = 0;
    const kinds = new Set<string>();
    for (const change of changes) {
      expect((await change()).status).toBeLessThan(300);
      server.advance(random.below(30));
      await since.follow();
      const fresh = await followAsEdge(server, edgeKey);
      const here = await loadHere(server.database.client, server.now);
      for (const question of devices.flatMap(questionsOf)) {
        const verdict = await here.ask(asker, question);
        kinds.add(/"reasons":\["([^"]*)"/.exec(verdict)?.[1] ?? verdict);
        expect([await since.ask(asker, question), await fresh.ask(asker, question)]).toEqual([verdict, verdict]);
        asked++;
      }
      fresh.close();
    }
    expect(since.applied.length).toBeGreaterThan(changes.length);
    since.close();
    expect(asked).toBe(changes.length * 3 * 4 * 3 * 2);
    for (const kind of ['s1', 's2', 'outside-segment', 'certificate-revoked', 'token-revoked'])
      expect([...kinds], kind).toContain(kind);
  });

  it('comes in pages of one position where it is large, and all of them are the whole', async () => {
    const names = Array.from({ length: 6 }, (_, n) => `large${n}`);
    const long = `topic:default/${'x'.repeat(240)}`;
    for (const name of names) {
      const resources = Array.from({ length: 900 }, (_, n) => `${long}/${n}`);
      const document = { name, statements: [{ id: 'long', effect: 'allow', actions: ['publish'], resources }] };
      const { status, text } = await server.owner.post('/v1/policies', document);
      expect(status, text).toBe(201);
    }
    const pages = await readPages(server.as(edgeKey));
    expect(pages.length).toBeGreaterThan(1);
    expect(new Set(pages.map(({ cursor }) => cursor)).size).toBe(1);
    const seen = pages.flatMap(({ policies }) => policies.map(({ name }) => name));
    expect(seen).toEqual([...new Set(seen)]);
    expect(seen).toEqual(expect.arrayContaining([...names, 'alpha', 'beta']));
    expect(pages.flatMap(({ segments }) => segments)).toHaveLength(1);
    expect(pages.filter(({ account }) => account !== undefined)).toHaveLength(1);
    const at = pages.flatMap(({ things, certificates }) => [...things, ...certificates] as { position: number }[]);
    expect(new Set(at.map(({ position }) => position)).size).toBe(at.length);
    // A change between two pages is in the stream, and none of it is lost.
    const next = pages[0]!.next!;
    await server.owner.post('/v1/policies/alpha/activate', { version: 2 });
    const late = await server.as(edgeKey).get(next);
    expect([late.status, late.body.cursor]).toEqual([200, pages[0]!.cursor]);
  });

  it('says from when a key of tokens counts no longer', async () => {
    const before = (await server.as(edgeKey).get('/v1/edge/snapshot')).body.jwks.keys as { kid: string }[];
    const kid = await server.services.tokens.rotate();
    await server.services.log.catchUp();
    const { keys } = (await server.as(edgeKey).get('/v1/edge/snapshot')).body.jwks as {
      keys: { kid: string; retiresAt?: string }[];
    };
    expect(keys.map((key) => [key.kid, key.retiresAt !== undefined])).toEqual([
      [kid, false],
      ...before.map((key) => [key.kid, true]),
    ]);
    const page = (await server.as(edgeKey).get(`/v1/revocations?limit=1`)).body as { cursor: string };
    const stream = await openEdgeStream(server, edgeKey, page.cursor);
    await stream.until(() => stream.entries.some(({ type }) => type === 'token-keys'));
    const said = stream.entries.find(({ type }) => type === 'token-keys')!;
    expect(said['went']).toEqual(keys.slice(1).map((key) => ({ kid: key.kid, retiresAt: key.retiresAt })));
    stream.close();
  });

  it('refuses marks that it did not write, and cursors of another history', async () => {
    const as = server.as(edgeKey);
    for (const page of ['x', 'AAAA', 'a'.repeat(256)])
      expect((await as.get(`/v1/edge/snapshot?page=${page}`)).status).toBe(400);
    expect((await as.get(`/v1/edge/snapshot?page=${'a'.repeat(257)}`)).status).toBe(400);
    expect((await as.get('/v1/edge/snapshot?after=x')).status).toBe(400);
    const other = Buffer.from(`${'0'.repeat(8)}-0000-4000-8000-000000000000:1 policies a`).toString('base64url');
    const changed = await as.get(`/v1/edge/snapshot?page=${other}`);
    expect([changed.status, changed.body.links]).toEqual([409, { snapshot: '/v1/edge/snapshot' }]);
    const { epoch, position } = (await as.get('/v1/edge/snapshot')).body as { epoch: string; position: number };
    const ahead = Buffer.from(`${epoch}:${position + 1} policies a`).toString('base64url');
    expect((await as.get(`/v1/edge/snapshot?page=${ahead}`)).status).toBe(400);
  });

  it('has principals for up to 500 fingerprints, in their order, and none of another account', async () => {
    const as = server.as(edgeKey);
    const known = fingerprintOf(devices[1]!);
    const none = Array.from({ length: 498 }, (_, n) => createHash('sha256').update(String(n)).digest('hex'));
    const { status, body } = await as.post('/v1/edge/principals', { fingerprints: [known, ...none, known] });
    expect(status).toBe(200);
    expect(body.principals).toHaveLength(500);
    const [first, last] = [body.principals[0], body.principals[499]];
    expect(first).toEqual(last);
    expect(first).toMatchObject({
      fingerprint: known,
      thingName: 'valve',
      type: null,
      segment: null,
      status: 'active',
    });
    expect(Object.keys(first as object)).not.toContain('reason');
    expect(Object.keys(first as object)).not.toContain('otherLive');
    expect(new Set((body.principals as unknown[]).slice(1, 499))).toEqual(new Set([null]));
    for (const fingerprints of [[], [...none, ...none.slice(0, 3)], ['x'], [known.toUpperCase()], 'x', [null]])
      expect((await as.post('/v1/edge/principals', { fingerprints })).status).toBe(400);
    expect((await as.post('/v1/edge/principals', { fingerprints: [known], other: 1 })).status).toBe(400);
    const revoked = await as.post('/v1/edge/principals', { fingerprints: [fingerprintOf(devices[0]!)] });
    expect(revoked.body.principals[0]).toMatchObject({ reason: 'keyCompromise', status: 'revoked', otherLive: false });
  });

  it('has null for a holder that the database has in another form, and the others', async () => {
    const as = server.as(edgeKey);
    const [bad, good] = [devices[1]!, devices[2]!];
    const fingerprints = [bad, good].map(fingerprintOf);
    const ask = async () => {
      const { status, body } = await as.post('/v1/edge/principals', { fingerprints });
      return [status, (body.principals as ({ thingName: string } | null)[]).map((each) => each?.thingName ?? null)];
    };
    const names = (await ask())[1] as string[];
    const { client } = server.database;
    const { attributes } = await client.thing.findFirstOrThrow({ where: { name: names[0]! } });
    const change = (value: object) =>
      client.$executeRawUnsafe(
        `UPDATE things SET attributes = '${JSON.stringify(value)}'::jsonb WHERE name = '${names[0]}'`,
      );
    await change({ depth: 3 });
    expect(await ask()).toEqual([200, [null, names[1]]]);
    await change(attributes as object);
    const expiry = (value: string) =>
      client.$executeRawUnsafe(
        `UPDATE certificates SET not_after = '${value}' WHERE fingerprint = '${fingerprints[0]}'`,
      );
    const { notAfter } = await client.certificate.findUniqueOrThrow({ where: { fingerprint: fingerprints[0]! } });
    await expiry('infinity');
    expect(await ask()).toEqual([200, [null, names[1]]]);
    await expiry(notAfter.toISOString());
    expect(await ask()).toEqual([200, names]);
  });

  it('waits for atLeast, and refuses that of another history', async () => {
    const as = server.as(edgeKey);
    const ask = (atLeast: string) =>
      server
        .as(edgeKey, 'impatient')
        .post('/v1/edge/principals', { fingerprints: [fingerprintOf(devices[1]!)], atLeast });
    const { epoch, position, cursor } = (await as.get('/v1/edge/snapshot')).body as Record<string, string>;
    expect((await ask(cursor!)).status).toBe(200);
    expect((await ask(`${epoch}:${Number(position) + 1000}`)).status).toBe(503);
    expect((await ask('00000000-0000-4000-8000-000000000000:1')).status).toBe(409);
    expect((await ask('x')).status).toBe(400);
  });

  it('is for keys with edge:follow alone: not for role proxy', async () => {
    const asks = async (key: string) => {
      const as = server.as(key);
      const answers = [
        await as.get('/v1/edge/snapshot'),
        await as.get('/v1/edge/stream'),
        await as.post('/v1/edge/principals', { fingerprints: [fingerprintOf(devices[1]!)] }),
      ];
      return answers.map(({ status }) => status);
    };
    for (const role of ['proxy', 'auditor', 'operator']) {
      const { key } = (await server.owner.post('/v1/api-keys', { role })).body as { key: string };
      expect([role, ...(await asks(key))]).toEqual([role, 403, 403, 403]);
    }
    const listed = { permissions: ['authorize:query', 'revocations:read', 'proxies:write'] };
    const { key } = (await server.owner.post('/v1/api-keys', listed)).body as { key: string };
    expect(await asks(key)).toEqual([403, 403, 403]);
    expect((await server.as(undefined).get('/v1/edge/snapshot')).status).toBe(401);
  });

  it('is of one account: nothing of another is in its snapshot or among its principals', async () => {
    const { ownerKey } = (await server.owner.post('/v1/accounts', { name: 'acme' })).body as { ownerKey: string };
    const acme = server.as(ownerKey);
    const { key } = (await acme.post('/v1/api-keys', { role: 'edge' })).body as { key: string };
    const pages = await readPages(server.as(key));
    expect(pages[0]!.account!.name).toBe('acme');
    expect(JSON.stringify(pages)).not.toMatch(/alpha|hall|pump|valve/);
    const [chain] = pages[0]!.issuers!;
    expect(chain).toBe((await server.as(undefined).get('/ca/acme/chain.pem')).text);
    const fingerprints = devices.map(fingerprintOf);
    const { body } = await server.as(key).post('/v1/edge/principals', { fingerprints });
    expect(body.principals).toEqual([null, null, null]);
  });
});

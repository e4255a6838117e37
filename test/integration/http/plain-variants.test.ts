import { deflateSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { problemOf } from '../../support/client.js';
import { csrPem } from '../../support/pki/csr.js';
import { anyDatabase } from '../../support/databases/databases.js';
import { enroll } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';

const json = { 'content-type': 'application/json' };
const statement = { id: 'a', effect: 'allow', actions: ['publish'], resources: ['topic:x'] };

describe.each(anyDatabase)('plain variants on %s', (kind) => {
  let server: TestServer;
  let serialNumber: string;
  beforeAll(async () => {
    server = await startServer(kind, {
      THINGWARD_TRUSTED_PROXIES: '127.0.0.1',
      THINGWARD_METRICS_TOKEN: 'b8XtQm2LrW9sKzP4vNcY7dHj',
    });
    const { token } = await enroll(server);
    const made = await server.as(token).post('/v1/provision', { thingName: 'odd', csr: csrPem() });
    serialNumber = made.body.certificate.serialNumber;
  });
  afterAll(() => server.stop());

  const statusOf = async (method: string, path: string, body?: unknown) =>
    (await server.owner.send(method, path, body, body === undefined ? {} : json)).status;

  it('knows an address by its port as without it: ranges, audit, failures', async () => {
    const { token } = (
      await server.owner.post('/v1/enrollments', {
        thingNamePattern: '*',
        maxUses: 100,
        sourceCidrs: ['203.0.113.0/24', '2001:db8::/32'],
      })
    ).body;
    const from = (address: string, name: string) =>
      server
        .as(token)
        .send('POST', '/v1/provision', { thingName: name, csr: csrPem() }, { ...json, 'x-forwarded-for': address });
    for (const [index, [written, known]] of [
      ['203.0.113.9:51234', '203.0.113.9'],
      ['203.0.113.10', '203.0.113.10'],
      ['[2001:db8::1]:4711', '2001:db8::1'],
      ['[2001:db8::2]', '2001:db8::2'],
      ['::ffff:203.0.113.11', '203.0.113.11'],
      ['198.51.100.1, 203.0.113.12:1', '203.0.113.12'],
      ['203.0.113.13:80, 127.0.0.1:9', '203.0.113.13'],
      ['nonsense, 203.0.113.14:80', '203.0.113.14'],
    ].entries() as Iterable<[number, [string, string]]>) {
      expect((await from(written, `at-${index}`)).status, written).toBe(201);
      const { items } = (await server.owner.get(`/v1/audit?target=thing:at-${index}&limit=1`)).body;
      expect(items[0].sourceIp, written).toBe(known);
    }
    for (const written of [
      '198.51.100.1:51234',
      '[2001:db9::1]:1',
      '203.0.113.9:x',
      'unknown',
      '203.0.113.9, 198.51.100.1:5',
      '203.0.113.9, _hidden',
    ])
      expect((await from(written, 'outside')).status, written).toBe(403);
    const policy = {
      name: 'near',
      statements: [{ ...statement, condition: { sourceCidrs: ['203.0.113.0/24', '2001:db8::/32'] } }],
    };
    const decisions = await server.owner.post('/v1/policies/simulate', {
      policies: [policy],
      requests: ['203.0.113.9:51234', '[2001:db8::1]:4711', '203.0.113.9', '198.51.100.1:5', '203.0.113.9:x'].map(
        (sourceIp) => ({
          thing: { name: 'a' },
          action: 'publish',
          resource: 'topic:x',
          context: { sourceIp },
        }),
      ),
    });
    expect(decisions.body.decisions.map(({ decision }: { decision: string }) => decision)).toEqual([
      'allow',
      'allow',
      'allow',
      'deny',
      'deny',
    ]);
  });

  it('takes null for what may be left out, qos and retain as text, packed bodies, and serial numbers as OpenSSL prints them', async () => {
    const made = await server.owner.post('/v1/enrollments', {
      policy: null,
      policies: null,
      thingNamePattern: '*',
      thingType: null,
      maxUses: 5,
      expiresAt: null,
      sourceCidrs: null,
      attributes: null,
      deviceAttributes: null,
      segment: null,
    });
    expect(made.status).toBe(201);
    expect(await statusOf('POST', '/v1/enrollments', { thingNamePattern: null, maxUses: 1 })).toBe(400);
    expect(await statusOf('POST', '/v1/enrollments', { thingNamePattern: '*', maxUses: 1, more: null })).toBe(400);
    const asked = await server.owner.post('/v1/authorize', {
      principal: { thingName: 'odd', token: null, fingerprint: null, certificatePem: null },
      action: 'publish',
      resource: 'topic:default/odd/telemetry/a',
      context: { qos: '1', retain: 'false', sourceIp: null },
      atLeast: null,
    });
    expect(asked.body).toMatchObject({ decision: 'allow' });
    expect(await statusOf('PATCH', '/v1/things/odd', { attributes: { site: 'berlin' } })).toBe(200);
    expect(
      (await server.owner.send('PATCH', '/v1/things/odd', { attributes: { site: null } }, json)).body.attributes,
    ).toEqual({});
    const body = JSON.stringify({ thingNamePattern: '*', maxUses: 5 });
    const packed = (coding: string, octets: Buffer) =>
      server.owner.send('POST', '/v1/enrollments', octets, { ...json, 'content-encoding': coding });
    expect((await packed('gzip', gzipSync(body))).status).toBe(201);
    expect((await packed('GZIP', gzipSync(body))).status).toBe(201);
    expect((await packed('deflate', deflateSync(body))).status).toBe(201);
    expect((await packed('identity', Buffer.from(body))).status).toBe(201);
    expect(problemOf(await packed('br', Buffer.from(body)))).toBe('unsupported-media-type');
    expect(problemOf(await packed('gzip', Buffer.from(body)))).toBe('invalid-request');
    expect(problemOf(await packed('gzip', gzipSync(body).subarray(0, 20)))).toBe('invalid-request');
    const bomb = gzipSync(Buffer.alloc(8 * 1024 * 1024, ' '));
    expect(bomb.length).toBeLessThan(64 * 1024);
    expect(problemOf(await packed('gzip', bomb))).toBe('payload-too-large');
    // Nobody reads the body of what is refused before.
    for (const type of ['text/plain', 'application/json'])
      for (const octets of [Buffer.alloc(0), Buffer.from('x'), gzipSync(body).subarray(0, 20)]) {
        const headers = { 'content-type': type, 'content-encoding': 'gzip' };
        const answer = await server.as(undefined).send('POST', '/v1/enrollments', octets, headers);
        expect(answer.status).toBe(401);
        expect((await server.owner.send('POST', '/v1/enrollments', octets, headers)).status).toBeLessThan(500);
        expect((await server.as(undefined).send('POST', '/nothing', octets, headers)).status).toBeLessThan(500);
      }
    const colons = serialNumber.match(/../g)!.join(':');
    for (const written of [
      serialNumber,
      serialNumber.toUpperCase(),
      colons,
      colons.toUpperCase(),
      serialNumber.replace(/^0+/, ''),
    ]) {
      expect((await server.owner.get(`/v1/certificates/${written}`)).body.serialNumber, written).toBe(serialNumber);
      const bulk = await server.owner.post('/v1/revocations/bulk', {
        filter: { lineageOf: written },
        reason: 'superseded',
        dryRun: true,
      });
      expect(bulk.body.count, written).toBe(1);
    }
    for (const wrong of ['', 'x', `${serialNumber}0`, `:${colons}`, '0x12', `${colons.slice(0, 5)}::00`])
      expect([400, 404], wrong).toContain(await statusOf('GET', `/v1/certificates/${wrong}`));
  });

  it('lets caches keep nothing that its route does not offer them, and figures go to this machine or by token', async () => {
    for (const [method, path, body] of [
      ['POST', '/v1/api-keys', { role: 'auditor' }],
      ['POST', '/v1/accounts', { name: `odd-${kind}` }],
      ['POST', '/v1/enrollments', { thingNamePattern: '*', maxUses: 1 }],
      ['POST', '/v1/things/odd/reenroll', undefined],
      ['GET', '/v1/api-keys', undefined],
      ['GET', '/v1/things/none', undefined],
    ] as const) {
      const { headers } = await server.owner.send(method, path, body);
      expect(headers.get('cache-control'), path).toBe('no-store');
    }
    const read = (headers: Record<string, string>) => server.as(undefined).send('GET', '/metrics', undefined, headers);
    expect((await read({})).status).toBe(200);
    for (const forwarded of ['198.51.100.1', '198.51.100.1, 127.0.0.1', 'nonsense'])
      expect((await read({ 'x-forwarded-for': forwarded })).status, forwarded).toBe(401);
    const bearer = (token: string) => read({ 'x-forwarded-for': '198.51.100.1', authorization: `Bearer ${token}` });
    expect((await bearer('b8XtQm2LrW9sKzP4vNcY7dHj')).status).toBe(200);
    expect((await bearer('b8XtQm2LrW9sKzP4vNcY7dHJ')).status).toBe(401);
  });
});

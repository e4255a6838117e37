import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { badCsrs } from '../../support/pki/bad-csrs.js';
import { problemOf } from '../../support/client.js';
import { csrPem } from '../../support/pki/csr.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { enroll } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';

const csr = csrPem();
const json = { 'content-type': 'application/json' };

/** Bodies that are wrong whatever CSR is in them. */
const badBodies: Record<string, unknown> = {
  'an empty object': {},
  'a list': [],
  'a number': '7',
  null: 'null',
  'a string': '"x"',
  'broken JSON': '{"thingName":',
  'JSON with a tail': '{"thingName":"bad"} x',
  'a prototype': `{"thingName":"bad","csr":${JSON.stringify(csr)},"__proto__":{"admin":true}}`,
  'a constructor': `{"thingName":"bad","csr":${JSON.stringify(csr)},"constructor":{"prototype":{}}}`,
  'a hundred thousand brackets': '['.repeat(50_000),
  'an unknown member': { thingName: 'bad', csr, admin: true },
  'a policy of its own': { thingName: 'bad', csr, policy: 'actuator' },
  'no name': { csr },
  'neither csr nor keyType': { thingName: 'bad' },
  'both csr and keyType': { thingName: 'bad', csr, keyType: 'ec-p256' },
  'an unknown keyType': { thingName: 'bad', keyType: 'rsa-1024' },
  'pkcs12 without a password': { thingName: 'bad', keyType: 'ec-p256', format: 'pkcs12' },
  'a password without pkcs12': { thingName: 'bad', keyType: 'ec-p256', password: 'x' },
  'a format with a csr': { thingName: 'bad', csr, format: 'pkcs12', password: 'x' },
  'a csr as object': { thingName: 'bad', csr: { pem: csr } },
  'a csr as list': { thingName: 'bad', csr: [csr] },
  'a csr as number': { thingName: 'bad', csr: 1 },
  'an empty csr': { thingName: 'bad', csr: '' },
  'a huge csr': { thingName: 'bad', csr: 'A'.repeat(40_000) },
  'attributes as list': { thingName: 'bad', csr, attributes: ['a'] },
  'an attribute as number': { thingName: 'bad', csr, attributes: { a: 1 } },
  'an attribute with a line feed': { thingName: 'bad', csr, attributes: { a: 'x\ny' } },
  'an attribute with a lone surrogate': `{"thingName":"bad","csr":${JSON.stringify(csr)},"attributes":{"a":"\\ud800"}}`,
  'an attribute name with a dot': { thingName: 'bad', csr, attributes: { 'a.b': 'x' } },
  'an attribute that may not be set': { thingName: 'bad', csr, attributes: { site: 'x' } },
  'fifty-one attributes': {
    thingName: 'bad',
    csr,
    attributes: Object.fromEntries(Array.from({ length: 51 }, (_, n) => [`a${n}`, 'x'])),
  },
  "a type that is not the enrollment's": { thingName: 'bad', csr, thingType: 'camera' },
};

const badNames = [
  '',
  ' ',
  'a b',
  '../etc',
  'a/b',
  'a+b',
  'a#',
  '*',
  '?',
  '$aws',
  '${thing.name}',
  'é',
  'a\0',
  'a\n',
  'a'.repeat(129),
  '‮a',
  'a%2f',
  'a;b',
  '<b>',
  "a'--",
];

describe.each(databaseKinds)('bad input on %s', (kind) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer(kind);
  });
  afterAll(() => server.stop());

  const written = async () => ({
    things: await server.database.client.thing.count(),
    certificates: await server.database.client.certificate.count(),
    keys: await server.database.client.thingKey.count(),
    audit: await server.database.client.auditEntry.count(),
  });

  it('is refused as a 4xx problem and leaves nothing behind', async () => {
    const { id, token } = await enroll(server);
    const agent = server.as(token);
    const before = await written();
    const csrs = badCsrs();
    const statuses = new Map<number, number>();
    const tally = (what: string, status: number) => {
      expect(status, what).toBeGreaterThanOrEqual(400);
      expect(status, what).toBeLessThan(500);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    };
    for (const [what, bad] of csrs) {
      const answer = await agent.post('/v1/provision', { thingName: 'bad', csr: bad });
      tally(what, answer.status);
      if (answer.status === 422) expect(['bad-csr', 'bad-key'], what).toContain(problemOf(answer));
    }
    for (const [what, body] of Object.entries(badBodies))
      tally(what, (await agent.send('POST', '/v1/provision', body, json)).status);
    for (const thingName of badNames)
      tally(`name ${JSON.stringify(thingName)}`, (await agent.post('/v1/provision', { thingName, csr })).status);
    const large = await agent.send('POST', '/v1/provision', {
      thingName: 'bad',
      csr,
      attributes: { a: 'x'.repeat(70_000) },
    });
    expect([large.status, problemOf(large)]).toEqual([413, 'payload-too-large']);
    for (const type of [
      'text/plain',
      'application/xml',
      'application/octet-stream',
      'application/json\tx',
      'multipart/form-data; boundary=x',
    ]) {
      tally(
        `content type ${type}`,
        (await agent.send('POST', '/v1/provision', JSON.stringify({ thingName: 'bad', csr }), { 'content-type': type }))
          .status,
      );
    }
    tally(
      'invalid UTF-8',
      (await agent.send('POST', '/v1/provision', Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22]), json)).status,
    );
    expect(await written()).toEqual(before);
    expect((await server.owner.get(`/v1/enrollments/${id}`)).body.uses).toBe(0);
    const total = [...statuses.values()].reduce((a, b) => a + b, 1);
    expect(total).toBeGreaterThanOrEqual(200);
    console.log(
      `bad input on ${kind}: requests=${total} csrs=${csrs.size} by status=${JSON.stringify(Object.fromEntries(statuses))}`,
    );
  });

  it('is refused on every other route too', async () => {
    const wrong: [method: string, path: string, body?: unknown][] = [
      ['POST', '/v1/enrollments', { thingNamePattern: '[a-z]', maxUses: 1 }],
      ['POST', '/v1/enrollments', { thingNamePattern: '*', maxUses: 0 }],
      ['POST', '/v1/enrollments', { thingNamePattern: '*', maxUses: 1.5 }],
      ['POST', '/v1/enrollments', { thingNamePattern: '*' }],
      ['POST', '/v1/enrollments', { thingNamePattern: '*', maxUses: 1, policy: 'nope' }],
      ['POST', '/v1/enrollments', { thingNamePattern: '*', maxUses: 1, policy: 'sensor', policies: ['camera'] }],
      ['POST', '/v1/enrollments', { thingNamePattern: '*', maxUses: 1, sourceCidrs: ['10.0.0.0/33'] }],
      ['POST', '/v1/enrollments', { thingNamePattern: '*', maxUses: 1, sourceCidrs: ['banana'] }],
      ['POST', '/v1/enrollments', { thingNamePattern: '*', maxUses: 1, expiresAt: 'tomorrow' }],
      ['POST', '/v1/accounts', { name: 'Upper' }],
      ['POST', '/v1/accounts', { name: '-x' }],
      ['POST', '/v1/accounts', { name: 'a'.repeat(64) }],
      ['POST', '/v1/accounts', { name: 'zone', timeZone: 'Mars/Olympus' }],
      ['POST', '/v1/api-keys', {}],
      ['POST', '/v1/api-keys', { role: 'god' }],
      ['POST', '/v1/api-keys', { role: 'proxy', permissions: ['things:read'] }],
      ['POST', '/v1/api-keys', { permissions: ['things:read'], inUrl: true }],
      ['POST', '/v1/api-keys', { permissions: [] }],
      ['GET', '/v1/api-keys/not-a-uuid'],
      ['GET', '/v1/enrollments/1'],
      ['GET', '/v1/things?limit=0'],
      ['GET', '/v1/things?limit=1001'],
      ['GET', '/v1/things?cursor=!!!'],
      ['GET', '/v1/things?nope=1'],
      ['GET', '/v1/things?limit=1&limit=2'],
      ['GET', '/v1/audit?cursor=abc'],
      ['GET', '/v1/things/a%00b'],
      ['GET', '/v1/things/%zz'],
      ['GET', `/v1/things/${'a'.repeat(200)}`],
      ['PATCH', '/v1/things/x', { name: 'y' }],
      ['PATCH', '/v1/things/x', { attributes: { a: 1 } }],
      ['PATCH', '/v1/things/x', { attributes: null }],
      ['PUT', '/v1/things/x/policies', { policies: 'sensor' }],
      ['GET', '/v1/certificates/ABC'],
      ['GET', '/v1/certificates?status=fine'],
      ['POST', '/v1/renew', {}],
      ['POST', '/v1/renew', { csr, proof: 'x' }],
      ['POST', '/v1/token', {}],
      ['GET', '/crl/0000000000000000.crl'],
      ['GET', '/crl/../etc/passwd'],
      ['GET', '/ca/nobody/chain.pem'],
      ['GET', '/nowhere'],
    ];
    for (const [method, path, body] of wrong) {
      const { status } = await server.owner.send(method, path, body);
      expect(status, `${method} ${path} ${JSON.stringify(body)}`).toBeGreaterThanOrEqual(400);
      expect(status, `${method} ${path} ${JSON.stringify(body)}`).toBeLessThan(500);
    }
  });
});

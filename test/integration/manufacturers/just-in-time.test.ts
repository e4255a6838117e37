import { createPublicKey, hash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { problemOf } from '../../support/client.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { csrDer, newKey, pem } from '../../support/pki/csr.js';
import { runProgram } from '../../support/pki/openssl.js';
import { createManufacturer, bootBy, proofFor, type Manufacturer } from '../../support/provisioning/manufacturer.js';
import { startServer, type TestServer } from '../../support/server.js';

const rsa = ['rsa:2048'];

describe.each(databaseKinds)('devices of a manufacturer on %s', (kind) => {
  let server: TestServer;
  let works: Manufacturer;
  let id: string;
  beforeAll(async () => {
    server = await startServer(kind, { THINGWARD_FAILED_CREDENTIALS_PER_MINUTE: '1000000' });
    works = createManufacturer();
    id = await proved(works);
  });
  afterAll(async () => {
    await server.stop();
    works.remove();
  });

  const asking = (ca: object, more: object = {}) => ({
    kind: 'ca',
    ca: { thingName: 'meter-{serialNumber}', ...ca },
    thingNamePattern: 'meter-*',
    maxUses: 100,
    ...more,
  });
  const create = (ca: object, more: object = {}) => server.owner.post('/v1/enrollments', asking(ca, more));
  /** The id of an enrollment whose authority was proved by its key. */
  async function proved(by: Manufacturer, more: object = {}, ca: object = {}): Promise<string> {
    const { verificationCode } = (await create({ certificates: by.pem, ...ca }, more)).body;
    const verificationCertificate = by.verification(verificationCode);
    const made = await create({ certificates: by.pem, verificationCertificate, ...ca }, more);
    expect(made.status, made.text).toBe(201);
    return made.body.id;
  }
  const boot = (device: Parameters<typeof bootBy>[1], more: Parameters<typeof bootBy>[3] = {}, enrollment = id) =>
    bootBy(server, device, enrollment, more);

  it('get an identity by a proof, under the name of their certificate, and the same again to the same request', async () => {
    const device = works.device('1001');
    const csr = csrDer({ key: newKey() });
    const first = await boot(device, { csr });
    expect(first.status, first.text).toBe(201);
    expect(first.body).toMatchObject({ thing: { name: 'meter-1001' }, token: { tokenType: 'Bearer' } });
    const again = await boot(device, { csr, body: { thingName: 'meter-1001' } });
    expect([again.status, again.body.certificate]).toEqual([200, first.body.certificate]);
    const [entry] = (await server.owner.get('/v1/audit?action=thing.provision&limit=1')).body.items;
    const manufacturerCertificate = hash('sha256', device.chain[0]!.raw);
    expect(entry).toMatchObject({ actor: `enrollment:${id}`, detail: { manufacturerCertificate } });
    expect(problemOf(await boot(device))).toBe('thing-exists');
    const other = await boot(works.device('1002'), { body: { thingName: 'meter-1001' } });
    expect(problemOf(other)).toBe('outside-enrollment');
  });

  it('get one by RSA, by a CA between, and by a bearer', async () => {
    const old = createManufacturer({ newkey: rsa, subject: '/O=Old Works' });
    const enrollment = await proved(old);
    old.make('sub', { subject: '/O=Old Works/CN=Line 4', lines: old.caLines(',pathlen:0'), newkey: rsa });
    old.make('2001', { subject: '/serialNumber=2001', by: 'sub', newkey: rsa });
    const device = old.deviceOf('2001', 'sub', 'ca');
    const csr = csrDer({ key: newKey() });
    const proof = proofFor(server, device, enrollment, { csr });
    const answer = await server.as(proof).post('/v1/provision', { csr: pem(csr) });
    expect(answer.status, answer.text).toBe(201);
    expect(problemOf(await boot(old.deviceOf('2001'), {}, enrollment))).toBe('manufacturer-refused');
    old.make('deep', { subject: '/O=Old Works/CN=Too deep', by: 'sub', lines: old.caLines() });
    old.make('2002', { subject: '/serialNumber=2002', by: 'deep' });
    const deep = await boot(old.deviceOf('2002', 'deep', 'sub'), {}, enrollment);
    expect([problemOf(deep), deep.body.detail]).toEqual([
      'manufacturer-refused',
      expect.stringContaining('path length'),
    ]);
    old.remove();
  });

  it('need an authority whose key somebody proved, or a list of those that are expected', async () => {
    const refused = await create({ certificates: works.pem });
    expect([refused.status, problemOf(refused)]).toEqual([422, 'ca-unproved']);
    const { verificationCode } = refused.body;
    expect(verificationCode).toMatch(/^[0-9a-f]{64}$/);
    const lookalike = createManufacturer();
    for (const certificate of [
      works.verification('0'.repeat(64)),
      lookalike.verification(verificationCode),
      works.pem,
      'no certificate',
    ]) {
      const answer = await create({ certificates: works.pem, verificationCertificate: certificate });
      expect(problemOf(answer), answer.text).toBe('ca-unproved');
      expect(answer.body.verificationCode).toBe(verificationCode);
    }
    // The code is that of one account and one key.
    const { ownerKey } = (await server.owner.post('/v1/accounts', { name: `other-${kind}` })).body;
    const there = await server.as(ownerKey).post('/v1/enrollments', asking({ certificates: works.pem }));
    expect([problemOf(there), there.body.verificationCode === verificationCode]).toEqual(['ca-unproved', false]);
    const others = await create({ certificates: lookalike.pem });
    expect(others.body.verificationCode).not.toBe(verificationCode);
    expect(problemOf(await create({ certificates: works.pem + lookalike.pem }))).toBe('bad-chain');
    expect(problemOf(await server.owner.post('/v1/enrollments', asking({}, { ca: undefined })))).toBe(
      'invalid-request',
    );
    lookalike.remove();
  });

  it('are shown with their authority, and the token of their enrollment admits nobody', async () => {
    const { body } = await create({ certificates: works.pem }, { expectedOnly: true });
    const shown = (await server.owner.get(`/v1/enrollments/${body.id}`)).body;
    expect(shown).toMatchObject({ kind: 'ca', ca: { certificates: works.pem, isProved: false }, expectedOnly: true });
    expect((await server.owner.get(`/v1/enrollments/${id}`)).body.ca.isProved).toBe(true);
    const csr = pem(csrDer({ key: newKey() }));
    const byToken = await server.as(body.token).post('/v1/provision', { thingName: 'meter-1', csr });
    expect([byToken.status, problemOf(byToken)]).toEqual([401, 'missing-credential']);
  });

  it('get nothing of another customer of the same manufacturer', async () => {
    const expecting = async (name: string, more: object = {}) => {
      const { body } = await create({ certificates: works.pem }, { expectedOnly: true });
      const row = `${JSON.stringify({ name, ...more })}\n`;
      await server.owner.send('POST', '/v1/things/expected', row, { 'content-type': 'application/x-ndjson' });
      return body.id as string;
    };
    const enrollment = await expecting('meter-3001');
    const [ours, theirs] = [works.device('3001'), works.device('3002')];
    expect(problemOf(await boot(theirs, {}, enrollment))).toBe('outside-enrollment');
    expect((await boot(ours, {}, enrollment)).status).toBe(201);
    const spki = ours.chain[0]!.publicKey.export({ type: 'spki', format: 'der' });
    await expecting('meter-3003', { keySha256: hash('sha256', spki) });
    expect(problemOf(await boot(works.device('3003'), {}, enrollment))).toBe('outside-enrollment');
    const keyed = works.device('3004');
    const own = createPublicKey(keyed.key).export({ type: 'spki', format: 'der' });
    await expecting('meter-3004', { keySha256: hash('sha256', own) });
    expect((await boot(keyed, {}, enrollment)).status).toBe(201);
  });

  it('are refused with another proof than one for this request, now', async () => {
    const device = works.device('4001');
    const stranger = works.device('4002');
    const at = Math.floor(server.now().getTime() / 1000);
    const bents = {
      'another csr': { csr: csrDer({ key: newKey() }) },
      'another typ': { header: { typ: 'renew+jwt' } },
      'a key of its own choosing': { header: { jwk: {} } },
      'no certificate': { header: { x5c: [] } },
      base64url: { header: { x5c: device.chain.map(({ raw }) => raw.toString('base64url')) } },
      'the certificate of another': { header: { x5c: stranger.chain.map(({ raw }) => raw.toString('base64')) } },
      'another audience': { claims: { aud: 'https://elsewhere.example' } },
      'two audiences': { claims: { aud: [server.url, 'https://elsewhere.example'] } },
      'an end that was': { claims: { exp: at - 60 } },
      'an end far away': { claims: { exp: at + 3600 } },
      'no end': { claims: { exp: undefined } },
      'no jti': { claims: { jti: undefined } },
      'another enrollment': { claims: { enrollment: '00000000-0000-4000-8000-000000000000' } },
      'no enrollment': { claims: { enrollment: undefined } },
    };
    for (const [what, bent] of Object.entries(bents)) {
      const answer = await boot(device, { bent });
      expect([answer.status, problemOf(answer)], `${what}: ${answer.text}`).toEqual([401, 'invalid-client']);
    }
    const csr = csrDer({ key: newKey() });
    const proof = proofFor(server, device, id, { csr });
    const send = () => server.as(undefined).post('/v1/provision', { csr: pem(csr), proof });
    const both = await Promise.all([send(), send(), send()]);
    expect(both.filter(({ status }) => status < 300)).toHaveLength(1);
    expect(problemOf(await send())).toBe('invalid-client');
    const keyless = await server.as(undefined).post('/v1/provision', { keyType: 'ec-p256', proof });
    expect([keyless.status, problemOf(keyless)]).toEqual([400, 'invalid-request']);
  });

  it('are refused with a certificate that is not good for it', async () => {
    const lookalike = createManufacturer();
    const keyId = /Subject Key Identifier:\s+([0-9A-F:]+)/.exec(
      runProgram('openssl', ['x509', '-in', works.at('ca.pem'), '-noout', '-ext', 'subjectKeyIdentifier']),
    )![1]!;
    const [name, lines] = ['/O=Works/CN=Works Device CA', lookalike.caLines().replace('= hash', `= ${keyId}`)];
    lookalike.makeRoot('twin', name, undefined, lines);
    lookalike.make('5016', { subject: '/serialNumber=5016', by: 'twin' });
    const cut = (lines: string) => works.deviceLines + lines;
    const cases: [string, Parameters<typeof bootBy>[1]][] = [
      ['a lookalike of the authority, by name', lookalike.device('5001')],
      [
        'a lookalike and its certificate',
        { ...lookalike.device('5002'), chain: lookalike.deviceOf('5002', 'ca').chain },
      ],
      ['one of the same key id too', lookalike.deviceOf('5016', 'twin')],
      ['the authority itself', works.deviceOf('ca')],
      ['RSA of 1024 bits', works.device('5003', { newkey: ['rsa:1024'] })],
      ['SHA-1', works.device('5004', { md: 'sha1' })],
      ['a CA', works.device('5006', { lines: works.caLines() })],
      ['no signing', works.device('5007', { lines: 'keyUsage = critical,keyEncipherment\n' })],
      ['a server alone', works.device('5008', { lines: cut('extendedKeyUsage = serverAuth\n') })],
      ['what is critical and unknown', works.device('5009', { lines: cut('1.2.3.4 = critical,ASN1:NULL\n') })],
      ['no serialNumber', works.device('5010', { subject: '/CN=5010' })],
      ['two', works.device('5011', { subject: '/serialNumber=5011/serialNumber=5012' })],
      ['one that is no name', works.device('5013', { subject: '/serialNumber=50 13' })],
      ['a name that the enrollment does not cover', works.device('5014')],
    ];
    for (const [what, device] of cases.slice(0, -1)) {
      const answer = await boot(device);
      expect([answer.status, problemOf(answer)], `${what}: ${answer.text}`).toEqual([403, 'manufacturer-refused']);
    }
    const narrow = await proved(works, { thingNamePattern: 'meter-6*' });
    expect(problemOf(await boot(cases.at(-1)![1], {}, narrow))).toBe('outside-enrollment');
    const old = createManufacturer({ newkey: rsa });
    const weak = await proved(old);
    expect(problemOf(await boot(old.device('5015', { md: 'md5' }), {}, weak))).toBe('manufacturer-refused');
    for (const each of [lookalike, old]) each.remove();
  });

  it('honour constraints of names, and refuse what they cannot judge', async () => {
    const line = createManufacturer();
    const enrollment = await proved(line);
    const sub = (name: string, constraint: string) =>
      line.make(name, {
        subject: `/O=Works/CN=${name}`,
        lines: `${line.caLines()}nameConstraints = critical,${constraint}\n`,
      });
    line.file('dir.cnf', '');
    sub('dns', 'permitted;DNS:works.example');
    const dir = `${line.caLines()}nameConstraints = critical,permitted;dirName:dir\n[dir]\nO = Works\n`;
    line.make('dir', { subject: '/O=Works/CN=dir', lines: dir });
    const by = (serial: string, sub: string, subject: string) => {
      line.make(serial, { subject, by: sub });
      return boot(line.deviceOf(serial, sub), {}, enrollment);
    };
    const within = await by('7001', 'dir', '/O=Works/serialNumber=7001');
    expect(within.status, within.text).toBe(201);
    expect(problemOf(await by('7002', 'dir', '/O=Other/serialNumber=7002'))).toBe('manufacturer-refused');
    expect(problemOf(await by('7003', 'dns', '/O=Works/serialNumber=7003'))).toBe('manufacturer-refused');
    line.remove();
  });

  it('take their name from an IDevID too', async () => {
    const chips = createManufacturer({ subject: '/O=Chips' });
    const enrollment = await proved(chips, { thingNamePattern: '*' }, { thingName: 'chip-{hwType}-{hwSerialNum}' });
    const hardware = (serial: string) =>
      `${chips.deviceLines}subjectAltName = otherName:1.3.6.1.5.5.7.8.4;SEQUENCE:hw\n[hw]\ntype = OID:1.3.6.1.4.1.99.7\nserial = FORMAT:ASCII,OCTETSTRING:${serial}\n`;
    const good = chips.device('8001', { subject: '/O=Chips', lines: hardware('SN8001') });
    const answer = await boot(good, {}, enrollment);
    expect(answer.status, answer.text).toBe(201);
    expect(answer.body.thing.name).toBe('chip-1-3-6-1-4-1-99-7-SN8001');
    const odd = chips.device('8002', { subject: '/O=Chips', lines: hardware('SN 8002') });
    expect(problemOf(await boot(odd, {}, enrollment))).toBe('manufacturer-refused');
    chips.remove();
  });

  it('wait for approval where their enrollment wants it, and are counted as proved', async () => {
    const enrollment = await proved(works, { approval: 'required', maxUses: 1 });
    const device = works.device('9001');
    const csr = csrDer({ key: newKey() });
    const waiting = await boot(device, { csr }, enrollment);
    expect([waiting.status, waiting.body.status]).toEqual([202, 'waiting']);
    const approved = await server.owner.post(`/v1/waiting/${waiting.body.id}/approve`, {});
    expect(approved.status, approved.text).toBe(200);
    expect((await boot(device, { csr }, enrollment)).status).toBe(201);
  });

  it('are not admitted by a version that knows nothing of this', async () => {
    const { client } = server.database;
    await expect(
      client.$executeRawUnsafe(`UPDATE enrollments SET uses = uses + 1, vouched = vouched + 1 WHERE id = '${id}'`),
    ).rejects.toThrow('enrollments_proven');
    await expect(
      client.$executeRawUnsafe(`UPDATE enrollments SET ca_proved = false, expected_only = false WHERE id = '${id}'`),
    ).rejects.toThrow('enrollments_kind');
  });
});

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { problemOf } from '../../support/client.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { bootBy, createManufacturer, type Manufacturer } from '../../support/provisioning/manufacturer.js';
import { startServer, type TestServer } from '../../support/server.js';

describe.each(databaseKinds)('what a manufacturer revoked, on %s', (kind) => {
  let server: TestServer;
  let works: Manufacturer;
  let id: string;
  beforeAll(async () => {
    server = await startServer(kind, { THINGWARD_FAILED_CREDENTIALS_PER_MINUTE: '1000000' });
    works = createManufacturer({ newkey: ['rsa:2048'] });
    id = await enrollment();
  });
  afterAll(async () => {
    await server.stop();
    works.remove();
  });

  async function enrollment(of = works): Promise<string> {
    const ca = { certificates: of.pem, thingName: 'd-{serialNumber}' };
    const body = { kind: 'ca', thingNamePattern: 'd-*', maxUses: 100, expiresAt: 'never' };
    const { verificationCode } = (await server.owner.post('/v1/enrollments', { ...body, ca })).body;
    const verificationCertificate = of.verification(verificationCode);
    return (await server.owner.post('/v1/enrollments', { ...body, ca: { ...ca, verificationCertificate } })).body.id;
  }
  const upload = (crl: string, to = id) => server.owner.send('PUT', `/v1/enrollments/${to}/crl`, { crl });
  const boot = (serial: string, to = id) => bootBy(server, works.deviceOf(serial), to);

  it('admits nobody whose certificate, or that of the CA above it, is on the list', async () => {
    for (const serial of ['1', '2']) works.device(serial);
    works.make('sub', { subject: '/CN=Line 1', lines: works.caLines() });
    works.make('3', { subject: '/serialNumber=3', by: 'sub' });
    const taken = await upload(works.list(5, ['1', 'sub']));
    expect(taken.status, taken.text).toBe(200);
    expect(taken.body).toMatchObject({ number: '05', revoked: 2 });
    expect((await server.owner.get(`/v1/enrollments/${id}`)).body.ca.crl).toEqual(taken.body);
    for (const device of [works.deviceOf('1'), works.deviceOf('3', 'sub')]) {
      const answer = await bootBy(server, device, id);
      expect([answer.status, problemOf(answer)], answer.text).toEqual([403, 'certificate-revoked']);
    }
    expect((await boot('2')).status).toBe(201);
    // Another enrollment of the same authority has a list of its own.
    expect((await boot('1', await enrollment())).status).toBe(201);
  });

  it('takes the same list again, a newer one, and none that is older', async () => {
    works.device('11');
    const fresh = await enrollment();
    const first = works.list(9, ['11']);
    expect((await upload(first, fresh)).body.revoked).toBe(1);
    expect((await upload(first, fresh)).status).toBe(200);
    for (const older of [works.list(8), works.list(9)]) expect(problemOf(await upload(older, fresh))).toBe('conflict');
    const der = Buffer.from(works.list(10).replace(/-----[^-]+-----|\s/g, ''), 'base64').toString('base64');
    const next = await upload(der, fresh);
    expect([next.status, next.body.revoked], next.text).toEqual([200, 0]);
    expect((await boot('11', fresh)).status).toBe(201);
    const { items } = (await server.owner.get('/v1/audit?action=enrollment.upload-crl')).body;
    expect(items.filter(({ target }: { target: string }) => target === `enrollment:${fresh}`)).toHaveLength(2);
  });

  it('takes one of two at once, and keeps the newer', async () => {
    const fresh = await enrollment();
    const lists = [1, 2, 3, 4, 5, 6].map((number) => works.list(number));
    await Promise.all(lists.map((list) => upload(list, fresh)));
    expect((await server.owner.get(`/v1/enrollments/${fresh}`)).body.ca.crl.number).toBe('06');
  });

  it('takes no list of another, none that is a part, and none that is nothing', async () => {
    const lookalike = createManufacturer({ newkey: ['rsa:2048'] });
    const point = '[part]\nissuingDistributionPoint = critical,@point\n[point]\nonlyuser = TRUE\n';
    const lists = {
      'a lookalike': lookalike.list(100),
      'another name': createAndList(),
      'a part of a list': works.list(100, [], { lines: `crl_extensions = part\n${point}` }),
      'a certificate': works.pem,
      text: 'no list at all',
      'two lists': works.list(100) + works.list(101),
      'damaged octets': damaged(works.list(100)),
    };
    for (const [what, list] of Object.entries(lists)) {
      const answer = await upload(list);
      expect([answer.status, problemOf(answer)], `${what}: ${answer.text}`).toEqual([422, 'bad-crl']);
    }
    const plain = (await server.owner.post('/v1/enrollments', { thingNamePattern: '*', maxUses: 1 })).body.id;
    expect(problemOf(await upload(works.list(100), plain))).toBe('not-found');
    const huge = await upload('x'.repeat(5_000_000));
    expect([400, 413]).toContain(huge.status);
    lookalike.remove();
  });

  /** The last octet of a signature, changed. */
  function damaged(pem: string): string {
    const bytes = Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64');
    bytes[bytes.length - 1]! ^= 1;
    return bytes.toString('base64');
  }

  function createAndList(): string {
    const other = createManufacturer({ subject: '/O=Other', newkey: ['rsa:2048'] });
    const list = other.list(100);
    other.remove();
    return list;
  }

  it('admits nobody once the list has expired, until the next one comes; nor with a certificate that has', async () => {
    const fresh = await enrollment();
    works.device('21', { days: 10 });
    works.device('22', { days: 100 });
    await upload(works.list(50, [], { days: 2 }), fresh);
    server.advance(3 * 86_400);
    const late = server.as(undefined, 'impatient');
    const answer = await bootBy({ ...server, as: () => late }, works.deviceOf('22'), fresh);
    expect([answer.status, problemOf(answer)], answer.text).toEqual([503, 'manufacturer-list-stale']);
    expect(answer.headers.get('retry-after')).toBe('300');
    expect(problemOf(await upload(works.list(51, [], { days: 2 }), fresh))).toBe('bad-crl');
    await upload(works.list(52, [], { days: 60 }), fresh);
    expect((await boot('22', fresh)).status).toBe(201);
    server.advance(8 * 86_400);
    const expired = await boot('21', fresh);
    expect([problemOf(expired), expired.body.detail]).toEqual([
      'manufacturer-refused',
      expect.stringContaining('expired'),
    ]);
  });
});

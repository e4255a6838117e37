import { hash, X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { databaseKinds } from '../../support/databases/databases.js';
import { openEdgeStream } from '../../support/edge/follower.js';
import { enroll, pemOf, provision, signedBy, type Device } from '../../support/fleet.js';
import { fetchCrl, issuerOf, serialOf } from '../../support/pki/crl.js';
import { csrPem } from '../../support/pki/csr.js';
import { ocspRequest, ocspStatus } from '../../support/pki/ocsp.js';
import { startServer, type TestServer } from '../../support/server.js';

const certificatesIn = (pem: string): string[] => pem.split(/(?<=-----END CERTIFICATE-----\n)/).filter(Boolean);

describe.each(databaseKinds)('authorities that take over from each other, on %s', (kind) => {
  let server: TestServer;
  let token: string;
  let old: Device;
  beforeAll(async () => {
    server = await startServer(kind);
    ({ token } = await enroll(server));
    old = await provision(server, token, 'old');
  });
  afterAll(() => server.stop());

  const prepare = async (): Promise<string> => {
    const made = await server.owner.post('/v1/issuers', { kind: 'issuing' });
    expect([made.status, made.body]).toEqual([201, expect.objectContaining({ kind: 'issuing', status: 'prepared' })]);
    expect(made.headers.get('location')).toBe(`/v1/issuers/${made.body.id}`);
    return made.body.id as string;
  };
  const statuses = async (): Promise<Record<string, string>> => {
    const { items } = (await server.owner.get('/v1/issuers')).body as { items: Record<string, string>[] };
    return Object.fromEntries(items.filter((each) => each['kind'] !== 'root').map(({ id, status }) => [id, status]));
  };
  const bundle = async () => certificatesIn((await server.as(undefined).get('/ca/chain.pem')).text);
  const lists = async () => (await (await fetch(`${server.url}/crl/bundle.pem`)).text()).split('END X509').length - 1;
  const ocsp = async ({ answer }: Device): Promise<string> => {
    const { serialNumber, chainPem } = answer.body.certificate;
    const body = new Uint8Array(ocspRequest(chainPem, serialNumber));
    const headers = { 'content-type': 'application/ocsp-request' };
    const response = await fetch(`${server.url}/ocsp`, { method: 'POST', headers, body });
    return ocspStatus(Buffer.from(await response.arrayBuffer()));
  };

  it('a prepared one is in every bundle before it issues; the one before stays until it ends', async () => {
    const { id: edge, key } = (await server.owner.post('/v1/api-keys', { role: 'edge' })).body;
    expect(edge).toBeDefined();
    const before = (await server.as(key).get('/v1/edge/snapshot')).body;
    const stream = await openEdgeStream(server, key, before.cursor);
    const next = await prepare();
    expect(await bundle()).toHaveLength(3);
    expect(await lists()).toBe(3);
    expect(new X509Certificate((await bundle())[0]!).subject).toContain(issuerOf(old));
    const { issuers } = (await server.as(key).get('/v1/edge/snapshot')).body as { issuers: string[] };
    expect(issuers).toHaveLength(2);
    await expect.poll(() => stream.entries.map(({ type }) => type)).toEqual(['issuer', 'authority']);
    expect(issuers).toContain(stream.entries[1]!['chain']);
    stream.close();
    const still = await provision(server, token, 'still');
    expect(issuerOf(still)).toBe(issuerOf(old));

    const activated = await server.owner.post(`/v1/issuers/${next}/activate`);
    expect([activated.status, activated.body.status]).toEqual([200, 'active']);
    expect(await statuses()).toMatchObject({ [next]: 'active', [issuerOf(old)]: 'retired' });
    const fresh = await provision(server, token, 'fresh');
    expect(issuerOf(fresh)).toBe(next);
    expect(new X509Certificate((await bundle())[0]!).subject).toContain(next);
    expect(await bundle()).toHaveLength(3);
    for (const device of [old, fresh]) {
      const [issuing, root] = certificatesIn(device.answer.body.certificate.chainPem);
      expect(new X509Certificate(pemOf(device)).verify(new X509Certificate(issuing!).publicKey)).toBe(true);
      expect(new X509Certificate(issuing!).verify(new X509Certificate(root!).publicKey)).toBe(true);
      expect(await ocsp(device)).toBe('good');
    }
  });

  it('a device of the one before asks about itself, renews under the new one, and is revoked in the old list', async () => {
    const active = Object.entries(await statuses()).find(([, status]) => status === 'active')![0];
    const self = await server.as(old.answer.body.token.accessToken).get('/v1/self');
    expect(self.body.certificate.chainPem).toBe(old.answer.body.certificate.chainPem);
    const csr = csrPem();
    const csrDer = Buffer.from(csr.replace(/-----[^-]+-----|\s/g, ''), 'base64');
    const claims = { csr_sha256: hash('sha256', csrDer, 'base64url') };
    const proof = await signedBy(server, old, { typ: 'renew+jwt', claims });
    const renewed = await server.as(undefined).post('/v1/renew', { csr, proof });
    expect([renewed.status, issuerOf({ ...old, answer: renewed })]).toEqual([201, active]);
    const revoked = await server.owner.post(`/v1/certificates/${serialOf(old)}/revoke`, { reason: 'keyCompromise' });
    expect(revoked.status).toBe(200);
    expect((await fetchCrl(server, `/crl/${issuerOf(old)}.crl`)).serials).toContain(serialOf(old));
    expect((await fetchCrl(server, `/crl/${active}.crl`)).serials).not.toContain(serialOf(old));
    expect(await ocsp(old)).toBe('revoked');
  });

  it('one act is done once, by whoever knows the object, and leaves a line in the audit', async () => {
    const key = { 'idempotency-key': 'one-and-the-same-rotation' };
    const [first, again] = [
      await server.owner.send('POST', '/v1/issuers', { kind: 'issuing' }, key),
      await server.owner.send('POST', '/v1/issuers', { kind: 'issuing' }, key),
    ];
    expect(again.body.id).toBe(first.body.id);
    const path = `/v1/issuers/${first.body.id}`;
    const etag = first.headers.get('etag')!;
    expect((await server.owner.get(path)).headers.get('etag')).toBe(etag);
    const stale = await server.owner.send('POST', `${path}/activate`, undefined, { 'if-match': '"another"' });
    expect(stale.status).toBe(412);
    const given = await server.owner.send('POST', `${path}/retire`, undefined, { 'if-match': etag });
    expect([given.status, given.body.status]).toEqual([200, 'retired']);
    expect((await server.owner.send('POST', `${path}/activate`, undefined)).status).toBe(409);
    expect((await server.owner.get(path)).body.status).toBe('retired');
    expect((await fetch(`${server.url}/crl/${first.body.id}.crl`)).status).toBe(404);
    const active = Object.entries(await statuses()).find(([, status]) => status === 'active')![0];
    expect((await server.owner.post(`/v1/issuers/${active}/retire`)).status).toBe(409);
    const { items } = (await server.owner.get('/v1/audit?limit=100')).body as { items: { action: string }[] };
    const acts = items.map(({ action }) => action).filter((action) => action.startsWith('issuer.'));
    expect(acts).toEqual(['issuer.retire', 'issuer.prepare', 'issuer.activate', 'issuer.prepare']);
  });

  it('of twenty that are activated at once one issues, and every device has a chain', async () => {
    const ids = await Promise.all(Array.from({ length: 20 }, () => prepare()));
    const asked = Promise.all(ids.map((id) => server.owner.post(`/v1/issuers/${id}/activate`)));
    const devices = await Promise.all(Array.from({ length: 20 }, (_, n) => provision(server, token, `amid-${n}`)));
    expect((await asked).map(({ status }) => status)).toEqual(ids.map(() => 200));
    const active = Object.entries(await statuses()).filter(([, status]) => status === 'active');
    expect(active).toHaveLength(1);
    for (const device of devices) {
      const [issuing] = certificatesIn(device.answer.body.certificate.chainPem);
      expect(new X509Certificate(pemOf(device)).verify(new X509Certificate(issuing!).publicKey)).toBe(true);
      expect(await ocsp(device)).toBe('good');
    }
    const more = await Promise.all(
      Array.from({ length: 20 }, () => server.owner.post('/v1/issuers', { kind: 'issuing' })),
    );
    expect(more.map(({ status }) => status)).toContain(429);
    expect(await bundle()).toHaveLength(32);
  });

  it('nobody without the right, and nobody of another account, does any of this', async () => {
    const [id] = Object.keys(await statuses());
    const { key } = (await server.owner.post('/v1/api-keys', { role: 'admin' })).body;
    const other = (await server.owner.post('/v1/accounts', { name: `other-${kind}` })).body.ownerKey;
    for (const [as, expected] of [[key, [403, 403, 403]] as const, [other, [404, 404, 404]] as const]) {
      const client = server.as(as);
      const answers = [
        await client.post(`/v1/issuers/${id}/activate`),
        await client.post(`/v1/issuers/${id}/retire`),
        await client.send('PUT', `/v1/issuers/${id}/certificate`, { certificate: 'none' }),
      ];
      expect(answers.map(({ status }) => status)).toEqual(expected);
    }
    expect((await server.as(other).get(`/v1/issuers/${id}/csr`)).status).toBe(404);
    expect((await server.as(key).post('/v1/issuers', { kind: 'issuing' })).status).toBe(403);
  });
});

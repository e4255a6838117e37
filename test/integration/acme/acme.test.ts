import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openAcme, type AcmeClient, type Eab } from '../../support/acme/client.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { newKey } from '../../support/pki/csr.js';
import { startServer, type TestServer } from '../../support/server.js';

describe.each(databaseKinds)('ACME on %s', (kind) => {
  let server: TestServer;
  let acme: AcmeClient;
  beforeAll(async () => {
    server = await startServer(kind);
    acme = await openAcme(server.url);
  });
  afterAll(() => server.stop());

  const enroll = async (more: object = {}): Promise<{ id: string; token: string; eab: Eab; acmeDirectory: string }> => {
    const { status, body } = await server.owner.post('/v1/enrollments', { thingNamePattern: '*', maxUses: 100, ...more });
    expect(status).toBe(201);
    return body as { id: string; token: string; eab: Eab; acmeDirectory: string };
  };

  it('makes a thing: account, order, finalize, certificate', async () => {
    const { eab, acmeDirectory } = await enroll({ attributes: { site: 'berlin' } });
    expect(acmeDirectory).toBe(`${server.url}/acme/directory`);
    const party = await acme.account(eab);
    const deviceKey = newKey();
    const pem = await party.obtain('acme-1', deviceKey);
    const [leaf, issuing, root] = pem.match(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----/g)!.map((each) => new X509Certificate(each));
    expect(leaf!.subject).toBe('O=default\nCN=acme-1');
    expect(leaf!.verify(issuing!.publicKey) && issuing!.verify(root!.publicKey)).toBe(true);
    expect((await server.owner.get('/v1/things/acme-1')).body).toMatchObject({ name: 'acme-1', attributes: { site: 'berlin' } });
    const next = await party.obtain('acme-1');
    expect(next).not.toBe(pem);
  });
});

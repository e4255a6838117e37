import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fetchCrl, issuerOf, serialOf } from '../../support/pki/crl.js';
import { enroll, provision } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';

describe('lists that are signed at nearly the same time', () => {
  let server: TestServer;
  let token: string;
  let n = 0;

  beforeAll(async () => {
    server = await startServer('embedded');
    server.freeze();
    token = (await enroll(server, { maxUses: 100 })).token;
  });
  afterAll(() => server.stop());

  /** Revokes a new device; the next list of its issuer is another one. */
  const revokeOne = async (): Promise<string> => {
    const device = await provision(server, token, `cached-${n++}`);
    await server.owner.post(`/v1/certificates/${serialOf(device)}/revoke`, { reason: 'unspecified' });
    return issuerOf(device);
  };
  const bundle = async (since?: string) => {
    const headers = since === undefined ? {} : { 'if-modified-since': since };
    const { status, headers: answered } = await fetch(`${server.url}/crl/bundle.pem`, { headers });
    return { status, modified: answered.get('last-modified')!, etag: answered.get('etag')! };
  };

  it('the time of a list never goes back, by whichever instance it is signed, and 304 is never for another list', async () => {
    const path = `/crl/${await revokeOne()}.crl`;
    server.advance(1000);
    await revokeOne();
    const one = await fetchCrl(server, path);
    const time = one.headers.get('last-modified')!;
    // As an instance whose clock is two seconds behind signs it, and then one that is right.
    for (const seconds of [-2, 2]) {
      server.advance(seconds);
      await revokeOne();
      const next = await fetchCrl(server, path, { 'if-modified-since': time });
      expect([next.status, next.headers.get('last-modified')]).toEqual([200, time]);
      expect(next.number).toBeGreaterThan(one.number);
    }
    server.advance(1);
    await revokeOne();
    const last = await fetchCrl(server, path, { 'if-modified-since': time });
    expect(last.status).toBe(200);
    const later = last.headers.get('last-modified')!;
    expect(Date.parse(later) - Date.parse(time)).toBe(1000);
    expect((await fetchCrl(server, path, { 'if-modified-since': later })).status).toBe(304);
    expect((await fetchCrl(server, path, { 'if-none-match': last.headers.get('etag')! })).status).toBe(304);
  });

  it.each([0, -120])('a bundle whose other list was signed %i s after it is never 304 by time', async (seconds) => {
    const root = (await server.owner.get('/v1/issuers')).body.items.find(
      ({ kind }: { kind: string }) => kind === 'root',
    ).id as string;
    // The root's list is signed when it is first asked for.
    await bundle();
    server.advance(1000);
    await revokeOne();
    const before = await bundle();
    expect((await bundle(before.modified)).status).toBe(304);
    server.advance(seconds);
    const distributionPoint = seconds === 0;
    expect((await server.owner.send('PATCH', `/v1/issuers/${root}`, { distributionPoint })).status).toBe(200);
    const after = await bundle(before.modified);
    expect([after.status, after.modified]).toEqual([200, before.modified]);
    expect(after.etag).not.toBe(before.etag);
    server.advance(1000);
    await revokeOne();
    const settled = await bundle();
    expect((await bundle(settled.modified)).status).toBe(304);
  });
});

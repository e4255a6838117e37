import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { problemOf } from '../../support/client.js';
import { fetchCrl, issuerOf, serialOf } from '../../support/pki/crl.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { enroll, provision } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';

describe.each(databaseKinds)('revoking a thing on %s', (kind) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer(kind);
  });
  afterAll(() => server.stop());

  it('400 for a reason that could be released or that lists leave out', async () => {
    const device = await provision(server, (await enroll(server)).token, 'rev-final');
    for (const reason of ['certificateHold', 'superseded']) {
      const refused = await server.owner.post('/v1/things/rev-final/revoke', { reason });
      expect([refused.status, problemOf(refused)]).toEqual([400, 'invalid-request']);
    }
    expect((await server.owner.get('/v1/things/rev-final')).body.status).toBe('active');
    expect((await server.owner.post('/v1/things/rev-final/revoke', { reason: 'keyCompromise' })).status).toBe(200);
    expect((await fetchCrl(server, `/crl/${issuerOf(device)}.crl`)).serials).toEqual([serialOf(device)]);
  });

  it('finds the refresh families of a certificate by an index', async () => {
    const plan = await server.database.client.$transaction(async (tx) => {
      await tx.$executeRaw`SET LOCAL enable_seqscan = off`;
      return tx.$queryRaw<Record<string, string>[]>`
        EXPLAIN UPDATE refresh_families SET revoked_at = now() WHERE serial_number = ANY(ARRAY['a', 'b']) AND revoked_at IS NULL`;
    });
    expect(plan.flatMap(Object.values).join(' ')).toContain('refresh_families_serial_number_idx');
  });
});

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sql } from '../../../src/db/client.js';
import { verifyRevocation } from '../../../src/observer/verify.js';
import { serialOf } from '../../support/pki/crl.js';
import { enroll, madeByOthers, provision, type Device } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';

describe('revocation verify and certificates that others issued', () => {
  let server: TestServer;
  let device: Device;
  beforeAll(async () => {
    server = await startServer('embedded');
    device = await provision(server, (await enroll(server)).token, 'theirs');
    await madeByOthers(server, serialOf(device));
    await server.owner.post(`/v1/certificates/${serialOf(device)}/revoke`, { reason: 'keyCompromise' });
  });
  afterAll(() => server.stop());

  const verify = async (key: string | undefined, previous?: string) => {
    const lines: string[] = [];
    const findings = await verifyRevocation({
      url: server.url,
      account: 'default',
      key,
      clock: server.now,
      previous: previous === undefined ? [] : [{ name: 'old.jws', bytes: Buffer.from(previous) }],
      report: (holds, what) => lines.push(`${holds ? 'ok' : 'BAD'} ${what}`),
    });
    return { findings, bad: lines.filter((line) => line.startsWith('BAD')), said: lines.join('\n') };
  };
  const snapshot = async () =>
    (await server.owner.send('GET', '/v1/revocations/snapshot', undefined, { accept: 'application/jose' })).text;

  it('are missed in no list, and what a file from before says of them is looked for in the feed', async () => {
    const before = await snapshot();
    const sound = await verify(server.ownerKey, before);
    expect(sound.bad).toEqual([]);
    expect(sound.said).toContain('ok old.jws: 1 revoked that others issued, 0 of them no longer');
    expect((await verify(undefined, before)).bad).toEqual([
      'BAD old.jws: 1 revoked that others issued, which need --key to be found',
    ]);
    await server.database.client.$executeRaw(
      sql`UPDATE certificates SET revoked_at = NULL, reason = NULL, revoked_position = NULL`,
    );
    expect((await verify(server.ownerKey, before)).bad).toEqual([
      `BAD old.jws: 1 revoked that others issued, 1 of them no longer ${serialOf(device)}`,
    ]);
  });
});

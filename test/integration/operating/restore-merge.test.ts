import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.js';
import { sql } from '../../../src/db/client.js';
import { restore } from '../../../src/restore/restored.js';
import { serialOf } from '../../support/pki/crl.js';
import { enroll, madeByOthers, provision, type Device } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';

describe('what several sources tell a restore', () => {
  let server: TestServer;
  let token: string;
  let head: bigint;
  let numbers: { issuerId: string; scope: string; number: bigint }[];
  beforeEach(async () => {
    server = await startServer('embedded');
    ({ token } = await enroll(server, { maxUses: 100 }));
  });
  afterEach(() => server.stop());

  const snapshot = async () =>
    (await server.owner.send('GET', '/v1/revocations/snapshot', undefined, { accept: 'application/jose' })).text;
  const revoke = async (device: Device, reason: string) =>
    expect((await server.owner.post(`/v1/certificates/${serialOf(device)}/revoke`, { reason })).status).toBe(200);

  /** Remembers the moment of the backup. */
  async function backUp(): Promise<void> {
    const [row] = await server.database.client.$queryRaw<{ position: bigint }[]>(sql`SELECT position FROM log_head`);
    head = row!.position;
    numbers = await server.database.client.crl.findMany({ select: { issuerId: true, scope: true, number: true } });
  }

  /** Puts the database back to that moment: the log, and what it says of things and certificates. */
  async function goBack(reasons: Map<Device, string | null>): Promise<void> {
    const { client } = server.database;
    await client.$executeRaw(sql`DELETE FROM log_entries WHERE position > ${head}`);
    await client.$executeRaw(sql`UPDATE log_head SET position = ${head}`);
    await client.$executeRaw(sql`UPDATE things SET status = 'active', gen = 1, min_gen = 1`);
    await client.$executeRaw(sql`UPDATE thing_keys SET barred_at = NULL`);
    for (const { issuerId, scope, number } of numbers)
      await client.crl.updateMany({ where: { issuerId, scope }, data: { number } });
    for (const [device, reason] of reasons)
      await client.$executeRaw(sql`
        UPDATE certificates SET reason = ${reason}, held_by_suspension = false, revoked_position = NULL,
          revoked_at = CASE WHEN ${reason}::text IS NOT NULL THEN now() END WHERE serial_number = ${serialOf(device)}`);
  }

  const restoreFrom = (...texts: string[]) =>
    restore(
      server.database,
      { lists: [], feeds: texts.map((text, n) => ({ name: `${n}.jws`, bytes: Buffer.from(text) })), acceptLoss: false },
      systemClock(),
      { actor: 'command-line' },
    );
  const stateOf = async ({ name }: Device) => {
    const [row] = await server.database.client.$queryRaw<{ status: string; reason: string | null }[]>(
      sql`SELECT t.status, c.reason FROM certificates c JOIN things t ON t.id = c.thing_id WHERE t.name = ${name}`,
    );
    return [row!.status, row!.reason];
  };

  it.each([
    ['the newest first', (older: string, newer: string) => [newer, older]],
    ['the oldest first', (older: string, newer: string) => [older, newer]],
  ])('the gravest word about a thing and a certificate counts, %s', async (_order, given) => {
    const device = await provision(server, token, 'twice');
    await backUp();
    await server.owner.post('/v1/things/twice/suspend');
    const older = await snapshot();
    await server.owner.post('/v1/things/twice/revoke', { reason: 'keyCompromise' });
    const newer = await snapshot();
    await goBack(new Map([[device, null]]));
    await restoreFrom(...given(older, newer));
    expect(await stateOf(device)).toEqual(['revoked', 'keyCompromise']);
  });

  it('what was superseded in the backup takes the reason that it was revoked for since', async () => {
    const device = await provision(server, token, 'old');
    await revoke(device, 'superseded');
    await backUp();
    // As the first use of a re-enrolled key does.
    await server.database.client.certificate.updateMany({
      where: { serialNumber: serialOf(device) },
      data: { reason: 'cessationOfOperation' },
    });
    const told = await snapshot();
    await goBack(new Map([[device, 'superseded']]));
    await restoreFrom(told);
    expect(await stateOf(device)).toEqual(['active', 'cessationOfOperation']);
  });

  it('a list with the number that the backup knew covers nothing: it may be from before the backup', async () => {
    const device = await provision(server, token, 'listed');
    const bundle = async () => Buffer.from(await (await fetch(`${server.url}/crl/bundle.pem`)).arrayBuffer());
    const early = await bundle();
    await backUp();
    await revoke(device, 'privilegeWithdrawn');
    const late = await bundle();
    await goBack(new Map([[device, null]]));
    const restoreWith = (bytes: Buffer) =>
      restore(
        server.database,
        { lists: [{ name: 'bundle.pem', bytes }], feeds: [], acceptLoss: false },
        systemClock(),
        { actor: 'command-line' },
      );
    await expect(restoreWith(early)).rejects.toThrow(
      /do not cover 1 unexpired issuer .*same number may be from before/,
    );
    expect(await stateOf(device)).toEqual(['active', null]);
    await restoreWith(late);
    expect(await stateOf(device)).toEqual(['active', 'privilegeWithdrawn']);
  });

  it('a revocation of a certificate that others issued is kept, and its key barred', async () => {
    const { client } = server.database;
    const device = await provision(server, token, 'theirs');
    await madeByOthers(server, serialOf(device));
    await backUp();
    await revoke(device, 'keyCompromise');
    const told = await snapshot();
    await goBack(new Map([[device, null]]));
    await restoreFrom(told);
    expect((await stateOf(device))[1]).toBe('keyCompromise');
    expect(await client.thingKey.count({ where: { barredAt: { not: null } } })).toBe(1);
    expect(await client.orphanedRevocation.count()).toBe(0);
  });
});

import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { problemOf } from '../../support/client.js';
import { newKey } from '../../support/pki/csr.js';
import { databaseKinds, freshDatabase } from '../../support/databases/databases.js';
import { enroll, provision } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';

// The embedded database does one thing after the other: nothing can come between there.
describe.runIf(databaseKinds.includes('postgresql'))('re-enrollments that meet others half way', () => {
  let server: TestServer;
  let other: pg.Client;
  /** Outside every transaction, in which the activity would look the same for ever. */
  let watcher: pg.Client;
  let enrollment: string;
  beforeAll(async () => {
    const { settings } = await freshDatabase('postgresql');
    server = await startServer('postgresql', { ...settings, THINGWARD_OWNER_KEY: 'twk_k2J8s9Qm3Lr7Wp5Zx1Vb4Nc6' });
    other = new pg.Client({ connectionString: settings['DATABASE_URL'] });
    watcher = new pg.Client({ connectionString: settings['DATABASE_URL'] });
    await Promise.all([other.connect(), watcher.connect()]);
    enrollment = (await enroll(server)).token;
  });
  afterAll(async () => {
    await Promise.all([other.end(), watcher.end()]);
    await server.stop();
  });

  const reenroll = async (name: string): Promise<string> =>
    (await server.owner.post(`/v1/things/${name}/reenroll`)).body.token as string;

  /** Resolves once so many statements wait for a row that `other` has locked. */
  async function waiting(count: number): Promise<void> {
    const waitingNow = `SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
    for (let looks = 0; looks < 500; looks++) {
      const { rows } = await watcher.query<{ n: number }>(waitingNow);
      if (rows[0]!.n >= count) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await other.query('ROLLBACK');
    throw new Error(`nobody waits for the row`);
  }

  it('a key that is revoked as compromised while a device waits with it is not certified again', async () => {
    const device = await provision(server, enrollment, 'barred');
    const token = await reenroll('barred');
    const { serialNumber } = device.answer.body.certificate;
    await other.query(`BEGIN`);
    await other.query(`SELECT 1 FROM things WHERE name = 'barred' FOR UPDATE`);
    const revoking = server.owner.post(`/v1/certificates/${serialNumber}/revoke`, { reason: 'keyCompromise' });
    await waiting(1);
    const provisioning = provision(server, token, 'barred', {}, device.key);
    await waiting(2);
    await other.query('COMMIT');
    expect((await revoking).status).toBe(200);
    expect(problemOf((await provisioning).answer)).toBe('bad-key');
    expect((await provision(server, token, 'barred')).answer.status).toBe(201);
  });

  it('of many that come with one key at once, one gets it and the others are told', async () => {
    const names = ['one', 'two', 'three'];
    const key = newKey();
    await provision(server, enrollment, 'former', {}, key);
    await server.owner.post('/v1/things/former/revoke', { reason: 'cessationOfOperation' });
    for (const name of names) await provision(server, enrollment, name);
    const tokens = await Promise.all(names.map(reenroll));
    const moved = await Promise.all(names.map((name, n) => provision(server, tokens[n]!, name, {}, key)));
    expect(moved.map(({ answer }) => problemOf(answer) ?? 'created').sort()).toEqual([
      'created',
      'key-in-use',
      'key-in-use',
    ]);

    for (let round = 0; round < 10; round++) {
      const fresh = newKey();
      await provision(server, enrollment, `again-${round}`);
      const token = await reenroll(`again-${round}`);
      const answers = await Promise.all([
        provision(server, enrollment, `first-${round}`, {}, fresh),
        provision(server, token, `again-${round}`, {}, fresh),
      ]);
      expect(answers.map(({ answer }) => problemOf(answer) ?? 'created').sort()).toEqual(['created', 'key-in-use']);
    }
  });
});

import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createClient, problemOf } from '../../support/client.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { startCluster, type Cluster } from '../../support/databases/patroni.js';
import { runRevocations } from '../../support/databases/failover-load.js';
import { createDatabase } from '../../support/databases/postgres.js';
import { startProgram, type Program } from '../../support/program.js';
import { describeWith } from '../../support/programs.js';

// By command alone, because it takes minutes: `FAILOVERS=20` loses the primary so often.
const failovers = Number(process.env['FAILOVERS'] ?? 0);
const title = 'PostgreSQL under Patroni with a synchronous standby';
const limit = { timeout: 300_000 + failovers * 120_000 };
const withPostgres = databaseKinds.includes('postgresql') ? [] : ['initdb'];

const suite = (): void => {
  const ownerKey = `twk_${randomBytes(32).toString('base64url')}`;
  let cluster: Cluster;
  let database: string;
  let programs: Program[] = [];

  beforeAll(async () => {
    cluster = await startCluster();
    database = await createDatabase(cluster, 'failover');
    const settings = {
      DATABASE_URL: database,
      DATABASE_STANDBY: 'required',
      THINGWARD_KEY: randomBytes(32).toString('hex'),
      THINGWARD_OWNER_KEY: ownerKey,
      LOG_LEVEL: 'error',
    };
    programs = await Promise.all([startProgram(settings), startProgram(settings)]);
  }, 120_000);
  afterAll(async () => {
    for (const program of programs) await program.kill();
    await cluster.stop();
  }, 60_000);

  it(
    'whatever becomes of its servers, nothing acknowledged is lost or allowed, and no position of an epoch is given twice',
    limit,
    async () => {
      const load = await runRevocations(programs, ownerKey);
      for (let lost = 0; lost < failovers; lost++) {
        await load.acknowledged(20);
        const primary = await vi.waitFor(() => cluster.primary(), { timeout: 60_000, interval: 500 });
        // Every second one hangs and returns, and believes for a moment that it is the primary still.
        if (lost % 2 === 0) await primary.kill();
        else primary.pause();
        await load.acknowledged(20);
        await vi.waitFor(async () => expect((await cluster.primary()).name).not.toBe(primary.name), {
          timeout: 60_000,
          interval: 500,
        });
        if (lost % 2 === 0) await primary.start();
        else primary.resume();
      }
      await load.acknowledged(20);
      const result = await load.stop();
      console.log(
        `${failovers} failovers: ${JSON.stringify({ acknowledged: result.acked.length, places: result.given.size, epochs: result.epochs.length, allowed: result.allowed.length, reused: result.reused.length })}`,
      );
      expect(result.allowed).toEqual([]);
      expect(result.reused).toEqual([]);
      // A promotion is another epoch, and nothing else is.
      expect(result.epochs).toHaveLength(failovers + 1);

      // A member that just came back may be read for a moment as if it were the primary still.
      await vi.waitFor(async () => expect(await missing(database, result.acked)).toEqual([]), {
        timeout: 60_000,
        interval: 500,
      });

      const [old] = result.cursors;
      const answer = await createClient(programs[0]!.url, ownerKey).get(`/v1/revocations?after=${old}`);
      expect(problemOf(answer)).toBe('epoch-changed');
    },
  );
};
if (failovers > 0) describeWith(['etcd', 'patroni', 'haproxy', ...withPostgres], title, suite);
else describe.skip(`${title} (needs FAILOVERS)`, suite);

/** Those of the things that the database has not revoked, with their certificate and an entry of the log. */
async function missing(database: string, names: string[]): Promise<string[]> {
  const connection = new pg.Client({ connectionString: database });
  await connection.connect();
  const { rows } = await connection.query<{ name: string }>(`
    SELECT t.name FROM things t JOIN certificates c ON c.thing_id = t.id
    JOIN log_entries e ON e.type = 'certificate' AND e.payload->>'serialNumber' = c.serial_number
    WHERE t.status = 'revoked' AND c.revoked_at IS NOT NULL`);
  await connection.end();
  const revoked = new Set(rows.map(({ name }) => name));
  return names.filter((name) => !revoked.has(name));
}

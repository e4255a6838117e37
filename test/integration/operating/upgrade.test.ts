import 'reflect-metadata';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { migrate } from '../../../src/db/migrate.js';
import { openPostgres } from '../../../src/db/client.js';
import { databaseKinds, emptyDatabase, freshDatabase } from '../../support/databases/databases.js';
import { createDatabase, startPostgres } from '../../support/databases/postgres.js';
import { admitTo, earlierVersion, makeFleet, missingAt, retire, startLoad } from '../../support/databases/upgrade.js';
import { eventually } from '../../support/edge/stage.js';
import { startProgram } from '../../support/program.js';
import { describeWith } from '../../support/programs.js';
import { runThingward } from '../../support/shell.js';

// The trials build earlier versions from the history: `npm run upgrade-trial`. A second for each phase of load, or what it says.
const trial = process.env['UPGRADE_SECONDS'];
const firstEdition = '6c3a0c9';
const lastVersion = 'da8b381';

const secrets = () => ({
  THINGWARD_KEY: randomBytes(32).toString('hex'),
  THINGWARD_OWNER_KEY: `twk_${randomBytes(32).toString('base64url')}`,
});

describeWith(databaseKinds.includes('postgresql') ? [] : ['initdb'], 'a database that a newer version changed', () => {
  it('is refused with a sentence, unless its migration names one that this version knows', async () => {
    const database = await emptyDatabase('postgresql');
    const settings: Record<string, string> = {
      ...database.settings,
      THINGWARD_OWNER_KEY: secrets().THINGWARD_OWNER_KEY,
    };
    await (await startProgram(settings)).kill();
    const client = new pg.Client({ connectionString: settings['DATABASE_URL'] });
    await client.connect();
    const insert = `INSERT INTO "_prisma_migrations" (id, checksum, finished_at, migration_name, logs) VALUES ($1, 'x', now(), $1, $2)`;
    await client.query(insert, ['29990101000000_later', '-- runs with: 20261121000000_first_boot']);
    await (await startProgram(settings)).kill();
    await client.query(insert, ['29990102000000_too_late', null]);
    const refused = await runThingward(['serve'], settings);
    expect(refused.code).toBe(1);
    expect(refused.output.trim().split('\n')).toEqual([
      expect.stringMatching(
        /^thingward: a newer Thingward has changed the database.*29990102000000_too_late.*start the newer version/,
      ),
    ]);
    await client.query(
      `UPDATE "_prisma_migrations" SET logs = '-- runs with: 29980101000000_unknown_too' WHERE migration_name LIKE '2999%'`,
    );
    expect((await runThingward(['migrate'], settings)).code).toBe(1);
    await client.query(`DELETE FROM "_prisma_migrations" WHERE migration_name LIKE '2999%'`);
    expect(await runThingward(['migrate'], settings)).toMatchObject({
      code: 0,
      output: expect.stringContaining('nothing to apply'),
    });
    await client.end();
    database.remove();
  });

  it('gives way to whoever holds a table, and is changed once when that is over, though one of three who try is killed', async () => {
    const database = await freshDatabase('postgresql');
    const url = database.settings['DATABASE_URL']!;
    const [holder, { session, close }] = [new pg.Client({ connectionString: url }), await openPostgres(url, 1)];
    await holder.connect();
    const isWaitedFor = async (): Promise<boolean> =>
      (await holder.query(`SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'log_head'::regclass`)).rowCount ===
      1;
    const migration = '20261129200000_timeline';
    await holder.query(`ALTER TABLE log_head DROP COLUMN timeline, DROP COLUMN settled_timeline;
      DROP FUNCTION log_epoch; DROP FUNCTION current_timeline;
      DELETE FROM "_prisma_migrations" WHERE migration_name = '${migration}'`);
    await holder.query('BEGIN');
    await holder.query('LOCK TABLE log_head IN ROW EXCLUSIVE MODE');
    const another = await openPostgres(url, 1);
    const killed = spawn(process.execPath, ['dist/main.js', 'migrate'], {
      env: { PATH: process.env['PATH'], ...database.settings },
      stdio: 'ignore',
    });
    await eventually(isWaitedFor, (is) => is);
    const migrated = Promise.all([migrate(session), migrate(another.session)]);
    for (const _ of ['first', 'second']) {
      await eventually(isWaitedFor, (is) => is);
      // Nobody queues behind it for longer.
      await eventually(isWaitedFor, (is) => !is);
    }
    killed.kill('SIGKILL');
    await holder.query('COMMIT');
    expect((await migrated).flat()).toEqual([migration]);
    await Promise.all([holder.end(), session.end(), another.session.end()]);
    await Promise.all([close(), another.close()]);
    database.remove();
  });
});

describe.skipIf(trial === undefined)('an upgrade', () => {
  it(`from ${firstEdition}, stopped and started: every certificate and revocation is there`, async () => {
    const postgres = await startPostgres();
    const settings = { ...secrets(), DATABASE_URL: await createDatabase(postgres, 'first_edition') };
    const old = await startProgram(settings, earlierVersion(firstEdition));
    const fleet = await makeFleet(old.url, settings.THINGWARD_OWNER_KEY, 60);
    await old.kill();
    const started = performance.now();
    const program = await startProgram(settings);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    const missing = await missingAt(program.url, settings.THINGWARD_OWNER_KEY, fleet);
    console.log(
      `${firstEdition}: ${fleet.devices.length} devices, ${fleet.revoked.length} revoked, started after ${seconds} s, ${missing.length} missing`,
    );
    expect(missing).toEqual([]);
    await program.kill();
    await postgres.stop();
  });

  it(`from ${lastVersion}, one instance after the other under load: nothing is lost, stale or answered with 5xx`, async () => {
    const postgres = await startPostgres();
    const settings = { ...secrets(), DATABASE_URL: await createDatabase(postgres, 'rolling') };
    const folder = earlierVersion(lastVersion);
    const phase = () => sleep(Number(trial) * 1000);
    const old = [await startProgram(settings, folder), await startProgram(settings, folder)];
    const fleet = await makeFleet(old[0]!.url, settings.THINGWARD_OWNER_KEY, 9);
    const live = new Set(old.map(({ url }) => url));
    const load = startLoad(live, settings.THINGWARD_OWNER_KEY, fleet.token);
    const fresh = [];
    for (const each of old) {
      await phase();
      const program = await startProgram(settings);
      await admitTo(live, program);
      fresh.push(program);
      await phase();
      await retire(live, each);
    }
    await phase();
    const { counts, odd, ...made } = await load.stop();
    const whole = { devices: [...fleet.devices, ...made.devices], revoked: [...fleet.revoked, ...made.revoked] };
    const missing = (
      await Promise.all(fresh.map(({ url }) => missingAt(url, settings.THINGWARD_OWNER_KEY, whole)))
    ).flat();
    console.log(`${lastVersion}: ${JSON.stringify(counts)}, ${odd.length} odd, ${missing.length} missing`);
    expect({ odd, missing }).toEqual({ odd: [], missing: [] });
    expect(counts['revoked']).toBeGreaterThan(10);
    for (const program of fresh) await program.kill();
    await postgres.stop();
  });
});

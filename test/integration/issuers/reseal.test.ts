import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openPostgres, type OpenDatabase } from '../../../src/db/client.js';
import { sealedColumns } from '../../../src/reseal/columns.js';
import { createSealer } from '../../../src/sealing.js';
import { createClient } from '../../support/client.js';
import { databaseKinds, freshDatabase } from '../../support/databases/databases.js';
import { csrPem } from '../../support/pki/csr.js';
import { startProgram, type Program } from '../../support/program.js';
import { runThingward } from '../../support/shell.js';

const newKey = (): string => randomBytes(32).toString('base64');
const accounts = 40;

describe.skipIf(!databaseKinds.includes('postgresql'))('another sealing key, while two instances issue', () => {
  const [oldKey, nextKey] = [newKey(), newKey()];
  const ownerKey = `twk_${randomBytes(32).toString('base64url')}`;
  const running: Program[] = [];
  let settings: Record<string, string>;
  let database: OpenDatabase;

  const start = async (keys: Record<string, string>): Promise<Program> => {
    const program = await startProgram({ ...settings, THINGWARD_OWNER_KEY: ownerKey, ...keys });
    running.push(program);
    return program;
  };
  const owner = (program: Program) => createClient(program.url, ownerKey);

  /** How many secrets a key opens, and how many there are. */
  const openedBy = async (key: string): Promise<[opened: number, all: number]> => {
    const sealer = createSealer(Buffer.from(key, 'base64'));
    let [opened, all] = [0, 0];
    for (const { table, about, column, context } of sealedColumns) {
      const text = `SELECT ${about}::text AS about, ${column} AS sealed FROM ${table} WHERE octet_length(${column}) > 0`;
      for (const row of await database.client.$queryRawUnsafe<{ about: string; sealed: Uint8Array }[]>(text)) {
        all++;
        try {
          sealer.open(row.sealed, context(row.about));
          opened++;
        } catch {
          // Another key sealed it.
        }
      }
    }
    return [opened, all];
  };

  beforeAll(async () => {
    ({ settings } = await freshDatabase('postgresql'));
    database = await openPostgres(settings['DATABASE_URL']!, 2);
    const first = await start({ THINGWARD_KEY: oldKey });
    for (let n = 0; n < accounts; n++)
      expect((await owner(first).post('/v1/accounts', { name: `a${n}` })).status).toBe(201);
    const hook = { url: 'https://example.com/hook', events: ['thing.created'] };
    await owner(first).post('/v1/webhooks', hook);
    await first.kill();
  });
  afterAll(async () => {
    for (const program of running) await program.kill('SIGKILL');
    await database.session.end();
    await database.close();
  });

  it('is refused while an instance seals with the old key', async () => {
    const old = await start({ THINGWARD_KEY: oldKey });
    const keys = { THINGWARD_KEY: nextKey, THINGWARD_KEY_PREVIOUS: oldKey };
    const refused = await runThingward(['reseal', '--yes'], { ...settings, ...keys });
    expect(refused.code).not.toBe(0);
    expect(refused.output).toContain('an instance runs that seals with another key');
    expect((await openedBy(oldKey))[0]).toBe((await openedBy(oldKey))[1]);
    await old.kill();
  });

  it('takes over everything, killed in between and run again, and every device gets its identity meanwhile', async () => {
    const keys = { THINGWARD_KEY: nextKey, THINGWARD_KEY_PREVIOUS: oldKey };
    const instances = [await start(keys), await start(keys)];
    const enrollment = { thingNamePattern: '*', maxUses: 100_000 };
    const { token } = (await owner(instances[0]!).post('/v1/enrollments', enrollment)).body;
    let stopping = false;
    const statuses: number[] = [];
    const load = instances.map(async (instance, n) => {
      for (let round = 0; !stopping; round++) {
        const body = { thingName: `${n}-${round}`, csr: csrPem() };
        statuses.push((await createClient(instance.url, token).post('/v1/provision', body)).status);
        // Each opens keys of an account that it has not used: nothing is remembered of it.
        const made = await owner(instance).post('/v1/accounts', { name: `b${n}-${round}` });
        const own = createClient(instance.url, made.body.ownerKey);
        const other = (await own.post('/v1/enrollments', enrollment)).body.token;
        statuses.push((await createClient(instance.url, other).post('/v1/provision', body)).status);
        const path = `/crl/a${(round * 2 + n) % accounts}/bundle.pem`;
        const list = await createClient(instance.url, undefined).get(path);
        statuses.push(list.status === 200 ? 201 : list.status);
      }
    });

    const env = { ...process.env, ...settings, ...keys };
    const half = spawn(process.execPath, ['dist/main.js', 'reseal', '--yes'], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    await Promise.race([
      new Promise<void>((resolve) => {
        void (async () => {
          // As soon as anything is sealed with the new key that was not before.
          const before = (await openedBy(oldKey))[0];
          while ((await openedBy(oldKey))[0] === before) continue;
          resolve();
        })();
      }),
      once(half, 'exit'),
    ]);
    half.kill('SIGKILL');
    if (half.exitCode === null && half.signalCode === null) await once(half, 'exit');
    expect(half.signalCode).toBe('SIGKILL');
    const [left] = await openedBy(oldKey);
    expect(left).toBeGreaterThan(0);

    const again = await runThingward(['reseal', '--yes'], { ...settings, ...keys });
    expect([again.code, again.output]).toEqual([0, expect.stringMatching(/^keys of authorities: \d+ of \d+ read/m)]);
    expect(again.output).toContain('Take THINGWARD_KEY_PREVIOUS out');
    stopping = true;
    await Promise.all(load);
    expect(statuses.filter((status) => status !== 201)).toEqual([]);
    expect(statuses.length).toBeGreaterThan(6);
    const [opened, all] = await openedBy(nextKey);
    expect([opened, (await openedBy(oldKey))[0]]).toEqual([all, 0]);
    const idle = await runThingward(['reseal', '--yes'], { ...settings, ...keys });
    expect(idle.output).toMatch(/All \d+ secrets are sealed with the new key; 0 were sealed again/);
    for (const instance of instances) await instance.kill();
  });

  it('the old key is useless then, and the new one needs nothing beside it', async () => {
    await expect(start({ THINGWARD_KEY: oldKey })).rejects.toThrow('is not the key that this database was sealed with');
    const instance = await start({ THINGWARD_KEY: nextKey });
    expect((await createClient(instance.url, undefined).get('/crl/bundle.pem')).status).toBe(200);
    await instance.kill();
    const alone = await runThingward(['reseal', '--yes'], { ...settings, THINGWARD_KEY: nextKey });
    expect(alone.output).toContain('THINGWARD_KEY_PREVIOUS to the one before');
  });
});

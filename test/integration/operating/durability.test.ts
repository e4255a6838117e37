import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { createClient, problemOf, type Answer } from '../../support/client.js';
import { databaseKinds, sealingKey } from '../../support/databases/databases.js';
import { createDatabase, startPostgres, type PostgresServer } from '../../support/databases/postgres.js';
import { csrPem } from '../../support/pki/csr.js';
import { startProgram, type Program } from '../../support/program.js';
import { describeWith } from '../../support/programs.js';

const withPostgres = databaseKinds.includes('postgresql') ? [] : ['initdb'];
const ownerKey = `twk_${randomBytes(32).toString('base64url')}`;

describeWith(withPostgres, 'what PostgreSQL promises', () => {
  let server: PostgresServer;
  let operator: pg.Client;
  const programs: Program[] = [];

  beforeAll(async () => {
    server = await startPostgres();
    operator = new pg.Client({ connectionString: server.url('postgres') });
    await operator.connect();
  });
  afterEach(async () => {
    for (const program of programs.splice(0)) await program.kill();
    await set('synchronous_standby_names', '');
  });
  afterAll(async () => {
    await operator.end();
    await server.stop();
  });

  const set = async (name: string, value: string): Promise<void> => {
    await operator.query(`ALTER SYSTEM SET ${name} = '${value}'`);
    await operator.query('SELECT pg_reload_conf()');
    const shown = async () =>
      (await operator.query<{ value: string }>(`SELECT current_setting('${name}') AS value`)).rows;
    while ((await shown())[0]!.value !== value) await new Promise((resolve) => setTimeout(resolve, 10));
  };
  const start = async (database: string, settings: Record<string, string> = {}): Promise<Program> => {
    const key = { THINGWARD_KEY: sealingKey, THINGWARD_OWNER_KEY: ownerKey };
    const program = await startProgram({ DATABASE_URL: database, ...key, ...settings });
    programs.push(program);
    return program;
  };
  /** Makes a request whose commits nobody confirms, and cancels that wait. */
  const unconfirmed = async (ask: () => Promise<Answer>): Promise<Answer> => {
    const waiting = `pg_stat_activity WHERE datname = 'unconfirmed' AND wait_event = 'SyncRep' AND query = 'COMMIT'`;
    // Nobody has this name: every commit waits.
    await set('synchronous_standby_names', 'nobody');
    let answer: Answer | undefined;
    void ask().then((given) => (answer = given));
    // What is tried again waits again.
    await eventually(async () => {
      await operator.query(`SELECT pg_cancel_backend(pid) FROM ${waiting}`);
      return answer !== undefined;
    });
    await set('synchronous_standby_names', '');
    return answer!;
  };
  const eventually = async (what: () => Promise<boolean>): Promise<void> => {
    while (!(await what())) await new Promise((resolve) => setTimeout(resolve, 20));
  };

  it('a commit that no standby confirmed is not acknowledged, though PostgreSQL calls it done', async () => {
    const { url } = await start(await createDatabase(server, 'unconfirmed'));
    const owner = createClient(url, ownerKey, 'impatient');
    const { token } = (await owner.post('/v1/enrollments', { thingNamePattern: '*', maxUses: 2 })).body;
    const agent = createClient(url, token, 'impatient');
    expect((await agent.post('/v1/provision', { thingName: 'one', csr: csrPem() })).status).toBe(201);
    const csr = csrPem();
    const answers = [
      await unconfirmed(() => owner.post('/v1/things/one/revoke', { reason: 'keyCompromise' })),
      await unconfirmed(() => agent.post('/v1/provision', { thingName: 'two', csr })),
    ];
    expect(answers.map((answer) => [answer.status, problemOf(answer)])).toEqual([
      [503, 'not-ready'],
      [503, 'not-ready'],
    ]);
    const patient = createClient(url, ownerKey);
    // It is done all the same, and seen: the same is asked again and acknowledged.
    expect((await patient.get('/v1/things/one')).body.status).toBe('revoked');
    expect((await patient.post('/v1/things/one/revoke', { reason: 'keyCompromise' })).status).toBe(200);
    const again = await createClient(url, token).post('/v1/provision', { thingName: 'two', csr });
    expect([200, 201]).toContain(again.status);
  });

  it('a promotion is another epoch, whose first change is acknowledged once earlier leases have ended; all that was remains', async () => {
    const own = await startPostgres();
    const database = await createDatabase(own, 'promoted');
    const isSettled = async (): Promise<boolean> => {
      const client = new pg.Client({ connectionString: database });
      await client.connect();
      const { rows } = await client.query<{ settled: boolean }>(
        'SELECT settled_timeline = current_timeline() AS settled FROM log_head',
      );
      await client.end();
      return rows[0]!.settled;
    };
    try {
      const { url } = await start(database);
      const owner = createClient(url, ownerKey);
      const { token } = (await owner.post('/v1/enrollments', { thingNamePattern: '*', maxUses: 2 })).body;
      for (const thingName of ['before', 'after'])
        expect((await createClient(url, token).post('/v1/provision', { thingName, csr: csrPem() })).status).toBe(201);
      const revoke = (name: string) => owner.post(`/v1/things/${name}/revoke`, { reason: 'keyCompromise' });
      const { cursor: old } = (await revoke('before')).body as { cursor: string };
      expect(await isSettled()).toBe(true);
      await own.promote();
      await eventually(async () => (await owner.get('/readyz')).status === 200);
      expect(await isSettled()).toBe(false);
      const { status, body } = await revoke('after');
      expect([status, await isSettled()]).toEqual([200, true]);
      const epochOf = (cursor: string): string => cursor.split(':')[0]!;
      expect(epochOf(body.cursor as string)).not.toBe(epochOf(old));
      expect(problemOf(await owner.get(`/v1/revocations?after=${old}`))).toBe('epoch-changed');
      for (const name of ['before', 'after']) {
        const question = { principal: { thingName: name }, action: 'connect', resource: `client:${name}` };
        expect((await owner.post('/v1/authorize', question)).body.decision).toBe('deny');
      }
    } finally {
      for (const program of programs.splice(0)) await program.kill();
      await own.stop();
    }
  });

  it('says at the start what is at risk', async () => {
    const { output } = await start(await createDatabase(server, 'risks'));
    expect(output()).toContain('fsync is off: a power cut can lose revocations that were acknowledged');
    expect(output()).toContain('synchronous_standby_names is empty');
    await operator.query(`ALTER DATABASE risks SET synchronous_commit = 'off'`);
    const { output: again } = await start(server.url('risks'));
    expect(again()).toContain('synchronous_commit is off: a crash can lose revocations that were acknowledged');
  });

  it('with a standby required, does not start without one, and stops answering when it is no longer waited for', async () => {
    const database = await createDatabase(server, 'required');
    const required = { DATABASE_STANDBY: 'required' };
    await expect(start(database, required)).rejects.toThrow(
      'synchronous_standby_names is empty: name the standbys there',
    );
    // A base backup that streams is a standby; pg_receivewal is one too, as far as a commit is concerned.
    const receiver = await server.receive('receiver');
    try {
      await set('synchronous_standby_names', 'receiver');
      const { url, output } = await start(database, required);
      const owner = createClient(url, ownerKey, 'impatient');
      await eventually(async () => (await owner.get('/readyz')).status === 200);
      await set('synchronous_standby_names', '');
      await eventually(async () => (await owner.get('/readyz')).status === 503);
      const question = { principal: { thingName: 'any' }, action: 'connect', resource: 'client:any' };
      expect(problemOf(await owner.post('/v1/authorize', question))).toBe('not-ready');
      expect(output()).toContain('synchronous_standby_names is empty');
      await set('synchronous_standby_names', 'receiver');
      await eventually(async () => (await owner.get('/readyz')).status === 200);
    } finally {
      await set('synchronous_standby_names', '');
      await receiver.stop();
    }
  });

  it('refuses an engine that lends one advisory lock to two', async () => {
    const database = await createDatabase(server, 'lying');
    const client = new pg.Client({ connectionString: database });
    await client.connect();
    await client.query(
      `CREATE FUNCTION pg_try_advisory_xact_lock(bigint) RETURNS boolean LANGUAGE sql AS 'SELECT true'`,
    );
    await client.query('ALTER DATABASE lying SET search_path = public, pg_catalog');
    await client.end();
    await expect(start(database)).rejects.toThrow('lends one advisory lock to two sessions');
  });
});

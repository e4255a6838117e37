import 'reflect-metadata';
import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { createClient, problemOf } from '../../support/client.js';
import { csrPem } from '../../support/pki/csr.js';
import { createDatabase, startPostgres } from '../../support/databases/postgres.js';
import { runOutages } from '../../support/databases/outages.js';
import { startProgram } from '../../support/program.js';
import { describeWith } from '../../support/programs.js';
import { databaseKinds } from '../../support/databases/databases.js';

// A few outages here; `npm run outages` sets OUTAGES for many.
const outages = Number(process.env['OUTAGES'] ?? 9);

describeWith(databaseKinds.includes('postgresql') ? [] : ['initdb'], 'a PostgreSQL that goes away', () => {
  it('503 not-ready while it is gone, and the server itself stays up', async () => {
    const postgres = await startPostgres();
    const ownerKey = `twk_${randomBytes(32).toString('base64url')}`;
    const settings = {
      DATABASE_URL: await createDatabase(postgres, 'away'),
      THINGWARD_KEY: randomBytes(32).toString('hex'),
      THINGWARD_OWNER_KEY: ownerKey,
    };
    const program = await startProgram(settings);
    const owner = createClient(program.url, ownerKey, 'impatient');
    const { token } = (await owner.post('/v1/enrollments', { thingNamePattern: '*', maxUses: 100 })).body;
    const agent = createClient(program.url, token, 'impatient');
    expect((await agent.post('/v1/provision', { thingName: 'before', csr: csrPem() })).status).toBe(201);
    await postgres.stop();
    for (const answer of [
      await owner.get('/v1/things'),
      await agent.post('/v1/provision', { thingName: 'during', csr: csrPem() }),
      await owner.get('/readyz'),
    ]) {
      expect([answer.status, problemOf(answer)]).toEqual([503, 'not-ready']);
      expect(answer.headers.get('retry-after')).toBe('1');
    }
    expect((await owner.get('/healthz')).status).toBe(200);
    await program.kill();
  });

  it(
    '503 not-ready or not-settled and nothing lost, whenever and however it ends',
    { timeout: 900_000 + outages * 20_000 },
    async () => {
      const postgres = await startPostgres();
      const ownerKey = `twk_${randomBytes(32).toString('base64url')}`;
      const settings = {
        DATABASE_URL: await createDatabase(postgres, 'outages'),
        THINGWARD_KEY: randomBytes(32).toString('hex'),
        THINGWARD_OWNER_KEY: ownerKey,
        LOG_LEVEL: 'error',
      };
      const programs = [await startProgram(settings), await startProgram(settings)];
      try {
        const { odd, missing, ...counts } = await runOutages(postgres, programs, ownerKey, outages);
        console.log(`outages=${outages} ${JSON.stringify(counts)}`);
        if (odd.length > 0 || missing.length > 0)
          console.log(programs.map((program) => failuresOf(program.output())).join('\n'));
        expect({ odd, missing }).toEqual({ odd: [], missing: [] });
        expect(programs.map(({ process: { exitCode } }) => exitCode)).toEqual([null, null]);
        expect(counts.provisioned).toBeGreaterThan(outages);
        expect(counts.revoked).toBeGreaterThan(outages);
        expect(counts.refused['not-ready']).toBeGreaterThan(outages);
      } finally {
        for (const program of programs) await program.kill('SIGKILL');
        await postgres.stop();
      }
    },
  );
});

/** What the log has of requests that failed, enough of it to find the reason. */
const failuresOf = (output: string): string =>
  output
    .split('\n')
    .filter((line) => line.includes('request failed'))
    .slice(0, 20)
    .map((line) => line.slice(0, 1500))
    .join('\n');

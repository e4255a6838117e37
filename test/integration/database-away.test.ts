import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { createClient, problemOf } from '../support/client.js';
import { csrPem } from '../support/csr.js';
import { createDatabase, startPostgres } from '../support/postgres.js';
import { startProgram } from '../support/program.js';
import { describeWith } from '../support/programs.js';
import { databaseKinds } from '../support/databases.js';

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
});

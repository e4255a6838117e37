import 'reflect-metadata';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { databaseKinds } from '../../support/databases/databases.js';
import { linesOf, runOneOutage, shown, type LogLine } from '../../support/databases/outage-log.js';
import { promtoolFile } from '../../support/databases/outage-series.js';
import { createDatabase, startPostgres } from '../../support/databases/postgres.js';
import { startProgram } from '../../support/program.js';
import { describeWith } from '../../support/programs.js';

// A short outage here; `npm run outage-log` sets OUTAGE_SECONDS for ten minutes, and RECORD for a file of what /metrics said.
const seconds = Number(process.env['OUTAGE_SECONDS'] ?? 6);
const record = process.env['RECORD'];

describeWith(databaseKinds.includes('postgresql') ? [] : ['initdb'], 'what the log says of an outage', () => {
  it('is a line for each change of state, however long it lasts', { timeout: 900_000 + seconds * 2000 }, async () => {
    const postgres = await startPostgres();
    const ownerKey = `twk_${randomBytes(32).toString('base64url')}`;
    const settings = {
      DATABASE_URL: await createDatabase(postgres, 'outage_log'),
      THINGWARD_KEY: randomBytes(32).toString('hex'),
      THINGWARD_OWNER_KEY: ownerKey,
      LOG_LEVEL: 'info',
    };
    const programs = [await startProgram(settings), await startProgram(settings)];
    try {
      const outage = { seconds, scrapeSeconds: seconds < 60 ? 1 : 15 };
      const { scrapes, refused: ids } = await runOneOutage(postgres, programs, ownerKey, outage);
      if (record) writeFileSync(record, promtoolFile(scrapes, outage.scrapeSeconds, { promql_expr_test: [] }));
      const lines = linesOf(programs);
      const isRequest = ({ msg }: LogLine) => msg === 'answered';
      const states = lines.filter((line) => !isRequest(line));
      const refused = lines.filter((line) => isRequest(line) && line.status === 503).length;
      console.log(
        `${seconds} s without a database, two instances: ${states.length} lines beside ${lines.length - states.length} of requests, ${refused} of them 503`,
      );
      console.log(states.map(shown).join('\n'));
      expect(refused).toBeGreaterThan(0);
      const ofIds = new Map(lines.map((line) => [line['reqId'], line]));
      expect(ids.length).toBeGreaterThan(0);
      for (const id of ids)
        expect(ofIds.get(id), id).toMatchObject({ problem: expect.stringMatching(/^not-/), why: expect.any(String) });
      expect(lines.filter((line) => isRequest(line) && line.status === 500)).toEqual([]);
      expect(states.length).toBeLessThanOrEqual(40);
      for (const instance of ['thingward-1', 'thingward-2']) {
        const said = states.filter((line) => line.instance === instance).map(({ msg }) => msg);
        expect(said.filter((msg) => /^the lease was not renewed/.test(msg))).toHaveLength(1);
        expect(said.filter((msg) => /^the lease is renewed again, after failing \d+ times/.test(msg))).toHaveLength(1);
      }
    } finally {
      for (const program of programs) await program.kill('SIGKILL');
      await postgres.stop();
    }
  });
});

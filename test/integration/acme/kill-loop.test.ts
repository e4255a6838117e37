import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { runAcmeKillLoop } from '../../support/acme/kill-loop.js';
import { databaseKinds, freshDatabase } from '../../support/databases/databases.js';

const kills = Number(process.env['KILLS'] ?? 4);

describe.each(databaseKinds)('SIGKILL between finalize and its answer on %s', (kind) => {
  it('each order leads to one certificate, which its account gets', { timeout: 900_000 + kills * 30_000 }, async () => {
    const database = await freshDatabase(kind);
    try {
      const result = await runAcmeKillLoop(database.settings, `twk_${randomBytes(32).toString('base64url')}`, kills);
      console.log(`ACME kill loop on ${kind}: ${JSON.stringify(result)}`);
      expect(result).toMatchObject({ kills, lost: 0, certificates: 2 * result.things });
      expect(result.cut).toBeGreaterThan(0);
    } finally {
      database.remove();
    }
  });
});

import 'reflect-metadata';
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { databaseKinds, freshDatabase } from '../../support/databases/databases.js';
import { runKillLoop } from '../../support/kill-loop.js';
import { runRevocationKillLoop } from '../../support/revocation-kill-loop.js';

// A short loop here; `npm run kill-loop` sets KILLS for the long one.
const kills = Number(process.env['KILLS'] ?? 3);

describe.each(databaseKinds)('SIGKILL under provisioning load on %s', (kind) => {
  it(
    'loses no certificate that left a socket, and makes none twice',
    { timeout: 900_000 + kills * 20_000 },
    async () => {
      const database = await freshDatabase(kind);
      try {
        const result = await runKillLoop(database.settings, `twk_${randomBytes(32).toString('base64url')}`, kills);
        console.log(`kill loop on ${kind}: kills=${result.kills} acked=${result.acked} lost=${result.lost}`);
        expect(result).toMatchObject({ lost: 0, changed: 0, duplicates: 0, extra: 0 });
        expect(result.acked).toBeGreaterThan(kills);
      } finally {
        database.remove();
      }
    },
  );
});

describe.each(databaseKinds)('SIGKILL while certificates are revoked on %s', (kind) => {
  it('loses no acknowledged revocation, and changes none', { timeout: 900_000 + kills * 20_000 }, async () => {
    const database = await freshDatabase(kind);
    try {
      const ownerKey = `twk_${randomBytes(32).toString('base64url')}`;
      const result = await runRevocationKillLoop(database.settings, ownerKey, kills);
      const { acked, lost } = result;
      console.log(`revocation kill loop on ${kind}: kills=${result.kills} acked=${acked} lost=${lost}`);
      expect(result).toMatchObject({ lost: 0, positionsTwice: 0 });
      expect(acked).toBeGreaterThan(kills);
    } finally {
      database.remove();
    }
  });
});

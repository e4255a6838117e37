import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { emptyDatabase, sealingKey } from '../../support/databases/databases.js';
import { serialOf } from '../../support/pki/crl.js';
import { enroll, provision } from '../../support/fleet.js';
import { startPgBouncer } from '../../support/databases/pgbouncer.js';
import { describeWith } from '../../support/programs.js';
import { startServer } from '../../support/server.js';

// The PostgreSQL of the tests is in Asia/Kolkata: a session that is not in UTC shows.
for (const mode of ['session', 'transaction'] as const)
  describeWith(['pgbouncer'], `behind PgBouncer, pool_mode ${mode}`, () => {
    it('starts, twice, and its times are right; what is revoked is listed', async () => {
      const { settings } = await emptyDatabase('postgresql');
      const bouncer = await startPgBouncer(settings['DATABASE_URL']!, mode);
      const ownerKey = `twk_${randomBytes(32).toString('base64url')}`;
      const behind = { DATABASE_URL: bouncer.url, THINGWARD_KEY: sealingKey, THINGWARD_OWNER_KEY: ownerKey };
      const first = await startServer('postgresql', behind);
      const second = await startServer('postgresql', behind);
      try {
        const expiresAt = `${new Date(Date.now() + 3_600_000).toISOString().slice(0, 19)}Z`;
        const { id, token } = await enroll(first, { expiresAt });
        const device = await provision(second, token, 'pump-1');
        expect(device.answer.status).toBe(201);
        const { items } = (await first.owner.get('/v1/enrollments')).body as {
          items: { id: string; expiresAt: string }[];
        };
        expect(Date.parse(items.find((each) => each.id === id)!.expiresAt)).toBe(Date.parse(expiresAt));
        const serial = serialOf(device);
        const stored = (await second.owner.get(`/v1/certificates/${serial}`)).body as { notAfter: string };
        expect(Date.parse(stored.notAfter)).toBe(Date.parse(device.answer.body.certificate.notAfter as string));
        const revoked = await first.owner.post(`/v1/certificates/${serial}/revoke`, { reason: 'keyCompromise' });
        expect(revoked.status, revoked.text).toBe(200);
        expect(Math.abs(Date.parse(revoked.body.revokedAt as string) - Date.now())).toBeLessThan(600_000);
        const snapshot = (await second.owner.get('/v1/revocations/snapshot')).body;
        expect(snapshot.certificates).toMatchObject([{ serialNumber: serial, revokedAt: revoked.body.revokedAt }]);
      } finally {
        await second.stop();
        await first.stop();
        await bouncer.stop();
      }
    });
  });

import { LRUCache } from 'lru-cache';
import { sql, type Database } from '../db/client.js';
import type { StoredEnrollment } from '../enrollments/store.js';
import { certificateLife } from '../limits.js';

const rememberedMs = 10_000;

/** How long certificates live: as the enrollment says, up to the limit that its account has now. */
export function createLifetimes(db: Database) {
  // Every first boot asks. A limit that was lowered counts for them ten seconds later.
  const limits = new LRUCache<string, Promise<number>>({ max: 10_000, ttl: rememberedMs });

  const limitOf = (account: string): Promise<number> => {
    const remembered = limits.get(account);
    if (remembered) return remembered;
    const reading = db.account
      .findUniqueOrThrow({ where: { name: account }, select: { maxCertificateSeconds: true } })
      .then(({ maxCertificateSeconds }) => maxCertificateSeconds);
    limits.set(account, reading);
    reading.catch(() => limits.delete(account));
    return reading;
  };

  return {
    /** Of a certificate that an enrollment gives, in seconds. */
    lifeUnder: async ({ account, certificateSeconds }: StoredEnrollment): Promise<number> =>
      Math.min(certificateSeconds ?? certificateLife.byDefault, await limitOf(account)),

    /** Of the next certificate of a thing, in seconds. */
    async nextLifeOf(thingId: string): Promise<number> {
      const [row] = await db.$queryRaw<{ seconds: number }[]>(sql`
        SELECT LEAST(COALESCE(e.certificate_seconds, ${certificateLife.byDefault}::int), a.max_certificate_seconds) AS seconds
        FROM things t JOIN accounts a ON a.name = t.account_name LEFT JOIN enrollments e ON e.id = t.enrollment_id
        WHERE t.id = ${thingId}::uuid`);
      return row!.seconds;
    },
  };
}

import { sql, type Database, type Transaction } from '../db/client.js';

/** How guesses are slowed down: so many are free, and then each doubles the wait, up to a limit. */
export type Slowing = { free: number; mostSeconds: number };

/** What the link of a person leads to. */
export type FoundLink = { account: string; personId: string | null };

export type AttemptStore = ReturnType<typeof createAttemptStore>;

/** What is counted and used up while people sign in. */
export function createAttemptStore(db: Database) {
  return {
    /**
     * Begins one guess. It is counted before it is judged, so that guesses at the same time do not share one place. Returns the seconds
     * to wait when it comes too early, and 0 otherwise.
     */
    async begin(bucket: number, at: Date, { free, mostSeconds }: Slowing): Promise<number> {
      const wait = sql`make_interval(secs => CASE WHEN d.failures < ${free}::int THEN 0
        ELSE LEAST(power(2, LEAST(d.failures - ${free}::int, 20)), ${mostSeconds}::int) END)`;
      const begun = await db.$executeRaw(sql`
        INSERT INTO sign_in_delays AS d (bucket, failures, failed_at) VALUES (${bucket}, 1, ${at})
        ON CONFLICT (bucket) DO UPDATE SET failed_at = ${at},
          failures = CASE WHEN d.failed_at < ${at}::timestamptz - interval '1 day' THEN 1 ELSE d.failures + 1 END
        WHERE d.failed_at + ${wait} <= ${at}::timestamptz`);
      if (begun === 1) return 0;
      const [row] = await db.$queryRaw<{ seconds: number }[]>(sql`
        SELECT ceil(extract(epoch FROM d.failed_at + ${wait} - ${at}::timestamptz))::int AS seconds FROM sign_in_delays d
        WHERE bucket = ${bucket}`);
      return Math.max(1, row?.seconds ?? 1);
    },

    /** The guess was right: the next wrong one is the first again. */
    async succeed(bucket: number): Promise<void> {
      await db.signInDelay.deleteMany({ where: { bucket } });
    },

    /** Uses something up that counts once. False when it was used before. */
    async spend(tx: Transaction, hash: Buffer, expiresAt: Date): Promise<boolean> {
      const data = { hash: new Uint8Array(hash), expiresAt };
      const { count } = await tx.spentToken.createMany({ data: [data], skipDuplicates: true });
      return count === 1;
    },

    async findLink(hash: Buffer, at: Date): Promise<FoundLink | undefined> {
      const row = await db.personLink.findUnique({ where: { hash: new Uint8Array(hash), expiresAt: { gt: at } } });
      return row ? { account: row.accountName, personId: row.personId } : undefined;
    },

    /** Uses a link up. Undefined when it was used, replaced or has expired. */
    async takeLink(tx: Transaction, hash: Buffer, at: Date): Promise<FoundLink | undefined> {
      const [row] = await tx.$queryRaw<FoundLink[]>(sql`
        DELETE FROM person_links WHERE hash = ${new Uint8Array(hash)} AND expires_at > ${at}
        RETURNING account_name AS account, person_id AS "personId"`);
      return row;
    },

    async takesPasswords(account: string): Promise<boolean> {
      return (await db.signInSettings.findUnique({ where: { accountName: account } }))?.passwords ?? true;
    },

    async setPasswords(tx: Transaction, account: string, passwords: boolean): Promise<void> {
      const where = { accountName: account };
      await tx.signInSettings.upsert({ where, create: { accountName: account, passwords }, update: { passwords } });
    },

    /** Forgets what has expired. */
    async sweep(at: Date): Promise<void> {
      const expired = { where: { expiresAt: { lt: at } } };
      await db.spentToken.deleteMany(expired);
      await db.personLink.deleteMany(expired);
      await db.signInDelay.deleteMany({ where: { failedAt: { lt: new Date(at.getTime() - 86_400_000) } } });
    },
  };
}

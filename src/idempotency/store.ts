import { sql, type Database } from '../db/client.js';
import { mostOfAccount } from '../limits.js';

type NewClaim = {
  id: Buffer;
  account: string;
  bodyMark: Buffer;
  claim: string;
  at: Date;
  claimedUntil: Date;
  expiresAt: Date;
};

const prunedAtOnce = 1000;

export type IdempotencyStore = ReturnType<typeof createIdempotencyStore>;

/** Requests that are under way or answered, by a hash. */
export function createIdempotencyStore(db: Database, most: number = mostOfAccount.idempotencyKeys) {
  return {
    /** True if the request is the caller's to carry out: it is new, too old to count, or its instance has died. */
    async claim({ id, account, bodyMark, claim, at, claimedUntil, expiresAt }: NewClaim): Promise<boolean> {
      const claimed = await db.$executeRaw(sql`
        INSERT INTO idempotency_keys AS k (id, account_name, body_mark, claim, claimed_until, expires_at)
        SELECT ${id}, ${account}, ${bodyMark}, ${claim}::uuid, ${claimedUntil}::timestamptz, ${expiresAt}::timestamptz
        WHERE (SELECT count(*) FROM (
            SELECT 1 FROM idempotency_keys WHERE account_name = ${account} AND expires_at > ${at} LIMIT ${most}) AS kept) < ${most}
          OR EXISTS (SELECT 1 FROM idempotency_keys WHERE id = ${id})
        ON CONFLICT (id) DO UPDATE SET body_mark = excluded.body_mark, claim = excluded.claim, answer = NULL,
          claimed_until = excluded.claimed_until, expires_at = excluded.expires_at
        WHERE k.expires_at <= ${at} OR (k.answer IS NULL AND k.claimed_until <= ${at} AND k.body_mark = excluded.body_mark)`);
      return claimed === 1;
    },

    async find(id: Buffer): Promise<{ bodyMark: Buffer; answer: Buffer | null } | undefined> {
      const row = await db.idempotencyKey.findUnique({ where: { id: new Uint8Array(id) } });
      return row ? { bodyMark: Buffer.from(row.bodyMark), answer: row.answer && Buffer.from(row.answer) } : undefined;
    },

    async keep(id: Buffer, claim: string, answer: Buffer): Promise<void> {
      await db.$executeRaw(
        sql`UPDATE idempotency_keys SET answer = ${answer} WHERE id = ${id} AND claim = ${claim}::uuid`,
      );
    },

    async drop(id: Buffer, claim: string): Promise<void> {
      await db.$executeRaw(
        sql`DELETE FROM idempotency_keys WHERE id = ${id} AND claim = ${claim}::uuid AND answer IS NULL`,
      );
    },

    /** Forgets what is too old to count, some at a time. */
    async prune(at: Date): Promise<void> {
      for (let pruned = prunedAtOnce; pruned === prunedAtOnce;)
        pruned = await db.$executeRaw(sql`
          DELETE FROM idempotency_keys WHERE id IN (
            SELECT id FROM idempotency_keys WHERE expires_at <= ${at} LIMIT ${prunedAtOnce})`);
    },
  };
}

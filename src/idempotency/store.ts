import { sql, type Database, type Transaction } from '../db/client.js';
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

type FoundRequest = { bodyMark: Buffer; answer: Buffer | null; made: boolean; claimedUntil: Date };

const prunedAtOnce = 1000;

export type IdempotencyStore = ReturnType<typeof createIdempotencyStore>;

/** Requests that are under way or answered, by a hash. */
export function createIdempotencyStore(db: Database, most: number = mostOfAccount.idempotencyKeys) {
  return {
    /** True if the request is the caller's to carry out: it is new, too old to count, or its instance died before it made anything. */
    async claim({ id, account, bodyMark, claim, at, claimedUntil, expiresAt }: NewClaim): Promise<boolean> {
      const claimed = await db.$executeRaw(sql`
        INSERT INTO idempotency_keys AS k (id, account_name, body_mark, claim, claimed_until, expires_at)
        SELECT ${id}, ${account}, ${bodyMark}, ${claim}::uuid, ${claimedUntil}::timestamptz, ${expiresAt}::timestamptz
        WHERE (SELECT count(*) FROM (
            SELECT 1 FROM idempotency_keys WHERE account_name = ${account} AND expires_at > ${at} LIMIT ${most}) AS kept) < ${most}
          OR EXISTS (SELECT 1 FROM idempotency_keys WHERE id = ${id})
        ON CONFLICT (id) DO UPDATE SET body_mark = excluded.body_mark, claim = excluded.claim, answer = NULL,
          made = false, claimed_until = excluded.claimed_until, expires_at = excluded.expires_at
        WHERE k.expires_at <= ${at} OR (k.answer IS NULL AND NOT k.made AND k.claimed_until <= ${at} AND k.body_mark = excluded.body_mark)`);
      return claimed === 1;
    },

    async find(id: Buffer): Promise<FoundRequest | undefined> {
      const row = await db.idempotencyKey.findUnique({ where: { id: new Uint8Array(id) } });
      if (!row) return undefined;
      const { bodyMark, answer, made, claimedUntil } = row;
      return { bodyMark: Buffer.from(bodyMark), answer: answer && Buffer.from(answer), made, claimedUntil };
    },

    /** False if the request is no longer the claim's. Until the transaction ends, nobody takes it over. */
    async markMade(tx: Transaction, id: Buffer, claim: string): Promise<boolean> {
      const marked = await tx.$executeRaw(
        sql`UPDATE idempotency_keys SET made = true WHERE id = ${id} AND claim = ${claim}::uuid`,
      );
      return marked === 1;
    },

    async keep(id: Buffer, claim: string, answer: Buffer): Promise<void> {
      await db.$executeRaw(
        sql`UPDATE idempotency_keys SET answer = ${answer} WHERE id = ${id} AND claim = ${claim}::uuid`,
      );
    },

    /** Forgets a request that made nothing. Of one that did, it stays known that its answer is lost. */
    async drop(id: Buffer, claim: string, at: Date): Promise<void> {
      await db.$executeRaw(sql`
        WITH lost AS (
          UPDATE idempotency_keys SET claimed_until = ${at}::timestamptz
          WHERE id = ${id} AND claim = ${claim}::uuid AND answer IS NULL AND made)
        DELETE FROM idempotency_keys WHERE id = ${id} AND claim = ${claim}::uuid AND answer IS NULL AND NOT made`);
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

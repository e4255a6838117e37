import { sql, type Commit, type Database, type Transaction } from '../db/client.js';
import type { Claim } from './edge-schema.js';

/** An edge, as far as commands need it. */
export type Sender = { keyId: string; sessions: boolean; incarnation: string | null };

/** A command that an edge has to send; `payload` is JSON. */
export type ClaimedCommand = {
  id: string;
  ordinal: bigint;
  session: string;
  thingId: string;
  thingName: string;
  name: string;
  payload: string;
  expiresAt: Date;
};

/** What an edge says of a command. */
export type Outcome = {
  id: string;
  thingName: string;
  status: 'acknowledged' | 'failed';
  reason: string | null;
  /** JSON of what the device answered; null where the edge speaks for itself. */
  result: string | null;
};

export type ClaimStore = ReturnType<typeof createClaimStore>;

const columns = sql`c.id, c.ordinal, c.session_id AS session, c.thing_id AS "thingId", c.thing_name AS "thingName", c.name, c.payload,
  c.expires_at AS "expiresAt"`;

/** Commands on their way: which edge has to send them, and what edges say became of them. */
export function createClaimStore(db: Database, commit: Commit) {
  return {
    transaction: commit,

    async sender(account: string, id: string): Promise<Sender | undefined> {
      const [found] = await db.$queryRaw<Sender[]>(sql`
        SELECT key_id AS "keyId", sessions, incarnation FROM proxies WHERE id = ${id}::uuid AND account_name = ${account}`);
      return found;
    },

    /** Those of these sessions that the edge reported in this run and did not close since. */
    async held(account: string, { proxy, incarnation, sessions }: Claim): Promise<string[]> {
      const ids = sessions.map(({ id }) => id);
      const rows = await db.$queryRaw<{ id: string }[]>(sql`
        SELECT s.id FROM sessions s WHERE s.proxy_id = ${proxy}::uuid AND s.account_name = ${account}
          AND s.incarnation = ${incarnation} AND s.id = ANY(${ids})`);
      return rows.map(({ id }) => id);
    },

    /** What a claim got before. */
    claimedBefore: (account: string, proxy: string, claim: string): Promise<ClaimedCommand[]> =>
      db.$queryRaw<ClaimedCommand[]>(sql`
        SELECT ${columns} FROM commands c WHERE c.claim = ${claim}::uuid AND c.proxy_id = ${proxy}::uuid AND c.account_name = ${account}
          AND c.status = 'claimed' ORDER BY c.ordinal`),

    /**
     * Gives queued commands to an edge that holds a session of their thing, in one statement: what another edge claims at the same
     * moment is skipped. A thing that is not active gets none, and a later thing of the same name none of an earlier one.
     */
    async claim(account: string, { proxy, incarnation, claim, sessions }: Claim, most: number, now: Date) {
      const rows = await db.$queryRaw<ClaimedCommand[]>(sql`
        UPDATE commands c SET status = 'claimed', claim = ${claim}::uuid, proxy_id = ${proxy}::uuid, session_id = n.session, claimed_at = ${now}
        FROM (
          SELECT q.id, s.id AS session
          FROM jsonb_to_recordset(${JSON.stringify(sessions)}::jsonb) AS r(id text, names jsonb)
          JOIN sessions s ON s.proxy_id = ${proxy}::uuid AND s.id = r.id AND s.account_name = ${account} AND s.incarnation = ${incarnation}
          JOIN commands q ON q.account_name = ${account} AND q.thing_name = s.thing_name AND q.status = 'queued' AND q.expires_at > ${now}
            AND (r.names IS NULL OR r.names ? q.name)
          JOIN things t ON t.id = q.thing_id AND t.account_name = ${account} AND t.name = s.thing_name AND t.status = 'active'
          ORDER BY q.ordinal LIMIT ${most} FOR UPDATE OF q SKIP LOCKED) AS n
        WHERE c.id = n.id AND c.status = 'queued' RETURNING ${columns}`);
      return rows.sort((a, b) => (a.ordinal < b.ordinal ? -1 : 1));
    },

    /** Makes a command wait again that its edge certainly did not send. Returns whether it was this edge's to say so. */
    release: async (tx: Transaction, account: string, proxy: string, id: string): Promise<boolean> =>
      (await tx.$executeRaw(sql`
        UPDATE commands SET status = 'queued', claim = NULL, proxy_id = NULL, session_id = NULL, claimed_at = NULL
        WHERE id = ${id}::uuid AND account_name = ${account} AND proxy_id = ${proxy}::uuid AND status = 'claimed'`)) >
      0,

    async deliver(tx: Transaction, account: string, proxy: string, id: string, now: Date): Promise<void> {
      await tx.$executeRaw(sql`
        UPDATE commands SET delivered_at = ${now}, status = CASE WHEN status = 'claimed' THEN 'delivered' ELSE status END
        WHERE id = ${id}::uuid AND account_name = ${account} AND proxy_id = ${proxy}::uuid AND delivered_at IS NULL
          AND status IN ('claimed', 'unknown')`);
    },

    /**
     * Notes how a command ended, once. The edge that sent it may say so, and for what a device answered, one with a session of the thing:
     * a device may answer where it came back. An answer after the expiry counts too.
     */
    async finish(tx: Transaction, account: string, proxy: string, outcome: Outcome, now: Date): Promise<void> {
      const { id, thingName, status, reason, result } = outcome;
      await tx.$executeRaw(sql`
        UPDATE commands c SET status = ${status}, finished_at = ${now}, reason = ${reason}, result = ${result},
          delivered_at = CASE WHEN ${reason}::text IS NULL THEN COALESCE(c.delivered_at, ${now}) ELSE c.delivered_at END
        WHERE c.id = ${id}::uuid AND c.account_name = ${account} AND c.thing_name = ${thingName}
          AND c.status IN ('claimed', 'delivered', 'unknown')
          AND EXISTS (SELECT 1 FROM things t WHERE t.id = c.thing_id AND t.account_name = ${account} AND t.name = ${thingName})
          AND (c.proxy_id = ${proxy}::uuid OR (${reason}::text IS NULL AND EXISTS (
            SELECT 1 FROM sessions s WHERE s.proxy_id = ${proxy}::uuid AND s.account_name = ${account} AND s.thing_name = ${thingName})))`);
    },
  };
}

import { sql, type Database, type Transaction } from '../db/client.js';
import type { LogCursor } from '../log/cursor.js';
import { epochNow } from '../log/head.js';
import { proxyColumns, type Proxy } from './proxy-store.js';

/** What an edge reports of a run: how far it has applied the log, and, with sessions, how far none of them contradicts it. */
export type Report = LogCursor & {
  incarnation: string;
  mode: string;
  enforced: LogCursor | undefined;
  /** How many sessions it closed since its last report. */
  sessionsClosed: number | undefined;
};

/** Why a report was not noted. */
export type Unnoted = 'ahead' | 'unknown' | 'other-key' | 'other-epoch' | 'without-sessions' | 'unapplied';

/** An edge, and since when it has come to a place in the log, by its own word. */
export type Enforcement = Proxy & {
  appliedAt: Date | null;
  enforcedAt: Date | null;
  /** How many sessions it closed for that, and for what it enforced at the same time. */
  closed: number | null;
};

type Before = {
  keyId: string;
  sessions: boolean;
  incarnation: string | null;
  applied: bigint | null;
  enforced: bigint | null;
  epoch: string;
  head: bigint;
};

export type ReceiptStore = ReturnType<typeof createReceiptStore>;

/** What edges say they have applied and enforce, and when they first said so. */
export function createReceiptStore(db: Database) {
  return {
    /** Notes a report. A new incarnation begins again: what the one before had applied, it has forgotten. Else nothing is noted. */
    confirm: (account: string, keyId: string, id: string, report: Report): Promise<Proxy | Unnoted> =>
      db.$transaction(async (tx) => {
        const proxy = await lock(tx, account, id);
        const refusal = refusalOf(proxy, keyId, report);
        if (!proxy || refusal) return refusal ?? 'unknown';
        const { position, incarnation, mode } = report;
        const isSame = proxy.incarnation === incarnation;
        const before = isSame ? placesOf(proxy) : nowhere;
        const applied = Math.max(position, before.applied);
        const enforced = report.enforced?.position ?? -1;
        // An edge cannot enforce what it has not applied.
        if (enforced > applied) return 'unapplied';
        if (!isSame) await forget(tx, id);
        if (position > before.applied)
          await tx.$executeRaw(
            sql`INSERT INTO receipts (proxy_id, position, at) VALUES (${id}::uuid, ${position}, clock_timestamp())`,
          );
        await tx.$executeRaw(sql`
          UPDATE proxies SET incarnation = ${incarnation}, mode = ${mode}, applied = ${applied}, confirmed_at = clock_timestamp(),
            sessions_closed = LEAST(sessions_closed::bigint + ${report.sessionsClosed ?? 0}, 2147483647)
          WHERE id = ${id}::uuid`);
        if (enforced > before.enforced) await noteEnforced(tx, id, incarnation, enforced);
        const [noted] = await tx.$queryRaw<Proxy[]>(
          sql`SELECT ${proxyColumns} FROM proxies p WHERE p.id = ${id}::uuid`,
        );
        return noted!;
      }),

    /** A run has begun that has applied nothing yet. The lock on the proxy is held. */
    async beginRun(tx: Transaction, id: string, incarnation: string): Promise<void> {
      await forget(tx, id);
      await tx.$executeRaw(sql`UPDATE proxies SET incarnation = ${incarnation}, applied = NULL WHERE id = ${id}::uuid`);
    },

    /** Every proxy of an account, with the times at which it first confirmed a position or a later one. */
    enforcement: (account: string, position: number): Promise<Enforcement[]> =>
      db.$queryRaw<Enforcement[]>(sql`
        SELECT ${proxyColumns}, (SELECT min(r.at) FROM receipts r WHERE r.proxy_id = p.id AND r.position >= ${position}) AS "appliedAt",
          f.at AS "enforcedAt", f.sessions_closed AS closed
        FROM proxies p LEFT JOIN LATERAL (
          SELECT e.at, e.sessions_closed FROM enforcements e
          WHERE e.proxy_id = p.id AND e.incarnation = p.incarnation AND e.position >= ${position} ORDER BY e.position LIMIT 1) f ON true
        WHERE p.account_name = ${account} ORDER BY p.name`),

    /**
     * Forgets receipts of what the log no longer has, but for each proxy's last; and of those older than a day all
     * but the last of an hour, so that "since" may be said an hour too late, and never too early.
     */
    async prune(): Promise<void> {
      await db.$executeRaw(sql`
        DELETE FROM receipts r USING receipts n
        WHERE r.at < clock_timestamp() - interval '1 day' AND n.proxy_id = r.proxy_id AND n.position > r.position
          AND date_trunc('hour', n.at) = date_trunc('hour', r.at)`);
      await db.$executeRaw(sql`
        DELETE FROM receipts r USING proxies p, log_head h
        WHERE p.id = r.proxy_id AND r.position <= h.pruned AND r.position < p.applied`);
      await db.$executeRaw(sql`
        DELETE FROM enforcements e USING enforcements n
        WHERE e.at < clock_timestamp() - interval '1 day' AND n.proxy_id = e.proxy_id AND n.incarnation = e.incarnation AND n.position > e.position
          AND date_trunc('hour', n.at) = date_trunc('hour', e.at)`);
      await db.$executeRaw(sql`
        DELETE FROM enforcements e USING proxies p, log_head h WHERE p.id = e.proxy_id AND (p.incarnation <> e.incarnation
          OR (e.position <= h.pruned AND EXISTS (
            SELECT 1 FROM enforcements n WHERE n.proxy_id = e.proxy_id AND n.incarnation = e.incarnation AND n.position > e.position)))`);
    },
  };
}

const nowhere = { applied: -1, enforced: -1 };

/** How far a run had come. */
function placesOf({ applied, enforced }: Before): typeof nowhere {
  return { applied: Number(applied ?? -1n), enforced: Number(enforced ?? -1n) };
}

/** INVARIANT: what there is is read once the lock is held: the statement that waits for a lock sees nothing of the report before. */
async function lock(tx: Transaction, account: string, id: string): Promise<Before | undefined> {
  await tx.$executeRaw(sql`SELECT 1 FROM proxies WHERE id = ${id}::uuid AND account_name = ${account} FOR UPDATE`);
  const [proxy] = await tx.$queryRaw<Before[]>(sql`
    SELECT p.key_id AS "keyId", p.sessions, p.incarnation, p.applied, ${epochNow} AS epoch, h.position AS head,
      (SELECT max(e.position) FROM enforcements e WHERE e.proxy_id = p.id AND e.incarnation = p.incarnation) AS enforced
    FROM proxies p CROSS JOIN log_head h WHERE p.id = ${id}::uuid AND p.account_name = ${account}`);
  return proxy;
}

function refusalOf(proxy: Before | undefined, keyId: string, report: Report): Unnoted | undefined {
  if (!proxy) return 'unknown';
  if (proxy.keyId !== keyId) return 'other-key';
  const { epoch, position, enforced, sessionsClosed } = report;
  if (!proxy.sessions && (enforced !== undefined || sessionsClosed !== undefined)) return 'without-sessions';
  if (proxy.epoch !== epoch || (enforced && enforced.epoch !== epoch)) return 'other-epoch';
  return position > Number(proxy.head) ? 'ahead' : undefined;
}

/** Forgets what the run before this one had come to, and the sessions that it held. */
async function forget(tx: Transaction, id: string): Promise<void> {
  await tx.$executeRaw(sql`DELETE FROM receipts WHERE proxy_id = ${id}::uuid`);
  await tx.$executeRaw(sql`DELETE FROM enforcements WHERE proxy_id = ${id}::uuid`);
  await tx.$executeRaw(sql`DELETE FROM sessions WHERE proxy_id = ${id}::uuid`);
  await tx.$executeRaw(
    sql`UPDATE proxies SET sessions_closed = 0, session_count = 0, sessions_incarnation = NULL WHERE id = ${id}::uuid`,
  );
}

/** What it closed since it last enforced more belongs to this receipt. */
async function noteEnforced(tx: Transaction, id: string, incarnation: string, position: number): Promise<void> {
  await tx.$executeRaw(sql`
    INSERT INTO enforcements (proxy_id, incarnation, position, at, sessions_closed)
    SELECT id, ${incarnation}, ${position}, clock_timestamp(), sessions_closed FROM proxies WHERE id = ${id}::uuid`);
  await tx.$executeRaw(sql`UPDATE proxies SET sessions_closed = 0 WHERE id = ${id}::uuid`);
}

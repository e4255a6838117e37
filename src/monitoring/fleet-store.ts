import { addSeconds } from '../clock.js';
import { sql, type Database } from '../db/client.js';
import { proxyStaleSeconds } from '../limits.js';

const day = 86_400;
/** Rows of one account that are counted; beyond it a figure says "at least so many". */
export const mostCounted = 10_000;

/** What of the kinds of authorities runs out first. Null where there is none. */
export type KindFigures = { kind: string; signedAt: Date | null; listEnds: Date | null; authorityEnds: Date | null };

/** Figures of all accounts together: none of them names one. */
export type FleetFigures = {
  head: number;
  instances: number;
  kinds: KindFigures[];
  endingIn7Days: number;
  endingIn30Days: number;
  enrollments: { open: number; nearlyUsed: number; usedUp: number };
  edges: { confirmed: number; stale: number; lag: number };
};

/** Reads the figures. Every count has a limit for each account and uses an index, so that a large fleet costs little more than a small one. */
export async function readFleet(db: Database, at: Date): Promise<FleetFigures> {
  const [log] = await db.$queryRaw<{ head: bigint; instances: bigint }[]>(sql`
    SELECT position AS head, (SELECT count(*) FROM instances WHERE lease_until > clock_timestamp()) AS instances FROM log_head`);
  const kinds = await db.$queryRaw<KindFigures[]>(sql`
    SELECT i.kind, min(c.signed_at) AS "signedAt", min(c.next_update) AS "listEnds", min(i.not_after) FILTER (WHERE i.status <> 'retired') AS "authorityEnds"
    FROM issuers i LEFT JOIN crls c ON c.issuer_id = i.id WHERE i.not_after > ${at} GROUP BY i.kind ORDER BY i.kind`);
  return {
    head: Number(log?.head ?? 0),
    instances: Number(log?.instances ?? 0),
    kinds,
    endingIn7Days: await countEnding(db, at, 7),
    endingIn30Days: await countEnding(db, at, 30),
    enrollments: await readEnrollments(db, at),
    edges: await readEdges(db),
  };
}

/** Certificates of active things that expire within so many days, are not revoked, and have no newer one beside them. */
async function countEnding(db: Database, at: Date, days: number): Promise<number> {
  const [row] = await db.$queryRaw<{ count: bigint }[]>(sql`
    SELECT count(*) AS count FROM accounts a CROSS JOIN LATERAL (
      SELECT c.thing_id, c.created_at FROM certificates c
      WHERE c.account_name = a.name AND c.not_after > ${at} AND c.not_after <= ${addSeconds(at, days * day)} AND c.revoked_at IS NULL
      LIMIT ${mostCounted}) c
    JOIN things t ON t.id = c.thing_id AND t.status = 'active'
    WHERE NOT EXISTS (SELECT 1 FROM certificates n
      WHERE n.thing_id = c.thing_id AND n.created_at > c.created_at AND n.revoked_at IS NULL)`);
  return Number(row!.count);
}

/** Enrollments for many devices that are neither revoked nor expired. Nearly used: nine of ten uses are gone. */
async function readEnrollments(db: Database, at: Date): Promise<FleetFigures['enrollments']> {
  const [row] = await db.$queryRaw<{ open: bigint; nearlyUsed: bigint; usedUp: bigint }[]>(sql`
    SELECT count(*) FILTER (WHERE e.uses < e.max_uses * 0.9) AS open,
      count(*) FILTER (WHERE e.uses >= e.max_uses * 0.9 AND e.uses < e.max_uses) AS "nearlyUsed",
      count(*) FILTER (WHERE e.uses >= e.max_uses) AS "usedUp"
    FROM accounts a CROSS JOIN LATERAL (
      SELECT uses, max_uses FROM enrollments e
      WHERE e.account_name = a.name AND e.revoked_at IS NULL AND (e.expires_at IS NULL OR e.expires_at > ${at}) AND e.max_uses > 1
      ORDER BY e.id DESC LIMIT ${mostCounted}) e`);
  const { open, nearlyUsed, usedUp } = row!;
  return { open: Number(open), nearlyUsed: Number(nearlyUsed), usedUp: Number(usedUp) };
}

/** Edges by whether they confirmed recently, and how many entries the slowest of those that did is behind. */
async function readEdges(db: Database): Promise<FleetFigures['edges']> {
  const [row] = await db.$queryRaw<{ confirmed: bigint; stale: bigint; lag: bigint }[]>(sql`
    SELECT count(*) FILTER (WHERE p.fresh) AS confirmed, count(*) FILTER (WHERE NOT p.fresh) AS stale,
      coalesce(max(p.behind) FILTER (WHERE p.fresh), 0) AS lag
    FROM (SELECT coalesce(confirmed_at >= clock_timestamp() - ${proxyStaleSeconds} * interval '1 second', false) AS fresh,
      greatest(0, (SELECT position FROM log_head) - applied) AS behind FROM proxies) p`);
  const { confirmed, stale, lag } = row!;
  return { confirmed: Number(confirmed), stale: Number(stale), lag: Number(lag) };
}

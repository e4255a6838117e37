import { proxyStaleSeconds } from '../limits.js';
import { sql, type Database } from '../db/client.js';
import { compared, type StaleKind } from './kinds.js';

/** An entry of the audit, as far as it says what became stale. */
export type Changed = { id: bigint; account: string; action: string; target: string };

/** How the compared kinds of an account look: a text for each, which differs when something changed. */
export type Look = { account: string } & Record<(typeof compared)[number], string>;

export type StaleStore = ReturnType<typeof createStaleStore>;

/** Reads what changed. Nothing is written for it, and nothing read while nobody listens. */
export function createStaleStore(db: Database) {
  return {
    /** The highest id that was given to an entry of the audit. */
    async last(): Promise<bigint> {
      const [row] = await db.$queryRaw<{ id: bigint }[]>(sql`SELECT coalesce(max(id), 0) AS id FROM audit_entries`);
      return row!.id;
    },

    /** The entries after an id, and those of ids that had not been committed before, at most `limit`. */
    changed: (after: bigint, missing: bigint[], limit: number): Promise<Changed[]> =>
      db.$queryRaw<Changed[]>(sql`
        SELECT id, account_name AS account, action, target FROM audit_entries WHERE id > ${after}
        UNION ALL SELECT id, account_name, action, target FROM audit_entries WHERE id = ANY(${missing})
        ORDER BY id LIMIT ${limit}`),

    /** The entries of an account after an id, at most `limit`. */
    changedOf: (account: string, after: bigint, limit: number): Promise<Changed[]> =>
      db.$queryRaw<Changed[]>(sql`
        SELECT id, account_name AS account, action, target FROM audit_entries
        WHERE account_name = ${account} AND id > ${after} ORDER BY id LIMIT ${limit}`),

    look: (accounts: string[], at: Date): Promise<Look[]> => db.$queryRaw<Look[]>(looks(accounts, at)),
  };
}

const looks = (accounts: string[], at: Date) => sql`
  SELECT a.name AS account, alerts, aws, decisions, edges, issuers, metrics, receipts, sessions, webhooks
  FROM unnest(${accounts}::text[]) AS a(name)
  CROSS JOIN LATERAL (
    SELECT concat_ws(' ', string_agg(concat(o.id, o.status, o.notified), ' ' ORDER BY o.id),
      (SELECT max(started_at) FROM alerts WHERE account_name = a.name)) AS alerts
    FROM alert_rules r JOIN alerts o ON o.rule_id = r.id AND o.status <> 'resolved' WHERE r.account_name = a.name) al
  CROSS JOIN LATERAL (
    SELECT concat_ws(' ', (SELECT concat(mode, updated_at, reconciled_at, blocked_until, trouble) FROM aws_mirrors WHERE account_name = a.name),
      (SELECT concat(id, status, counts) FROM aws_reconciliations WHERE account_name = a.name ORDER BY started_at DESC LIMIT 1)) AS aws) aw
  CROSS JOIN LATERAL (SELECT coalesce(max(id), 0)::text AS decisions FROM decision_samples WHERE account_name = a.name) de
  CROSS JOIN LATERAL (
    SELECT concat_ws(' ', count(*), sum(p.applied), count(*) FILTER (WHERE p.confirmed_at > ${at}::timestamptz - ${proxyStaleSeconds} * interval '1 second'),
        floor(extract(epoch FROM max(p.confirmed_at)) / 10)) AS edges,
      concat_ws(' ', sum(p.applied), sum(e.position)) AS receipts,
      concat_ws(' ', sum(p.session_count), max(p.sessions_reported_at)) AS sessions
    FROM proxies p LEFT JOIN LATERAL (
      SELECT max(position) AS position FROM enforcements WHERE proxy_id = p.id AND incarnation = p.sessions_incarnation) e ON true
    WHERE p.account_name = a.name) ed
  CROSS JOIN LATERAL (
    SELECT concat_ws(' ', max(c.number), max(c.this_update)) AS issuers
    FROM issuers i JOIN crls c ON c.issuer_id = i.id WHERE i.account_name = a.name) li
  CROSS JOIN LATERAL (SELECT concat(max(done_at)) AS metrics FROM duties WHERE name = 'figures') me
  CROSS JOIN LATERAL (
    SELECT concat_ws(' ', max(r.served_at), max(r.next_at), sum(r.failures), count(r.full_since), max(d.id)) AS webhooks
    FROM receivers r LEFT JOIN LATERAL (SELECT max(id) AS id FROM deliveries WHERE receiver_id = r.id) d ON true
    WHERE r.account_name = a.name) we`;

/** The compared kinds that differ between two looks. */
export const differing = (before: Look, after: Look): StaleKind[] =>
  compared.filter((kind) => before[kind] !== after[kind]);

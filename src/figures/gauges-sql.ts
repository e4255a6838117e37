import { addSeconds } from '../clock.js';
import { sql, type Transaction } from '../db/client.js';
import { proxyStaleSeconds } from '../limits.js';
import type { FigureName } from '../metrics/names.js';

type Sql = ReturnType<typeof sql>;

const mostLabels = 50;
/** Rows of one account that are counted; beyond it a figure says "at least so many". */
const mostCounted = 10_000;
const week = 7 * 86_400;

const edges = sql`
  SELECT p.account_name, p.name, p.confirmed_at, p.session_count, greatest(0, (SELECT position FROM log_head) - p.applied) AS behind,
    coalesce(p.confirmed_at >= clock_timestamp() - ${proxyStaleSeconds} * interval '1 second', false) AS fresh FROM proxies p`;

/** Rows `(account_name, name, label, value)` of a value for each edge: the whole, and at most fifty edges by name. */
function byEdge(name: FigureName, of: Sql, whole: Sql): Sql {
  return sql`
    SELECT account_name, ${name}::text AS name, '' AS label, ${whole} AS value FROM (${of}) e GROUP BY account_name HAVING ${whole} > 0
    UNION ALL
    SELECT account_name, ${name}::text, CASE WHEN place <= ${mostLabels} THEN left(label, 128) ELSE 'other' END, ${whole} FROM (
      SELECT e.*, row_number() OVER (PARTITION BY account_name ORDER BY value DESC, label) AS place FROM (${of}) e WHERE value > 0) r
    GROUP BY 1, 2, 3`;
}

const sum = sql`sum(value)::float8`;
const max = sql`max(value)::float8`;

/** One query for each gauge, over all accounts; each is bounded for each account and uses an index. */
export function gaugeQueries(at: Date): Sql[] {
  const plain = (name: FigureName, from: Sql): Sql =>
    sql`SELECT account_name, ${name}::text AS name, '' AS label, count(*)::float8 AS value FROM (${from}) x GROUP BY account_name`;
  return [
    plain('edges.confirmed', sql`SELECT account_name FROM (${edges}) e WHERE fresh`),
    plain('edges.stale', sql`SELECT account_name FROM (${edges}) e WHERE NOT fresh`),
    byEdge('edges.lag', sql`SELECT account_name, name AS label, behind AS value FROM (${edges}) e WHERE fresh`, max),
    byEdge(
      'edges.silence',
      sql`SELECT account_name, name AS label, extract(epoch FROM clock_timestamp() - confirmed_at) AS value FROM (${edges}) e WHERE NOT fresh AND confirmed_at IS NOT NULL`,
      max,
    ),
    byEdge('sessions.open', sql`SELECT account_name, name AS label, session_count AS value FROM (${edges}) e`, sum),
    lists('lists.age', sql`max(extract(epoch FROM ${at}::timestamptz - c.signed_at))`, sql`true`, at),
    lists('lists.ends', sql`min(extract(epoch FROM c.next_update - ${at}::timestamptz))`, sql`i.kind = 'issuing'`, at),
    plain('lists.imported', pastHalf(at)),
    enrollments('enrollments.nearlyUsed', sql`e.uses >= e.max_uses * 0.9 AND e.uses < e.max_uses`, at),
    enrollments('enrollments.usedUp', sql`e.uses >= e.max_uses`, at),
    plain(
      'devices.waiting',
      sql`SELECT account_name FROM waiting_devices WHERE status = 'waiting' AND expires_at > ${at}`,
    ),
    plain('certificates.ending', ending(at)),
    plain('alerts.open', sql`SELECT account_name FROM alerts WHERE status <> 'resolved'`),
    plain('events.waiting', sql`SELECT account_name FROM deliveries WHERE status = 'pending'`),
    plain('events.parked', sql`SELECT account_name FROM deliveries WHERE status = 'parked'`),
    plain('aws.queue', sql`SELECT account_name FROM aws_sagas WHERE change > mirrored`),
    plain('aws.drift', sql`SELECT account_name FROM aws_sagas WHERE status IN ('drifted', 'gone')`),
    sql`SELECT account_name, 'aws.age' AS name, '' AS label, extract(epoch FROM ${at}::timestamptz - min(pending_since))::float8 AS value
      FROM aws_sagas WHERE change > mirrored AND pending_since < ${at} GROUP BY account_name`,
  ];
}

const lists = (name: FigureName, value: Sql, which: Sql, at: Date): Sql => sql`
  SELECT i.account_name, ${name}::text AS name, '' AS label, ${value}::float8 AS value FROM issuers i JOIN crls c ON c.issuer_id = i.id
  WHERE i.not_after > ${at} AND ${which} AND c.signed_at IS NOT NULL GROUP BY i.account_name`;

const pastHalf = (at: Date): Sql => sql`
  SELECT i.account_name FROM issuers i JOIN imported_lists l ON l.issuer_id = i.id
  WHERE i.not_after > ${at} AND ${at}::timestamptz >= l.this_update + (l.next_update - l.this_update) / 2`;

const enrollments = (name: FigureName, which: Sql, at: Date): Sql => sql`
  SELECT a.name AS account_name, ${name}::text AS name, '' AS label, count(*)::float8 AS value FROM accounts a CROSS JOIN LATERAL (
    SELECT uses, max_uses FROM enrollments e
    WHERE e.account_name = a.name AND e.revoked_at IS NULL AND (e.expires_at IS NULL OR e.expires_at > ${at}) AND e.max_uses > 1
    ORDER BY e.id DESC LIMIT ${mostCounted}) e WHERE ${which} GROUP BY a.name`;

const ending = (at: Date): Sql => sql`
  SELECT c.account_name FROM accounts a CROSS JOIN LATERAL (
    SELECT c.account_name, c.thing_id, c.created_at FROM certificates c
    WHERE c.account_name = a.name AND c.not_after > ${at} AND c.not_after <= ${addSeconds(at, week)} AND c.revoked_at IS NULL
    LIMIT ${mostCounted}) c
  JOIN things t ON t.id = c.thing_id AND t.status = 'active'
  WHERE NOT EXISTS (SELECT 1 FROM certificates n
    WHERE n.thing_id = c.thing_id AND n.created_at > c.created_at AND n.revoked_at IS NULL)`;

/** Counts that the audit has: what is committed, by the minute in which it was done. */
export function auditQueries(from: Date): Sql[] {
  const rows = sql`
    SELECT a.name AS account_name, e.action, e.detail, date_trunc('minute', e.at) AS minute FROM accounts a
    JOIN audit_entries e ON e.account_name = a.name AND e.at >= ${from}`;
  const actions = (name: FigureName, which: string[]): Sql => sql`
    SELECT account_name, ${name}::text AS name, '' AS label, minute, count(*)::float8 AS value FROM (${rows}) r
    WHERE action = ANY(${which}) GROUP BY account_name, minute`;
  const revoked = sql`
    SELECT account_name, minute, detail->>'reason' AS reason, jsonb_array_length(detail->'serialNumbers') AS number FROM (${rows}) r
    WHERE jsonb_typeof(detail->'serialNumbers') = 'array' AND detail ? 'reason'`;
  return [
    actions('things.provisioned', ['thing.provision', 'thing.reenrolled']),
    actions('certificates.renewed', ['certificate.renew']),
    sql`SELECT account_name, 'certificates.revoked' AS name, CASE WHEN grouping(reason) = 1 THEN '' ELSE coalesce(nullif(left(reason, 128), ''), 'none') END AS label, minute, sum(number)::float8 AS value
      FROM (${revoked}) r GROUP BY GROUPING SETS ((account_name, minute), (account_name, minute, reason)) HAVING sum(number) > 0`,
  ];
}

/** Names whose rows of a minute are written again as a whole. */
export const auditNames: FigureName[] = ['things.provisioned', 'certificates.renewed', 'certificates.revoked'];

/** Writes rows in place of those of the same names. */
export async function replace(tx: Transaction, from: Date, names: string[], queries: Sql[]): Promise<void> {
  await tx.$executeRaw(sql`DELETE FROM figures WHERE minute >= ${from} AND name = ANY(${names})`);
  for (const query of queries)
    await tx.$executeRaw(sql`INSERT INTO figures (account_name, name, label, minute, value) ${query}`);
}

import { randomUUID } from 'node:crypto';
import { sql, type Database, type Transaction } from '../db/client.js';
import type { NewLogEntry } from './entries.js';

/** Appends entries in the writing transaction and returns the position of the last. */
export type AppendLog = (tx: Transaction, at: Date, entries: NewLogEntry[]) => Promise<bigint>;

/** What instances listen to for new entries. */
export const logChannel = 'thingward_log';

/**
 * Positions are given in commit order: the one row of `log_head` stays locked from here to the commit.
 * Call it last in a transaction, and once. (A sequence would give positions in the order of asking, and a
 * reader that follows `position > last` would lose entries permanently.)
 */
export const appendLog: AppendLog = async (tx, at, entries) => {
  const rows = entries.map((entry, n) => ({
    ...entry,
    n: n + 1,
    keep: new Date(lastMattersAt(at, entry) + keepAfterExpiryMs),
  }));
  // Every revoked certificate knows its place in the log, which is its place in the list. The notification tells the
  // instances that wait for entries; it arrives with the commit.
  const [head] = await tx.$queryRaw<{ position: bigint }[]>(sql`
    WITH head AS (UPDATE log_head SET position = position + ${rows.length} RETURNING position - ${rows.length} AS before, position),
    r AS (SELECT head.before + r.n AS position, r.account, r.type, r.payload, r.keep FROM head,
      jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) AS r(n int, account text, type text, payload jsonb, keep timestamptz)),
    e AS (INSERT INTO log_entries (position, at, account_name, type, payload, keep_until)
      SELECT position, ${at}, account, type, payload, keep FROM r),
    c AS (UPDATE certificates c SET revoked_position = r.position FROM r
      WHERE r.type = 'certificate' AND c.serial_number = r.payload->>'serialNumber')
    SELECT position, pg_notify(${logChannel}, '')::text AS told FROM head`);
  return head!.position;
};

/**
 * What stands in a list stays there, and in the log, this long after the certificate expired: a whole list's life
 * and a day. RFC 5280 §3.3 asks for one list after the expiry.
 */
export const keepAfterExpiryMs = 8 * 86_400_000;

function lastMattersAt(at: Date, { type, payload }: NewLogEntry): number {
  if (type !== 'certificate' && type !== 'release') return at.getTime();
  // What others issued is on no list, and may be valid for decades.
  return payload.scope === 'external' ? at.getTime() : Math.max(at.getTime(), Date.parse(payload.notAfter));
}

const prunedAtOnce = 10_000;

/**
 * Prunes the beginning of the log, which no longer matters to anyone. Returns how far it is gone. It goes in chunks, so that
 * whoever appends meanwhile never waits long for the head.
 */
export async function pruneLog(db: Database, now: Date, chunk = prunedAtOnce): Promise<number> {
  // INVARIANT: one statement finds what is kept and where the log ends: what is appended after it is not cut.
  const [log] = await db.$queryRaw<{ pruned: bigint; upTo: bigint }[]>(sql`
    SELECT h.pruned, COALESCE((SELECT e.position - 1 FROM log_entries e WHERE e.keep_until > ${now} ORDER BY e.position LIMIT 1), h.position) AS "upTo"
    FROM log_head h`);
  let pruned = Number(log!.pruned);
  while (pruned < Number(log!.upTo)) {
    pruned = Math.min(pruned + chunk, Number(log!.upTo));
    await db.$executeRaw(sql`
      WITH gone AS (DELETE FROM log_entries WHERE position <= ${pruned})
      UPDATE log_head SET pruned = GREATEST(pruned, ${pruned})`);
  }
  return pruned;
}

/** Makes the head of an empty log, with a new epoch, unless it exists. */
export async function ensureLogHead(tx: Transaction): Promise<void> {
  await tx.$executeRaw(sql`
    INSERT INTO log_head (id, epoch, timeline, settled_timeline) VALUES (1, ${randomUUID()}, current_timeline(), current_timeline()) ON CONFLICT DO NOTHING`);
}

/**
 * Begins a new epoch after a restored backup: cursors of the old one are refused from now on, and list numbers and
 * certificate indices leave a gap wider than what was given after the backup was taken. `seen` has list numbers that the
 * world has seen, by issuer. The time in milliseconds is a number that a second restore of the same backup does not give again. Returns the epoch.
 */
export async function beginEpoch(tx: Transaction, seen = new Map<string, bigint>()): Promise<string> {
  const epoch = randomUUID();
  await tx.$executeRaw(sql`UPDATE log_head SET epoch = ${epoch}, timeline = current_timeline()`);
  const rows = [...seen].map(([issuer, number]) => ({ issuer, number: String(number) }));
  await tx.$executeRaw(sql`
    UPDATE crls SET next_update = this_update, signature = '', number = GREATEST(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint, 1000000 + GREATEST(number,
      (SELECT s.number FROM jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) AS s(issuer text, number bigint) WHERE s.issuer = issuer_id)))`);
  // The lists that deltas go with are of the other history.
  await tx.$executeRaw(sql`DELETE FROM crls WHERE scope = 'delta'`);
  await tx.$executeRaw(sql`UPDATE issuers SET next_index = next_index + 100000000`);
  return epoch;
}

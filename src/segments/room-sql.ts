import { sql, type Transaction } from '../db/client.js';

/** A segment of an account. */
type SegmentName = { account: string; name: string };

/** The name of a segment among all accounts. */
const segmentKey = ({ account, name }: SegmentName): string => `${account}/${name}`;

/**
 * Locks segments, in order of their names, until the transaction ends, and tells how many things each can still
 * take: what is granted from that stays true. By {@link segmentKey}; a segment that does not exist has no room.
 */
export async function lockRoom(tx: Transaction, segments: SegmentName[]): Promise<Map<string, number>> {
  if (segments.length === 0) return new Map();
  const wanted = JSON.stringify(segments);
  // Two statements: only one that begins after the lock is held sees what others have put in.
  await tx.$queryRaw(sql`
    SELECT 1 FROM segments s JOIN jsonb_to_recordset(${wanted}::jsonb) AS w(account text, name text)
      ON s.account_name = w.account AND s.name = w.name
    ORDER BY s.account_name, s.name FOR UPDATE OF s`);
  const rows = await tx.$queryRaw<(SegmentName & { room: bigint })[]>(sql`
    SELECT s.account_name AS account, s.name, s.device_limit - (
        SELECT count(*) FROM things t WHERE t.account_name = s.account_name AND t.segment = s.name AND t.status <> 'revoked'
      ) AS room
    FROM segments s JOIN jsonb_to_recordset(${wanted}::jsonb) AS w(account text, name text)
      ON s.account_name = w.account AND s.name = w.name`);
  return new Map(rows.map((row) => [segmentKey(row), Number(row.room)]));
}

import { sql, type Database } from '../db/client.js';

const [mostAttempts, pauseMs] = [50, 20];

/**
 * The highest id below which no entry is still to come, or undefined if that is not known soon. Ids are given out before
 * they are committed: a reader that continued after the highest it saw would miss an entry whose transaction took longer.
 */
export async function settledId(db: Database): Promise<bigint | undefined> {
  const [head] = await db.$queryRaw<{ id: bigint }[]>(sql`SELECT last_value AS id FROM audit_entries_id_seq`);
  let waiting = await writers(db);
  for (let attempts = mostAttempts; waiting.length > 0; attempts--) {
    if (attempts === 0) return undefined;
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    const writing = new Set(await writers(db));
    waiting = waiting.filter((each) => writing.has(each));
  }
  return head!.id;
}

/** The transactions that have written to the audit and have not ended. Each took its lock before its first id. */
async function writers(db: Database): Promise<string[]> {
  const rows = await db.$queryRaw<{ name: string }[]>(sql`
    SELECT DISTINCT virtualtransaction AS name FROM pg_locks
    WHERE relation = 'audit_entries'::regclass AND mode = 'RowExclusiveLock' AND granted`);
  return rows.map(({ name }) => name);
}

import { randomUUID } from 'node:crypto';
import { sql, type Json, type Transaction } from '../db/client.js';

/** The kinds of entries that other instances, proxies and lists follow. */
export type LogEntryType =
  'certificate' | 'release' | 'thing' | 'thing-changed' | 'token-family' | 'policy' | 'segment' | 'key';

export type NewLogEntry = { account: string; type: LogEntryType; payload: Json };

/** Appends entries in the writing transaction and returns the position of the last. */
export type AppendLog = (tx: Transaction, at: Date, entries: NewLogEntry[]) => Promise<bigint>;

/**
 * Positions are given in commit order: the one row of `log_head` stays locked from here to the commit.
 * Call it last in a transaction, and once. (A sequence would give positions in the order of asking, and a
 * reader that follows `position > last` would lose entries for ever.)
 */
export const appendLog: AppendLog = async (tx, at, entries) => {
  const [head] = await tx.$queryRaw<{ position: bigint }[]>(
    sql`UPDATE log_head SET position = position + ${entries.length} RETURNING position`,
  );
  const first = head!.position - BigInt(entries.length) + 1n;
  await tx.logEntry.createMany({
    data: entries.map(({ account, type, payload }, index) => ({
      position: first + BigInt(index),
      at,
      accountName: account,
      type,
      payload,
    })),
  });
  // Tells the instances that wait for entries; it arrives with the commit.
  await tx.$executeRaw(sql`SELECT pg_notify(${logChannel}, '')`);
  return head!.position;
};

/** What instances listen to for new entries. */
export const logChannel = 'thingward_log';

/** Makes the head of an empty log, with a new epoch, unless it is there. */
export async function ensureLogHead(tx: Transaction): Promise<void> {
  await tx.$executeRaw(sql`INSERT INTO log_head (id, epoch) VALUES (1, ${randomUUID()}) ON CONFLICT DO NOTHING`);
}

/**
 * Begins a new epoch after a restored backup: cursors of the old one are refused from now on, and list
 * numbers and certificate indices leave a gap wider than what was given after the backup was taken. Returns the epoch.
 */
export async function beginEpoch(tx: Transaction): Promise<string> {
  const epoch = randomUUID();
  await tx.$executeRaw(sql`UPDATE log_head SET epoch = ${epoch}`);
  await tx.$executeRaw(sql`UPDATE crls SET number = number + 1000000, next_update = this_update`);
  await tx.$executeRaw(sql`UPDATE issuers SET next_index = next_index + 100000000`);
  return epoch;
}

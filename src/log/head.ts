import { sql, type Database } from '../db/client.js';

/**
 * The epoch of a row `log_head` that is called `h` in a statement. INVARIANT: it is asked for in every statement that reads the log, and
 * never read from the column alone: a standby that was promoted may lack what the log said before, and so has another one at once.
 */
export const epochNow = sql`log_epoch(h.epoch, h.timeline)`;

/** What a promotion changes of a log: its timeline grows. Only `thingward restored` begins another history. */
export type Lineage = { history: string; timeline: number };

/** The columns that say the lineage of a row `log_head` that is called `h`. */
export const lineageNow = sql`h.epoch AS history, current_timeline() AS timeline`;

/** The epoch of the log, its last position, and up to where its beginning is gone. */
export async function readHead(
  tx: Pick<Database, '$queryRaw'>,
): Promise<{ epoch: string; position: number; pruned: number }> {
  const [head] = await tx.$queryRaw<{ epoch: string; position: bigint; pruned: bigint }[]>(
    sql`SELECT ${epochNow} AS epoch, h.position, h.pruned FROM log_head h`,
  );
  return { epoch: head!.epoch, position: Number(head!.position), pruned: Number(head!.pruned) };
}

/** Notes that every lease of a timeline before that of this epoch has ended. */
export async function settleTimeline(db: Database, epoch: string): Promise<void> {
  await db.$executeRaw(sql`
    UPDATE log_head h SET settled_timeline = current_timeline()
    WHERE ${epochNow} = ${epoch} AND settled_timeline <> current_timeline()`);
}

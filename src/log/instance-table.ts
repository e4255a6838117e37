import { sql, type Database } from '../db/client.js';
import { readDurability, requireStandby } from '../db/durability.js';
import type { LogCursor } from './cursor.js';
import { epochNow, isTimelineSettled, settleTimeline } from './head.js';

/** How long an instance may continue without an answer of the database. */
export const leaseMs = 2000;

/** What every instance sees of the others. */
export type InstanceTable = {
  /**
   * Renews a lease by the clock of the database, and says how far its holder has applied the log.
   * @throws Error where a standby is required and commits do not wait for one
   */
  grant(id: string, applied: number): Promise<void>;
  /** Whether another instance holds its lease and has not come to a place; also where the database is of another epoch. */
  isLagging(id: string, place: LogCursor): Promise<boolean>;
  forget(id: string): Promise<void>;
  /** Whether every lease of an earlier timeline of the database has ended, as some instance has found. */
  isTimelineSettled(): Promise<boolean>;
  settleTimeline(epoch: string): Promise<void>;
};

/** The table in the database. Its clock decides; instances gone for long are forgotten. `keyId` names the key that this one seals with. */
export function createInstanceTable(db: Database, keyId: string, needsStandby: boolean): InstanceTable {
  return {
    async grant(id, applied) {
      if (needsStandby) requireStandby(await readDurability(db));
      await db.$executeRaw(sql`
        WITH gone AS (DELETE FROM instances WHERE lease_until < clock_timestamp() - interval '1 hour' AND id <> ${id}::uuid)
        INSERT INTO instances (id, applied, key_id, lease_until)
        VALUES (${id}::uuid, ${applied}, ${keyId}, clock_timestamp() + ${leaseMs} * interval '1 millisecond')
        ON CONFLICT (id) DO UPDATE SET applied = excluded.applied, lease_until = excluded.lease_until`);
    },
    async isLagging(id, { epoch, position }) {
      const rows = await db.$queryRaw<object[]>(sql`
        SELECT 1 FROM log_head h WHERE ${epochNow} <> ${epoch} OR EXISTS (
          SELECT 1 FROM instances WHERE id <> ${id}::uuid AND lease_until > clock_timestamp() AND applied < ${position})`);
      return rows.length > 0;
    },
    async forget(id) {
      await db.$executeRaw(sql`DELETE FROM instances WHERE id = ${id}::uuid`);
    },
    isTimelineSettled: () => isTimelineSettled(db),
    settleTimeline: (epoch) => settleTimeline(db, epoch),
  };
}

import { sql, type Database } from '../db/client.js';
import { readDurability, requireStandby } from '../db/durability.js';
import type { LogCursor } from './cursor.js';
import { epochNow, settleTimeline } from './head.js';

/** How long an instance may continue without an answer of the database. */
export const leaseMs = 2000;

/** What every instance sees of the others. */
export type InstanceTable = {
  /**
   * Renews a lease by the clock of the database, and says how far its holder has applied the log.
   * @throws Error where a standby is required and commits do not wait for one
   */
  grant(id: string, applied: number): Promise<void>;
  /**
   * What keeps a change from being acknowledged that is in the log at a place: the database is of another epoch, leases of an earlier timeline
   * may run on, or another instance holds its lease and has not come there.
   */
  hindrance(id: string, place: LogCursor): Promise<'other-epoch' | 'new-timeline' | 'lagging' | undefined>;
  forget(id: string): Promise<void>;
  /** Notes that every lease of a timeline before that of this epoch has ended. */
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
    async hindrance(id, { epoch, position }) {
      const [row] = await db.$queryRaw<{ hindrance: 'other-epoch' | 'new-timeline' | 'lagging' | null }[]>(sql`
        SELECT CASE WHEN ${epochNow} <> ${epoch} THEN 'other-epoch' WHEN h.settled_timeline <> current_timeline() THEN 'new-timeline'
          WHEN EXISTS (SELECT 1 FROM instances WHERE id <> ${id}::uuid AND lease_until > clock_timestamp() AND applied < ${position})
          THEN 'lagging' END AS hindrance FROM log_head h`);
      return row?.hindrance ?? undefined;
    },
    async forget(id) {
      await db.$executeRaw(sql`DELETE FROM instances WHERE id = ${id}::uuid`);
    },
    settleTimeline: (epoch) => settleTimeline(db, epoch),
  };
}

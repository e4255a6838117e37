import type { AppendAudit } from '../../audit/store.js';
import { addSeconds } from '../../clock.js';
import { sql, type Database } from '../../db/client.js';
import { isDataConflict } from '../../db/errors.js';
import type { Origin } from '../../origin.js';
import type { LockRoom } from '../store.js';
import { approveBatch, type Approval } from './approving-sql.js';
import {
  auditOf,
  current,
  findOf,
  mostDenied,
  toWaitingDevice,
  waitSeconds,
  type WaitingDevice,
  type WaitingStatus,
} from './entries-sql.js';
import { openBatch, type Newcomer } from './opening-sql.js';

/** Which entries a list shows. */
export type WaitingFilter = { enrollment?: string | undefined; status?: WaitingStatus | undefined };

const sweepAtOnce = 1000;
const mostTimes = 1_000_000_000;

export type WaitingStore = ReturnType<typeof createWaitingStore>;

/** Devices that wait for approval. An expired entry counts as none, also before it is swept. */
export function createWaitingStore(db: Database, audit: AppendAudit, lockRoom: LockRoom) {
  return {
    isConflict: isDataConflict,

    /** The entry of a key under an enrollment. */
    findOf: (enrollmentId: string, spkiSha256: string, at: Date): Promise<WaitingDevice | undefined> =>
      findOf(db, enrollmentId, spkiSha256, at),

    async find(account: string, id: string, at: Date): Promise<WaitingDevice | undefined> {
      const row = await db.waitingDevice.findFirst({ where: { accountName: account, id, ...current(at) } });
      return row ? toWaitingDevice(row) : undefined;
    },

    async list(
      account: string,
      { enrollment, status }: WaitingFilter,
      after: string | undefined,
      { limit, at }: { limit: number; at: Date },
    ): Promise<WaitingDevice[]> {
      const rows = await db.waitingDevice.findMany({
        where: {
          accountName: account,
          ...current(at),
          ...(after === undefined ? {} : { id: { gt: after } }),
          ...(enrollment === undefined ? {} : { enrollmentId: enrollment }),
          ...(status === undefined ? {} : { status }),
        },
        orderBy: { id: 'asc' },
        take: limit,
      });
      return rows.map(toWaitingDevice);
    },

    /** Notes that a waiting device asked again. False when it no longer waits. */
    async seen(id: string, at: Date): Promise<boolean> {
      const count = await db.$executeRaw(sql`
        UPDATE waiting_devices SET times_seen = LEAST(times_seen + 1, ${mostTimes}), last_seen_at = ${at}
        WHERE id = ${id}::uuid AND status = 'waiting' AND expires_at > ${at}`);
      return count === 1;
    },

    openBatch: (newcomers: Newcomer[]) => openBatch(db, audit, newcomers),
    approveBatch: (approvals: Approval[]) => approveBatch(db, audit, lockRoom, approvals),

    /** Denies a device. `full` when the enrollment remembers as many denied keys as it can. */
    deny: (
      waiting: WaitingDevice,
      reason: string,
      origin: Origin,
      at: Date,
    ): Promise<'denied' | 'decided' | 'gone' | 'full'> =>
      db.$transaction(async (tx) => {
        const { id, account, enrollmentId, name, spkiSha256 } = waiting;
        const [row] = await tx.$queryRaw<{ status: string; isGone: boolean }[]>(sql`
          SELECT status, expires_at <= ${at} AS "isGone" FROM waiting_devices WHERE id = ${id}::uuid FOR UPDATE`);
        if (row && row.status !== 'waiting') return 'decided';
        if (!row || row.isGone) return 'gone';
        const denied = await tx.waitingDevice.count({ where: { enrollmentId, status: 'denied' }, take: mostDenied });
        if (denied >= mostDenied) return 'full';
        await tx.waitingDevice.update({
          where: { id },
          data: { status: 'denied', decidedAt: at, decidedBy: origin.actor, reason },
        });
        const target = { at, origin, thing: { account, name } };
        await audit(tx, auditOf(target, 'waiting.deny', { waiting: id, enrollment: enrollmentId, spkiSha256, reason }));
        return 'denied';
      }),

    /** Notes that an approved device fetched its certificate. False when it had before. */
    async collect(id: string, at: Date): Promise<boolean> {
      const { count } = await db.waitingDevice.updateMany({
        where: { id, collectedAt: null },
        data: { collectedAt: at },
      });
      return count === 1;
    },

    /**
     * Forgets what no request can ask about: entries that expired, approved ones that were fetched long ago or
     * whose certificate has expired, and everything of enrollments that are revoked or have expired.
     */
    async sweep(at: Date): Promise<void> {
      const longAgo = addSeconds(at, -waitSeconds);
      await db.$executeRaw(sql`
        DELETE FROM waiting_devices WHERE id IN (
          SELECT w.id FROM waiting_devices w JOIN enrollments e ON e.id = w.enrollment_id
          LEFT JOIN certificates c ON c.serial_number = w.serial_number
          WHERE (w.status = 'waiting' AND (w.expires_at <= ${at} OR e.revoked_at IS NOT NULL))
            OR (w.status = 'approved' AND (w.collected_at <= ${longAgo} OR c.not_after <= ${at} OR e.revoked_at <= ${longAgo}))
            OR (w.status = 'denied' AND (e.revoked_at <= ${longAgo} OR e.expires_at <= ${longAgo}))
          LIMIT ${sweepAtOnce} FOR UPDATE OF w SKIP LOCKED)`);
    },
  };
}

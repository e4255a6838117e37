import { addSeconds } from '../clock.js';
import { sql, type Database, type Transaction } from '../db/client.js';
import { toReceiver } from './store.js';
import type { Message, Outcome, Receiver } from './receiver.js';

/** A message that waits. */
export type Waiting = Message & { id: bigint; attempts: number; since: Date };

/** Who delivers, and until when nobody else does. */
type Claim = { holder: string; seconds: number };

export type QueueStore = ReturnType<typeof createQueueStore>;

/** The most messages that wait for one receiver, or are kept of what became of them. */
export const mostOfReceiver = { waiting: 10_000, delivered: 1000, parked: 1000 };

const keptSeconds = { delivered: 86_400, parked: 30 * 86_400 };
const sweptAtOnce = 10_000;

/** The queues of receivers. One instance delivers each at a time. */
export function createQueueStore(db: Database) {
  return {
    /** Queues messages for receivers in the transaction of what they are about; one that is queued already is not queued again. */
    async queue(tx: Transaction, account: string, receivers: string[], message: Message): Promise<void> {
      const { messageId, type, subject, data, at } = message;
      await tx.$executeRaw(sql`
        INSERT INTO deliveries (receiver_id, account_name, message_id, type, subject, data, at, since, next_at)
        SELECT r.id, r.account_name, ${messageId}, ${type}, ${subject}, ${JSON.stringify(data)}::jsonb, ${at}, ${at}, ${at} FROM receivers r
        WHERE r.account_name = ${account} AND r.id = ANY(${receivers}::uuid[]) AND r.kind <> 'events' AND r.enabled AND r.full_since IS NULL
        ON CONFLICT (receiver_id, message_id) DO NOTHING`);
    },

    /** Queues an event for the webhooks that want its type. */
    async publish(tx: Transaction, account: string, message: Message): Promise<void> {
      const { messageId, type, subject, data, at } = message;
      await tx.$executeRaw(
        sql`SELECT publish_event(${account}, ${messageId}, ${type}, ${subject}, ${JSON.stringify(data)}::jsonb, ${at})`,
      );
    },

    /** Takes receivers that have something to be told, those first who were served longest ago. */
    async claim(at: Date, { holder, seconds }: Claim, most: number, busy: string[]): Promise<Receiver[]> {
      if (most < 1) return [];
      const rows = await db.$queryRaw<{ id: string }[]>(sql`
        UPDATE receivers SET claimed_by = ${holder}::uuid, claimed_until = ${addSeconds(at, seconds)}, served_at = ${at} WHERE id IN (
          SELECT r.id FROM receivers r WHERE r.enabled AND r.account_name <> ALL(${busy})
            AND (r.claimed_until IS NULL OR r.claimed_until <= ${at}) AND (r.next_at IS NULL OR r.next_at <= ${at})
            AND EXISTS (SELECT 1 FROM deliveries d WHERE d.receiver_id = r.id AND d.status = 'pending' AND d.next_at <= ${at})
          ORDER BY r.served_at, r.id LIMIT ${most} FOR UPDATE SKIP LOCKED)
        RETURNING id`);
      const claimed = await db.receiver.findMany({ where: { id: { in: rows.map(({ id }) => id) } } });
      return claimed.map(toReceiver);
    },

    /** Keeps a claim. False when another instance has it, or the receiver is gone, changed or off. */
    async keep(id: string, at: Date, { holder, seconds }: Claim): Promise<boolean> {
      const { count } = await db.receiver.updateMany({
        where: { id, claimedBy: holder, enabled: true },
        data: { claimedUntil: addSeconds(at, seconds) },
      });
      return count === 1;
    },

    /** Gives a claim back. */
    async leave(id: string, { holder }: Claim): Promise<void> {
      await db.receiver.updateMany({
        where: { id, claimedBy: holder },
        data: { claimedBy: null, claimedUntil: null },
      });
    },

    /** What is due, oldest first; nothing of a subject of which something earlier waits for its next attempt. */
    due: (receiver: string, at: Date, most: number): Promise<Waiting[]> =>
      db.$queryRaw<Waiting[]>(sql`
        SELECT d.id, d.message_id AS "messageId", d.type, d.subject, d.data, d.at, d.attempts, d.since FROM deliveries d
        WHERE d.receiver_id = ${receiver}::uuid AND d.status = 'pending' AND d.next_at <= ${at}
          AND NOT EXISTS (SELECT 1 FROM deliveries e WHERE e.receiver_id = d.receiver_id AND e.subject = d.subject
            AND e.status = 'pending' AND e.id < d.id AND e.next_at > ${at})
        ORDER BY d.id LIMIT ${most}`),

    /** Notes that a message was taken, and that its receiver is back. */
    async delivered(receiver: string, id: bigint, at: Date, { status, answer }: Outcome): Promise<void> {
      await db.$transaction([
        db.delivery.updateMany({
          where: { id },
          data: {
            status: 'delivered',
            attempts: { increment: 1 },
            attemptedAt: at,
            answerStatus: status ?? null,
            answer,
          },
        }),
        db.receiver.updateMany({ where: { id: receiver, failures: { gt: 0 } }, data: { failures: 0, nextAt: null } }),
      ]);
    },

    /** Notes that a message was not taken: it is tried again at `nextAt`, or parked without it. */
    async failed(id: bigint, at: Date, { status, answer }: Outcome, nextAt: Date | undefined): Promise<void> {
      await db.delivery.updateMany({
        where: { id, status: 'pending' },
        data: {
          attempts: { increment: 1 },
          attemptedAt: at,
          answerStatus: status ?? null,
          answer,
          ...(nextAt === undefined ? { status: 'parked' } : { nextAt }),
        },
      });
    },

    /** Leaves a receiver that is away alone for some time, and parks what waited for it since before `parkedBefore`. */
    async pause(receiver: string, nextAtOf: (failures: number) => Date, parkedBefore: Date): Promise<void> {
      const row = await db.receiver.findUnique({ where: { id: receiver }, select: { failures: true } });
      const failures = Math.min((row?.failures ?? 0) + 1, 1000);
      await db.receiver.updateMany({ where: { id: receiver }, data: { failures, nextAt: nextAtOf(failures) } });
      await db.delivery.updateMany({
        where: { receiverId: receiver, status: 'pending', since: { lte: parkedBefore } },
        data: { status: 'parked' },
      });
    },

    /** Closes queues that are full, opens those that have room again, and forgets what nobody asks about. */
    async sweep(at: Date): Promise<void> {
      const { waiting, delivered, parked } = mostOfReceiver;
      await db.$executeRaw(sql`
        UPDATE receivers r SET full_since = CASE WHEN q.waiting >= ${waiting} THEN coalesce(r.full_since, ${at}) END
        FROM (SELECT r.id, (SELECT count(*) FROM (
          SELECT 1 FROM deliveries d WHERE d.receiver_id = r.id AND d.status = 'pending' LIMIT ${waiting}) w) AS waiting FROM receivers r) q
        WHERE q.id = r.id AND (r.full_since IS NULL) = (q.waiting >= ${waiting})`);
      await db.$executeRaw(sql`
        DELETE FROM deliveries WHERE id IN (
          SELECT d.id FROM deliveries d WHERE NOT EXISTS (SELECT 1 FROM receivers r WHERE r.id = d.receiver_id) LIMIT ${sweptAtOnce})`);
      for (const [status, most, seconds] of [
        ['delivered', delivered, keptSeconds.delivered],
        ['parked', parked, keptSeconds.parked],
      ] as const)
        await db.$executeRaw(sql`
          DELETE FROM deliveries WHERE id IN (
            SELECT d.id FROM receivers r CROSS JOIN LATERAL (
              SELECT d.id, d.attempted_at, row_number() OVER (ORDER BY d.id DESC) AS place FROM deliveries d
              WHERE d.receiver_id = r.id AND d.status = ${status}) d
            WHERE d.place > ${most} OR d.attempted_at < ${addSeconds(at, -seconds)} LIMIT ${sweptAtOnce})`);
    },
  };
}

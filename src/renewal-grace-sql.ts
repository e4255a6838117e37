import { addSeconds } from './clock.js';
import { sql, type Transaction } from './db/client.js';
import { mostGraceSeconds } from './limits.js';

/** How long certificates of the thing `t` can be renewed after they expired, in seconds: as its enrollment says, or else its account. */
export const graceOfThing = sql`COALESCE(
  (SELECT ge.renew_grace_seconds FROM enrollments ge WHERE ge.id = t.enrollment_id),
  (SELECT ga.renew_grace_seconds FROM accounts ga WHERE ga.name = t.account_name), 0)`;

/** The grace of the thing that holds a certificate, in seconds. */
export async function readGrace(tx: Transaction, serialNumber: string): Promise<number> {
  const [row] = await tx.$queryRaw<{ seconds: number }[]>(sql`
    SELECT ${graceOfThing} AS seconds FROM certificates c JOIN things t ON t.id = c.thing_id WHERE c.serial_number = ${serialNumber}`);
  return row?.seconds ?? 0;
}

/** Whether its thing has no later certificate, used or not: nothing older is renewed once it has expired. */
export async function isNewest(tx: Transaction, serialNumber: string): Promise<boolean> {
  const rows = await tx.$queryRaw<object[]>(sql`
    SELECT 1 FROM certificates c JOIN certificates n ON n.thing_id = c.thing_id AND n.serial_number <> c.serial_number
    WHERE c.serial_number = ${serialNumber} AND (n.created_at > c.created_at OR n.renews = c.serial_number) LIMIT 1`);
  return rows.length === 0;
}

/**
 * The certificates `c` that whatever revokes or supersedes has to mark: those that have not expired, and of the expired
 * ones those that a renewal could bring back, whatever the grace is now. It may be raised later.
 */
export const canComeBack = (at: Date) => sql`(c.not_after > ${at} OR (
  c.not_after > ${addSeconds(at, -mostGraceSeconds)} AND (c.revoked_at IS NULL OR c.reason = 'certificateHold')))`;

/** The same for Prisma. */
export const whereCanComeBack = (at: Date) => ({
  OR: [
    { notAfter: { gt: at } },
    {
      notAfter: { gt: addSeconds(at, -mostGraceSeconds) },
      OR: [{ revokedAt: null }, { reason: 'certificateHold' }],
    },
  ],
});

import type { AppendAudit } from '../../audit/store.js';
import { sql, type Database, type Transaction } from '../../db/client.js';
import { lockExpected } from '../admission/expected-sql.js';
import { insertRecords, type ProvisionRecord } from '../record-sql.js';
import { readState, segmentsOf, settle, type LockRoom, type ProvisionOutcome } from '../store.js';
import { auditOf, lockEnrollments } from './entries-sql.js';

/** What became of an approval: `decided` when somebody was first, `gone` when the entry has expired. */
export type ApprovalOutcome = ProvisionOutcome | 'decided' | 'gone';

/** An entry, and everything that its approval leaves behind. */
export type Approval = { id: string; record: ProvisionRecord };

/**
 * Records approved devices in one transaction: takes the uses, makes the things and their certificates, and closes the
 * entries. Locks enrollments, entries and segments, in this order. No two share an entry, a name or a key.
 */
export const approveBatch = (
  db: Database,
  audit: AppendAudit,
  lockRoom: LockRoom,
  approvals: Approval[],
): Promise<ApprovalOutcome[]> =>
  db.$transaction(async (tx) => {
    await lockEnrollments(
      tx,
      approvals.map(({ record }) => record),
    );
    const decided = await decidedOf(tx, approvals);
    const open = approvals.filter(({ id }) => !decided.has(id));
    const records = open.map(({ record }) => record);
    const settled = await settleAll(tx, lockRoom, records);
    const granted = open.filter((_, n) => settled[n]!.result === 'created');
    if (granted.length > 0) await write(tx, audit, granted);
    return approvals.map((approval) => decided.get(approval.id) ?? settled[open.indexOf(approval)]!);
  });

/** Locks entries. Returns those that are decided or gone. */
async function decidedOf(tx: Transaction, approvals: Approval[]): Promise<Map<string, 'decided' | 'gone'>> {
  const ids = approvals.map(({ id }) => id);
  const rows = await tx.$queryRaw<{ id: string; status: string; expiresAt: Date }[]>(sql`
    SELECT id, status, expires_at AS "expiresAt" FROM waiting_devices WHERE id = ANY(${ids}::uuid[]) ORDER BY id FOR UPDATE`);
  const decided = new Map<string, 'decided' | 'gone'>();
  for (const { id, record } of approvals) {
    const row = rows.find((each) => each.id === id);
    if (row && row.status !== 'waiting') decided.set(id, 'decided');
    else if (!row || row.expiresAt <= record.at) decided.set(id, 'gone');
  }
  return decided;
}

async function settleAll(tx: Transaction, lockRoom: LockRoom, records: ProvisionRecord[]): Promise<ProvisionOutcome[]> {
  if (records.length === 0) return [];
  const state = await readState(tx, records);
  const expected = await lockExpected(tx, records);
  return settle(records, state, await lockRoom(tx, segmentsOf(records)), expected);
}

async function write(tx: Transaction, audit: AppendAudit, approvals: Approval[]): Promise<void> {
  const records = approvals.map(({ record }) => record);
  // Before the uses: the database refuses a use that nobody approved.
  for (const { enrollmentId } of records)
    await tx.$executeRaw(sql`UPDATE enrollments SET approved = approved + 1 WHERE id = ${enrollmentId}::uuid`);
  await insertRecords(tx, records);
  for (const { id, record } of approvals) {
    const { at, origin, thing, certificate } = record;
    const granted = { grantedThing: thing.name, serialNumber: certificate.serialNumber };
    const data = { status: 'approved', decidedAt: at, decidedBy: origin.actor, ...granted };
    await tx.waitingDevice.update({ where: { id }, data });
    const { attributes, policies } = thing;
    await audit(tx, auditOf(record, 'waiting.approve', { waiting: id, attributes, policies, ...granted }));
  }
}

import { networkOf } from '../../address.js';
import type { AppendAudit } from '../../audit/store.js';
import { addSeconds } from '../../clock.js';
import { sql, type Database, type Transaction } from '../../db/client.js';
import type { Origin } from '../../origin.js';
import type { Manufactured } from '../admission/manufactured.js';
import { readState, settle, type Asking, type ProvisionOutcome } from '../store.js';
import { auditOf, findOf, lockEnrollments, mostWaiting, waitSeconds } from './entries-sql.js';

/** A device that asks for the first time. */
export type Newcomer = Asking & {
  origin: Origin;
  id: string;
  csr: Buffer;
  acmeAccountId: string | null;
  manufactured: Manufactured | null;
  thingType: string | null;
  attributes: Record<string, string>;
};

/** What kept an entry from being made: `known` when the key is listed already. */
export type NoRoom = 'known' | 'enrollment-full' | 'address-full';

/** What became of a device that asked for the first time; `created` when it waits now. */
export type OpeningOutcome = ProvisionOutcome | NoRoom;

/**
 * Lists devices in one transaction, each unless its enrollment, name or key refuses it, or there is no room. Locks the
 * enrollments, so that their limit is exact.
 */
export const openBatch = (db: Database, audit: AppendAudit, newcomers: Newcomer[]): Promise<OpeningOutcome[]> =>
  db.$transaction(async (tx) => {
    await lockEnrollments(tx, newcomers);
    const outcomes: OpeningOutcome[] = [];
    for (const newcomer of newcomers) outcomes.push(await openOne(tx, audit, newcomer));
    return outcomes;
  });

async function openOne(tx: Transaction, audit: AppendAudit, newcomer: Newcomer): Promise<OpeningOutcome> {
  const { at, enrollmentId, spkiSha256 } = newcomer;
  const [outcome] = settle([newcomer], await readState(tx, [newcomer]), new Map());
  if (outcome!.result !== 'created') return outcome!;
  if (await findOf(tx, enrollmentId, spkiSha256, at)) return 'known';
  const full = await fullAt(tx, newcomer);
  if (full) return full;
  await insert(tx, newcomer);
  await audit(tx, auditOf(newcomer, 'waiting.open', { enrollment: enrollmentId, spkiSha256 }));
  return outcome!;
}

async function fullAt(tx: Transaction, { at, enrollmentId, thing, origin }: Newcomer): Promise<NoRoom | undefined> {
  const [{ ofEnrollment, ofAddress } = { ofEnrollment: 0, ofAddress: 0 }] = await tx.$queryRaw<
    { ofEnrollment: number; ofAddress: number }[]
  >(sql`
    SELECT
      (SELECT count(*)::int FROM waiting_devices
       WHERE enrollment_id = ${enrollmentId}::uuid AND status = 'waiting' AND expires_at > ${at}) AS "ofEnrollment",
      (SELECT count(*)::int FROM waiting_devices
       WHERE account_name = ${thing.account} AND source_block = ${blockOf(origin)} AND status = 'waiting' AND expires_at > ${at}) AS "ofAddress"`);
  if (ofEnrollment >= mostWaiting.ofEnrollment) return 'enrollment-full';
  return ofAddress >= mostWaiting.ofAddress ? 'address-full' : undefined;
}

const blockOf = ({ sourceIp }: Origin): string => networkOf(sourceIp ?? '');

async function insert(tx: Transaction, newcomer: Newcomer): Promise<void> {
  const { id, at, enrollmentId, thing, thingType, attributes, csr, acmeAccountId, manufactured, origin } = newcomer;
  const spkiSha256 = Buffer.from(newcomer.spkiSha256, 'hex');
  // One that expired and is not swept yet makes room.
  await tx.waitingDevice.deleteMany({ where: { enrollmentId, spkiSha256 } });
  await tx.waitingDevice.create({
    data: {
      id,
      accountName: thing.account,
      enrollmentId,
      spkiSha256,
      csr: new Uint8Array(csr),
      acmeAccountId,
      ...(manufactured && { manufactured }),
      thingName: thing.name,
      thingType,
      attributes,
      sourceIp: origin.sourceIp ?? null,
      sourceBlock: blockOf(origin),
      firstSeenAt: at,
      lastSeenAt: at,
      expiresAt: addSeconds(at, waitSeconds),
    },
  });
}

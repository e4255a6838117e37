import { sql, type Transaction } from '../db/client.js';
import { thingEntry, tokenFamilyEntry } from '../log/builders.js';
import type { NewLogEntry } from '../log/entries.js';
import type { RevocationReason } from '../pki/crl.js';
import { graceOfThing, whereCanComeBack } from '../renewal-grace-sql.js';

/** A thing, locked. */
export type LockedThing = { id: string; name: string; status: string; gen: number };

/** A certificate of a locked thing. */
export type LockedCertificate = {
  serialNumber: string;
  fingerprint: string;
  spkiSha256: Uint8Array;
  issuerId: string;
  issuerIndex: bigint;
  crlScope: string;
  notAfter: Date;
  revokedAt: Date | null;
  reason: string | null;
  revokedPosition: bigint | null;
  heldBySuspension: boolean;
};

/** The thing of this name, locked until the transaction ends: whatever changes one of its certificates locks it first. */
export async function lockThing(tx: Transaction, account: string, name: string): Promise<LockedThing | undefined> {
  const [row] = await tx.$queryRaw<LockedThing[]>(sql`
    SELECT id, name, status, gen FROM things WHERE account_name = ${account} AND name = ${name} FOR UPDATE`);
  return row;
}

const lockedThing = sql`id, COALESCE(former_name, name) AS name, status, gen`;

/** A thing by its id, locked, under the name that it has or had. */
export async function lockThingById(tx: Transaction, id: string): Promise<LockedThing | undefined> {
  const [row] = await tx.$queryRaw<LockedThing[]>(
    sql`SELECT ${lockedThing} FROM things WHERE id = ${id}::uuid FOR UPDATE`,
  );
  return row;
}

/**
 * Locks every thing of an account that ever held the key of a certificate, or what was renewed from one with it, and
 * the given thing. Returns them with the serial numbers of that lineage.
 */
export async function lockLineage(
  tx: Transaction,
  account: string,
  serialNumber: string,
  thingId: string,
): Promise<{ things: LockedThing[]; serialNumbers: Set<string> }> {
  const lineage = await tx.$queryRaw<{ serialNumber: string; thingId: string }[]>(sql`
    WITH RECURSIVE lineage AS (
      SELECT k.serial_number, k.thing_id FROM certificates k WHERE k.account_name = ${account} AND k.spki_sha256 =
        (SELECT s.spki_sha256 FROM certificates s WHERE s.account_name = ${account} AND s.serial_number = ${serialNumber})
      UNION SELECT r.serial_number, r.thing_id FROM certificates r JOIN lineage l ON r.renews = l.serial_number)
    SELECT serial_number AS "serialNumber", thing_id AS "thingId" FROM lineage`);
  const ids = [...new Set([thingId, ...lineage.map((each) => each.thingId)])];
  const things = await tx.$queryRaw<LockedThing[]>(
    sql`SELECT ${lockedThing} FROM things WHERE id = ANY(${ids}::uuid[]) ORDER BY id FOR UPDATE`,
  );
  return { things, serialNumbers: new Set(lineage.map((each) => each.serialNumber)) };
}

/** Closes the re-enrollments of a locked thing that were not used yet. One that waits for this lock is left to it. */
export async function closeReenrollments(tx: Transaction, { id }: LockedThing, at: Date): Promise<void> {
  await tx.$executeRaw(sql`
    UPDATE enrollments SET revoked_at = ${at} WHERE id IN (
      SELECT id FROM enrollments WHERE reenrolls_thing_id = ${id}::uuid AND revoked_at IS NULL AND uses < max_uses
      FOR UPDATE SKIP LOCKED)`);
}

/** The id of the thing that holds a certificate. */
export async function holderOf(tx: Transaction, account: string, serialNumber: string): Promise<string | undefined> {
  const row = await tx.certificate.findUnique({
    where: { serialNumber, accountName: account },
    select: { thingId: true },
  });
  return row?.thingId;
}

/**
 * The certificates of a locked thing that have not expired or could still be renewed, oldest first; or the one with a serial
 * number, whatever it is.
 */
export function certificatesOf(
  tx: Transaction,
  thingId: string,
  at: Date,
  serialNumber?: string,
): Promise<LockedCertificate[]> {
  return tx.certificate.findMany({
    where: { thingId, ...(serialNumber === undefined ? whereCanComeBack(at) : { serialNumber }) },
    orderBy: [{ createdAt: 'asc' }, { serialNumber: 'asc' }],
  });
}

type Change = { reason: RevocationReason; at: Date; heldBySuspension?: boolean };

/** Marks certificates as revoked. The first time of a revocation stays when only the reason changes. */
export async function markRevoked(
  tx: Transaction,
  serialNumbers: string[],
  { reason, at, heldBySuspension = false }: Change,
): Promise<void> {
  await tx.$executeRaw(sql`
    UPDATE certificates SET revoked_at = COALESCE(revoked_at, ${at}), reason = ${reason}, held_by_suspension = ${heldBySuspension}
    WHERE serial_number = ANY(${serialNumbers})`);
}

/** Takes a hold back. */
export async function markReleased(tx: Transaction, serialNumbers: string[]): Promise<void> {
  await tx.$executeRaw(sql`
    UPDATE certificates SET revoked_at = NULL, reason = NULL, revoked_position = NULL, held_by_suspension = false
    WHERE serial_number = ANY(${serialNumbers})`);
}

/** Ends the refresh families of certificates. Returns the entries for the log. */
export async function endFamilies(
  tx: Transaction,
  account: string,
  serialNumbers: string[],
  at: Date,
): Promise<NewLogEntry[]> {
  const rows = await tx.$queryRaw<{ id: string; name: string }[]>(sql`
    UPDATE refresh_families f SET revoked_at = ${at} FROM things t
    WHERE f.serial_number = ANY(${serialNumbers}) AND f.revoked_at IS NULL AND t.id = f.thing_id
    RETURNING f.id, COALESCE(t.former_name, t.name) AS name`);
  return rows.map(({ id, name }) => tokenFamilyEntry({ account, thingName: name }, id));
}

/** Bars keys of an account permanently. */
export async function barKeys(tx: Transaction, account: string, keys: Uint8Array[], at: Date): Promise<void> {
  await tx.thingKey.updateMany({
    where: { accountName: account, spkiSha256: { in: keys.map((key) => Buffer.from(key)) }, barredAt: null },
    data: { barredAt: at },
  });
}

/** Notes that a thing is deleted: its name is free once its last certificate has expired. */
export async function markDeleted(tx: Transaction, { id }: LockedThing, at: Date): Promise<void> {
  await tx.thing.updateMany({ where: { id, deletedAt: null }, data: { deletedAt: at } });
}

/** Takes the names of deleted things back whose certificates have all expired, and can be renewed no more. Returns the entries for the log. */
export async function freeNames(tx: Transaction, at: Date): Promise<NewLogEntry[]> {
  const rows = await tx.$queryRaw<{ id: string; account: string; former: string }[]>(sql`
    UPDATE things t SET former_name = name, name = '#' || id::text
    WHERE deleted_at IS NOT NULL AND former_name IS NULL
      AND NOT EXISTS (SELECT 1 FROM certificates c WHERE c.thing_id = t.id AND c.not_after + ${graceOfThing} * interval '1 second' > ${at})
    RETURNING id, account_name AS account, former_name AS former`);
  // A generation below every thing's: what was said of the old thing is not said of the next of its name.
  const free = { status: 'active', gen: 0, minGen: 0 };
  return rows.map(({ id, account, former }) => thingEntry(account, { id, name: former, ...free }));
}

/** Gives a thing a status and a generation below which its tokens are refused. */
export async function setStatus(
  tx: Transaction,
  { id }: LockedThing,
  status: string,
  gen: number,
  minGen: number | undefined,
): Promise<void> {
  await tx.thing.update({ where: { id }, data: { status, gen, ...(minGen === undefined ? {} : { minGen }) } });
}

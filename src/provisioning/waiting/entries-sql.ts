import { sql, type Database, type Transaction } from '../../db/client.js';
import type { Origin } from '../../origin.js';
import type { Manufactured } from '../admission/manufactured.js';

/** What became of a device that waits. */
export type WaitingStatus = 'waiting' | 'approved' | 'denied';

/** A device that asked under an enrollment with approval: what it asked for, and what became of it. */
export type WaitingDevice = {
  id: string;
  account: string;
  enrollmentId: string;
  /** SHA-256 of the SubjectPublicKeyInfo, lower-case hex. */
  spkiSha256: string;
  csr: Buffer;
  /** The ACME account that it asked by. */
  acmeAccountId: string | null;
  /** What it proved of its manufacturer. */
  manufactured: Manufactured | null;
  name: string;
  thingType: string | null;
  attributes: Record<string, string>;
  sourceIp: string | null;
  status: WaitingStatus;
  timesSeen: number;
  firstSeenAt: Date;
  lastSeenAt: Date;
  expiresAt: Date;
  decidedAt: Date | null;
  decidedBy: string | null;
  reason: string | null;
  /** The name that an approved device got. */
  grantedThing: string | null;
  serialNumber: string | null;
  /** When an approved device first fetched its certificate. */
  collectedAt: Date | null;
};

/** How long a device may wait for an answer. */
export const waitSeconds = 7 * 86_400;

/** How many devices may wait at the same time; docs/limits.md lists them. */
export const mostWaiting = { ofEnrollment: 1000, ofAddress: 250 };

/** How many denied keys an enrollment remembers. */
export const mostDenied = 10_000;

/** Of what waits, only what has not expired: an entry that has counts as none, also before it is swept. */
export const current = (at: Date) => ({ OR: [{ status: { not: 'waiting' } }, { expiresAt: { gt: at } }] });

/** The entry of a key under an enrollment. */
export async function findOf(
  tx: Transaction,
  enrollmentId: string,
  spkiSha256: string,
  at: Date,
): Promise<WaitingDevice | undefined> {
  const row = await tx.waitingDevice.findFirst({
    where: { enrollmentId, spkiSha256: Buffer.from(spkiSha256, 'hex'), ...current(at) },
  });
  return row ? toWaitingDevice(row) : undefined;
}

/** Locks the enrollments of entries, before these: everybody who writes does. */
export async function lockEnrollments(tx: Transaction, of: { enrollmentId: string }[]): Promise<void> {
  const ids = [...new Set(of.map(({ enrollmentId }) => enrollmentId))];
  await tx.$queryRaw(sql`SELECT 1 FROM enrollments WHERE id = ANY(${ids}::uuid[]) ORDER BY id FOR UPDATE`);
}

type Target = { at: Date; origin: Origin; thing: { account: string; name: string } };

/** What is recorded of an entry. */
export function auditOf({ at, origin, thing }: Target, action: string, detail: object) {
  return { at, account: thing.account, origin, action, target: `thing:${thing.name}`, detail };
}

type Row = NonNullable<Awaited<ReturnType<Database['waitingDevice']['findFirst']>>>;

/** A stored entry. */
export function toWaitingDevice({ accountName, sourceBlock: _, thingName, ...row }: Row): WaitingDevice {
  return {
    ...row,
    account: accountName,
    name: thingName,
    csr: Buffer.from(row.csr),
    spkiSha256: Buffer.from(row.spkiSha256).toString('hex'),
    attributes: row.attributes as Record<string, string>,
    manufactured: row.manufactured as Manufactured | null,
    status: row.status as WaitingStatus,
  };
}

import { sql, type Database, type Transaction } from '../db/client.js';
import { isDataConflict } from '../db/errors.js';
import { toRegisteredThing, type RegisteredThing } from '../registry.js';
import { lockExpected } from './admission/expected-sql.js';
import { isKeyFree } from './key-sql.js';
import { insertRecords, type ProvisionRecord } from './record-sql.js';

/**
 * What became of a record. Only `created` wrote something. A taken name may be a repeat of the request
 * that took it, which needs nothing of the enrollment but that it is not revoked; `unusable` says what
 * else is wrong with it.
 */
export type ProvisionOutcome = {
  result: 'created' | 'name-taken' | 'key-in-use' | 'key-barred' | 'segment-full' | 'not-expected' | Unusable;
  unusable?: Unusable;
};

/** Why an enrollment admits no device. */
export type Unusable = 'revoked' | 'account-suspended' | 'expired' | 'exhausted';

type EnrollmentState = { id: string; left: number; revoked: boolean; expired: boolean; suspended: boolean };

/** What a transaction found, for as many first boots as it holds. */
export type BatchState = {
  enrollments: EnrollmentState[] | null;
  taken: { n: number; name: boolean; key: boolean; barred: boolean }[] | null;
};

/** What makes two requests the same one. */
export type RepeatOf = { enrollmentId: string; account: string; name: string; spkiSha256: string };

/** A refresh token by its place in its family. */
export type FamilyToken = { id: string; counter: number };

/** The certificate that an earlier, equal request was given. */
type Repeat = {
  thing: RegisteredThing;
  certificate: { der: Buffer; serialNumber: string; fingerprint: string; notBefore: Date; notAfter: Date };
  used: boolean;
  revoked: boolean;
};

// A family that was asked for so often is asked for no more: its device has client_credentials.
const mostCounter = 1_000_000;

export type ProvisioningStore = ReturnType<typeof createProvisioningStore>;

/** Locks segments and tells how many things each can still take, by `account/name`. */
export type LockRoom = (tx: Transaction, segments: { account: string; name: string }[]) => Promise<Map<string, number>>;

/** Records first boots, many in one transaction. */
export function createProvisioningStore(db: Database, lockRoom: LockRoom) {
  return {
    isConflict: isDataConflict,

    /** Whether an enrollment can be used now, and whether its account has a thing of this name. Locks nothing. */
    async standing(id: string, { account, name }: { account: string; name: string }, at: Date) {
      const [row] = await db.$queryRaw<(EnrollmentState & { taken: boolean })[]>(sql`
        SELECT e.id, e.max_uses - e.uses AS left, e.revoked_at IS NOT NULL AS revoked, COALESCE(e.expires_at <= ${at}, false) AS expired,
          a.status <> 'active' AS suspended, EXISTS (SELECT 1 FROM things WHERE account_name = ${account} AND name = ${name}) AS taken
        FROM enrollments e JOIN accounts a ON a.name = e.account_name WHERE e.id = ${id}::uuid`);
      return { unusable: usability(row), taken: row?.taken ?? false };
    },

    /**
     * Records first boots in one transaction: locks their enrollments in id order, grants each what it
     * has left, and writes what was granted. Records of one call must not share a name or a key.
     */
    recordBatch: (records: ProvisionRecord[]): Promise<ProvisionOutcome[]> =>
      db.$transaction(async (tx) => {
        const state = await readState(tx, records);
        const expected = await lockExpected(tx, records);
        const outcomes = settle(records, state, await lockRoom(tx, segmentsOf(records)), expected);
        const granted = records.filter((_, n) => outcomes[n]!.result === 'created');
        if (granted.length > 0) await insertRecords(tx, granted);
        return outcomes;
      }),

    /** The certificate that an enrollment gave to a name and key since `since`, if any. */
    async findRepeat({ enrollmentId, account, name, spkiSha256 }: RepeatOf, since: Date): Promise<Repeat | undefined> {
      const row = await db.certificate.findFirst({
        where: {
          enrollmentId,
          spkiSha256: Buffer.from(spkiSha256, 'hex'),
          createdAt: { gt: since },
          thing: { accountName: account, name },
          enrollment: { revokedAt: null },
          account: { status: 'active' },
        },
        include: { thing: true },
        orderBy: { createdAt: 'asc' },
      });
      if (!row) return undefined;
      const { serialNumber, fingerprint, notBefore, notAfter } = row;
      return {
        thing: toRegisteredThing(row.thing),
        certificate: { der: Buffer.from(row.der), serialNumber, fingerprint, notBefore, notAfter },
        used: row.firstUsedAt !== null,
        revoked: row.revokedAt !== null,
      };
    },

    /**
     * Steps to the next token of an unused certificate's refresh family, in place of the one before. Nothing else is
     * written, however often. Undefined when the certificate was used meanwhile, or the family has ended.
     */
    async nextToken(serialNumber: string, at: Date): Promise<FamilyToken | undefined> {
      const [next] = await db.$queryRaw<FamilyToken[]>(sql`
        UPDATE refresh_families f SET counter = f.counter + 1, advanced_at = ${at} FROM certificates c
        WHERE c.serial_number = ${serialNumber} AND f.thing_id = c.thing_id AND f.serial_number = c.serial_number
          AND f.revoked_at IS NULL AND f.expires_at > ${at} AND f.counter < ${mostCounter} AND c.first_used_at IS NULL AND c.revoked_at IS NULL
        RETURNING f.id, f.counter`);
      return next;
    },
  };
}

/** What is needed of a record to tell whether it may be written. */
export type Asking = Pick<ProvisionRecord, 'at' | 'enrollmentId' | 'spkiSha256'> & {
  thing: Pick<RegisteredThing, 'account' | 'name' | 'segment'>;
};

/** Locks the enrollments, then tells what they have left and which names and keys are taken. */
export async function readState(tx: Transaction, records: Asking[]): Promise<BatchState> {
  const asked = records.map(({ thing, spkiSha256 }, n) => ({
    n,
    account: thing.account,
    name: thing.name,
    spki: spkiSha256,
  }));
  const ids = [...new Set(records.map(({ enrollmentId }) => enrollmentId))];
  const at = records[0]!.at;
  const [state] = await tx.$queryRaw<BatchState[]>(sql`
    WITH locked AS (
      SELECT e.id, e.max_uses - e.uses AS left, e.revoked_at IS NOT NULL AS revoked,
             COALESCE(e.expires_at <= ${at}, false) AS expired, a.status <> 'active' AS suspended
      FROM enrollments e JOIN accounts a ON a.name = e.account_name
      WHERE e.id = ANY(${ids}::uuid[]) ORDER BY e.id FOR UPDATE OF e),
    asked AS (SELECT * FROM jsonb_to_recordset(${JSON.stringify(asked)}::jsonb) AS r(n int, account text, name text, spki text)),
    taken AS (
      SELECT asked.n, t.id IS NOT NULL AS name, k.thing_id IS NOT NULL AND NOT ${isKeyFree(at)} AS key,
        b.spki_sha256 IS NOT NULL OR k.barred_at IS NOT NULL AS barred FROM asked
      LEFT JOIN things t ON t.account_name = asked.account AND t.name = asked.name
      LEFT JOIN thing_keys k ON k.account_name = asked.account AND k.spki_sha256 = decode(asked.spki, 'hex')
      LEFT JOIN barred_keys b ON b.spki_sha256 = decode(asked.spki, 'hex')
      WHERE t.id IS NOT NULL OR k.thing_id IS NOT NULL OR b.spki_sha256 IS NOT NULL)
    SELECT (SELECT jsonb_agg(locked) FROM locked) AS enrollments, (SELECT jsonb_agg(taken) FROM taken) AS taken`);
  return state!;
}

/** The segments that records go into. */
export function segmentsOf(records: Asking[]): { account: string; name: string }[] {
  const segments = new Map<string, { account: string; name: string }>();
  for (const { thing } of records) {
    if (thing.segment !== null) segments.set(segmentOf(thing), { account: thing.account, name: thing.segment });
  }
  return [...segments.values()];
}

const segmentOf = ({ account, segment }: Asking['thing']): string => `${account}/${segment}`;

/** What becomes of records that want to be written together, in their order. */
export function settle(
  records: Asking[],
  { enrollments, taken }: BatchState,
  room: Map<string, number>,
  expected: ReadonlySet<Asking> = new Set(records),
): ProvisionOutcome[] {
  const states = new Map((enrollments ?? []).map((state) => [state.id, { ...state }]));
  const takenBy = new Map((taken ?? []).map((row) => [row.n, row]));
  return records.map((record, n) => {
    const { enrollmentId, thing } = record;
    const state = states.get(enrollmentId);
    const conflict = takenBy.get(n);
    const unusable = usability(state);
    if (conflict?.name && unusable !== 'revoked' && unusable !== 'account-suspended') {
      return { result: 'name-taken', ...(unusable ? { unusable } : {}) };
    }
    if (unusable) return { result: unusable };
    if (!expected.has(record)) return { result: 'not-expected' };
    if (conflict?.barred) return { result: 'key-barred' };
    if (conflict?.key) return { result: 'key-in-use' };
    if (thing.segment !== null && !takeRoom(room, segmentOf(thing))) return { result: 'segment-full' };
    state!.left--;
    return { result: 'created' };
  });
}

function takeRoom(room: Map<string, number>, segment: string): boolean {
  const left = room.get(segment) ?? 0;
  room.set(segment, left - 1);
  return left > 0;
}

/** Why an enrollment cannot be used; undefined when it can. */
export function usability(state: EnrollmentState | undefined): Unusable | undefined {
  if (!state || state.revoked) return 'revoked';
  if (state.suspended) return 'account-suspended';
  if (state.expired) return 'expired';
  return state.left <= 0 ? 'exhausted' : undefined;
}

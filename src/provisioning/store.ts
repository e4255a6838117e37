import type { AppendAudit } from '../audit/store.js';
import { sql, type Commit, type Database, type Transaction } from '../db/client.js';
import { isDataConflict } from '../db/errors.js';
import type { AppendLog } from '../log/append.js';
import type { Origin } from '../origin.js';
import type { DeviceCertificate, DeviceCertificateRequest } from '../pki/certificate.js';
import { toRegisteredThing, type RegisteredThing } from '../registry.js';
import { insertRecords } from './record-sql.js';

/** A certificate, and which of its issuer's lists it is on. */
export type IssuedCertificate = DeviceCertificate & { crlScope: string };

export type IssueCertificate = (request: DeviceCertificateRequest) => IssuedCertificate;

export type RefreshFamily = { id: string; expiresAt: Date };

/** Everything that one provisioning leaves behind, complete before it is written. */
export type ProvisionRecord = {
  at: Date;
  origin: Origin;
  enrollmentId: string;
  thing: RegisteredThing;
  certificate: IssuedCertificate;
  issuerId: string;
  /** SHA-256 of the SubjectPublicKeyInfo, lower-case hex. */
  spkiSha256: string;
  family: RefreshFamily;
};

/**
 * What became of a record. Only `created` wrote something. A taken name may be a repeat of the request
 * that took it, which needs nothing of the enrollment but that it is not revoked; `unusable` says what
 * else is wrong with it.
 */
export type ProvisionOutcome = {
  result: 'created' | 'name-taken' | 'key-in-use' | 'key-barred' | 'segment-full' | Unusable;
  unusable?: Unusable;
};

export type ReenrollResult = 'created' | 'not-active' | 'key-in-use' | 'key-barred' | Unusable;

export type Unusable = 'revoked' | 'account-suspended' | 'expired' | 'exhausted';

type EnrollmentState = { id: string; left: number; revoked: boolean; expired: boolean; suspended: boolean };
type BatchState = {
  enrollments: EnrollmentState[] | null;
  taken: { n: number; name: boolean; key: boolean; barred: boolean }[] | null;
};

/** The certificate that an earlier, equal request was given. */
export type Repeat = {
  thing: RegisteredThing;
  certificate: { der: Buffer; serialNumber: string; fingerprint: string; notBefore: Date; notAfter: Date };
  used: boolean;
  revoked: boolean;
};

export type ProvisioningStore = ReturnType<typeof createProvisioningStore>;

/** Locks segments and tells how many things each can still take, by `account/name`. */
export type LockRoom = (tx: Transaction, segments: { account: string; name: string }[]) => Promise<Map<string, number>>;

export function createProvisioningStore(
  db: Database,
  audit: AppendAudit,
  log: AppendLog,
  lockRoom: LockRoom,
  commit: Commit,
) {
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
        const outcomes = settle(records, await readState(tx, records), await lockRoom(tx, segmentsOf(records)));
        const granted = records.filter((_, n) => outcomes[n]!.result === 'created');
        if (granted.length > 0) await insertRecords(tx, granted);
        return outcomes;
      }),

    /**
     * Records a new key for a thing that exists. The record's thing names it; what is returned as
     * `thing` is what it is now.
     */
    recordReenroll: (record: ProvisionRecord): Promise<{ result: ReenrollResult; thing: RegisteredThing }> =>
      db.$transaction(async (tx) => {
        const state = await readState(tx, [record]);
        const thing = await lockThing(tx, record.thing.id);
        const holder = await tx.thingKey.findUnique({
          where: {
            accountName_spkiSha256: {
              accountName: record.thing.account,
              spkiSha256: Buffer.from(record.spkiSha256, 'hex'),
            },
          },
        });
        const held = holder !== null && holder.thingId !== record.thing.id;
        const inactive = thing.status !== 'active';
        const barred = holder?.barredAt || state.taken?.[0]?.barred ? 'key-barred' : undefined;
        const result =
          usability(state.enrollments?.[0]) ?? barred ?? (held ? 'key-in-use' : inactive ? 'not-active' : 'created');
        if (result === 'created') await insertRecords(tx, [record], { existingThing: true });
        return { result, thing };
      }),

    /** The certificate that this enrollment gave to this name and key since `since`, if any. */
    async findRepeat(record: ProvisionRecord, since: Date): Promise<Repeat | undefined> {
      const row = await db.certificate.findFirst({
        where: {
          enrollmentId: record.enrollmentId,
          spkiSha256: Buffer.from(record.spkiSha256, 'hex'),
          createdAt: { gt: since },
          thing: { accountName: record.thing.account, name: record.thing.name },
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
     * Gives an unused certificate a new refresh family in place of those it had. False when the
     * certificate was used meanwhile, and nothing was written.
     */
    replaceFamily: (repeat: Repeat, family: RefreshFamily, at: Date, origin: Origin): Promise<boolean> =>
      commit(async (tx) => {
        const { thing } = repeat;
        const { serialNumber } = repeat.certificate;
        const unused = await tx.$queryRaw<unknown[]>(
          sql`SELECT 1 FROM certificates WHERE serial_number = ${serialNumber} AND first_used_at IS NULL FOR UPDATE`,
        );
        if (unused.length === 0) return false;
        const replaced = await tx.$queryRaw<{ id: string }[]>(
          sql`UPDATE refresh_families SET revoked_at = ${at} WHERE serial_number = ${serialNumber} AND revoked_at IS NULL RETURNING id`,
        );
        await tx.refreshFamily.create({ data: { ...family, thingId: thing.id, serialNumber, advancedAt: at } });
        await audit(tx, {
          at,
          account: thing.account,
          origin,
          action: 'thing.provision-again',
          target: `thing:${thing.name}`,
          detail: { serialNumber },
        });
        const entries = replaced.map(({ id }) => ({
          account: thing.account,
          type: 'token-family' as const,
          payload: { family: id, thingName: thing.name },
        }));
        if (entries.length > 0) await log(tx, at, entries);
        return true;
      }),
  };
}

/** Locks the enrollments, then tells what they have left and which names and keys are taken. */
async function readState(tx: Transaction, records: ProvisionRecord[]): Promise<BatchState> {
  const asked = records.map(({ thing, spkiSha256 }, n) => ({
    n,
    account: thing.account,
    name: thing.name,
    spki: spkiSha256,
  }));
  const ids = [...new Set(records.map(({ enrollmentId }) => enrollmentId))];
  const [state] = await tx.$queryRaw<BatchState[]>(sql`
    WITH locked AS (
      SELECT e.id, e.max_uses - e.uses AS left, e.revoked_at IS NOT NULL AS revoked,
             COALESCE(e.expires_at <= ${records[0]!.at}, false) AS expired, a.status <> 'active' AS suspended
      FROM enrollments e JOIN accounts a ON a.name = e.account_name
      WHERE e.id = ANY(${ids}::uuid[]) ORDER BY e.id FOR UPDATE OF e),
    asked AS (SELECT * FROM jsonb_to_recordset(${JSON.stringify(asked)}::jsonb) AS r(n int, account text, name text, spki text)),
    taken AS (
      SELECT asked.n, t.id IS NOT NULL AS name, k.thing_id IS NOT NULL AS key, b.spki_sha256 IS NOT NULL AS barred FROM asked
      LEFT JOIN things t ON t.account_name = asked.account AND t.name = asked.name
      LEFT JOIN thing_keys k ON k.account_name = asked.account AND k.spki_sha256 = decode(asked.spki, 'hex')
      LEFT JOIN barred_keys b ON b.spki_sha256 = decode(asked.spki, 'hex')
      WHERE t.id IS NOT NULL OR k.thing_id IS NOT NULL OR b.spki_sha256 IS NOT NULL)
    SELECT (SELECT jsonb_agg(locked) FROM locked) AS enrollments, (SELECT jsonb_agg(taken) FROM taken) AS taken`);
  return state!;
}

function segmentsOf(records: ProvisionRecord[]): { account: string; name: string }[] {
  const segments = new Map<string, { account: string; name: string }>();
  for (const { thing } of records) {
    if (thing.segment !== null) segments.set(segmentOf(thing), { account: thing.account, name: thing.segment });
  }
  return [...segments.values()];
}

const segmentOf = ({ account, segment }: RegisteredThing): string => `${account}/${segment}`;

function settle(
  records: ProvisionRecord[],
  { enrollments, taken }: BatchState,
  room: Map<string, number>,
): ProvisionOutcome[] {
  const states = new Map((enrollments ?? []).map((state) => [state.id, { ...state }]));
  const takenBy = new Map((taken ?? []).map((row) => [row.n, row]));
  return records.map(({ enrollmentId, thing }, n) => {
    const state = states.get(enrollmentId);
    const conflict = takenBy.get(n);
    const unusable = usability(state);
    if (conflict?.name && unusable !== 'revoked' && unusable !== 'account-suspended') {
      return { result: 'name-taken', ...(unusable ? { unusable } : {}) };
    }
    if (unusable) return { result: unusable };
    if (conflict) return { result: conflict.key ? 'key-in-use' : 'key-barred' };
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

function usability(state: EnrollmentState | undefined): Unusable | undefined {
  if (!state || state.revoked) return 'revoked';
  if (state.suspended) return 'account-suspended';
  if (state.expired) return 'expired';
  return state.left <= 0 ? 'exhausted' : undefined;
}

async function lockThing(tx: Transaction, id: string): Promise<RegisteredThing> {
  await tx.$queryRaw(sql`SELECT 1 FROM things WHERE id = ${id}::uuid FOR UPDATE`);
  return toRegisteredThing(await tx.thing.findUniqueOrThrow({ where: { id } }));
}

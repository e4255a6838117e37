import { sql, type Commit, type Database, type Json, type Transaction } from '../../db/client.js';
import type { LoggedCertificate } from '../../log/builders.js';
import type { StoredOrigin } from '../../origin.js';
import type { RevocationReason } from '../../pki/crl.js';
import { canComeBack } from '../../renewal-grace-sql.js';
import type { ThingQuery } from '../../thing-query/query.js';
import { matchingThings } from '../../thing-query/query-sql.js';
import type { BulkFilter } from './schema.js';

/** A revocation of many certificates, and how far it has come. */
export type BulkRevocation = {
  id: string;
  account: string;
  filter: BulkFilter;
  reason: RevocationReason;
  origin: StoredOrigin;
  /** How many certificates there were when it began. */
  expected: number;
  revoked: number;
  position: bigint | null;
  /** `fixed` runs too, over the things that were found when it began. The version before leaves those alone. */
  status: 'running' | 'fixed' | 'done';
  createdAt: Date;
  finishedAt: Date | null;
};

/** A certificate that a bulk revocation takes, with the name of its thing. */
export type BulkCertificate = LoggedCertificate & { thingId: string; thingName: string; spkiSha256: Uint8Array };

export type BulkStore = ReturnType<typeof createBulkStore>;

/**
 * `countedAt`: when the filter was counted. Absent while it is being counted. `queries` are asked now; `thingsOf` names the
 * bulk revocation for which they were asked when it began.
 */
type Wanted = {
  account: string;
  filter: BulkFilter;
  reason: RevocationReason;
  at: Date;
  countedAt?: Date;
  queries?: ThingQuery[];
  thingsOf?: string | undefined;
};

// What was issued after the count is left alone, but for what was renewed meanwhile from something that was counted:
// nothing escapes by renewing.
const countedBy = (at: Date) => sql`
  AND (c.created_at <= ${at} OR (c.renews IS NOT NULL AND EXISTS (
    WITH RECURSIVE older AS (
      SELECT o.created_at, o.renews FROM certificates o WHERE o.serial_number = c.renews
      UNION ALL SELECT o.created_at, o.renews FROM certificates o JOIN older n ON o.serial_number = n.renews)
    SELECT 1 FROM older WHERE created_at <= ${at})))`;

// Conditions that are not asked for are always true; a reason changes only as it may for a single certificate.
const matching = ({ account, filter, reason, at, queries, thingsOf }: Wanted) => sql`
  c.account_name = ${account} AND ${canComeBack(at)} ${allOf(queries, at)}
  ${foundFor(thingsOf)}
  AND (c.revoked_at IS NULL OR (c.reason <> ${reason} AND (c.reason = 'certificateHold' OR ${reason} = 'keyCompromise')))
  AND (${filter.thingNames ?? null}::text[] IS NULL OR COALESCE(t.former_name, t.name) = ANY(${filter.thingNames ?? null}::text[]))
  AND (${filter.group ?? null}::text IS NULL OR t.attributes->>'group' = ${filter.group ?? null})
  AND (${filter.enrollment ?? null}::uuid IS NULL OR t.enrollment_id = ${filter.enrollment ?? null}::uuid)
  AND (${filter.policy ?? null}::text IS NULL OR ${filter.policy ?? null} = ANY(t.policies))
  AND (${filter.issuedBefore ?? null}::timestamptz IS NULL OR c.created_at < ${filter.issuedBefore ?? null}::timestamptz)
  AND (${filter.lineageOf ?? null}::text IS NULL OR c.serial_number IN (
    WITH RECURSIVE lineage AS (
      SELECT k.serial_number FROM certificates k WHERE k.account_name = ${account} AND k.spki_sha256 =
        (SELECT s.spki_sha256 FROM certificates s WHERE s.account_name = ${account} AND s.serial_number = ${filter.lineageOf ?? null})
      UNION SELECT r.serial_number FROM certificates r JOIN lineage l ON r.renews = l.serial_number)
    SELECT serial_number FROM lineage))
`;

const foundFor = (bulk: string | undefined) =>
  bulk === undefined
    ? sql``
    : sql`AND EXISTS (SELECT 1 FROM bulk_revocation_things b WHERE b.bulk_id = ${bulk}::uuid AND b.thing_id = t.id)`;

const allOf = (queries: ThingQuery[] | undefined, now: Date) =>
  (queries ?? []).reduce((all, query) => sql`${all} AND ${matchingThings(query, { now, trusted: false })}`, sql``);

const wantedNow = (wanted: Wanted) =>
  sql`${matching(wanted)} ${wanted.countedAt ? countedBy(wanted.countedAt) : sql``}`;

/** Reads and writes bulk revocations, step by step. */
export function createBulkStore(db: Database, commit: Commit) {
  /** The first certificates after a serial number that a filter takes. */
  const sample = (tx: Transaction, wanted: Wanted, limit: number, after = '') =>
    tx.$queryRaw<{ serialNumber: string; thingName: string }[]>(sql`
      SELECT c.serial_number AS "serialNumber", COALESCE(t.former_name, t.name) AS "thingName"
      FROM certificates c JOIN things t ON t.id = c.thing_id WHERE c.serial_number > ${after} AND ${wantedNow(wanted)} ORDER BY c.serial_number LIMIT ${limit}`);

  return {
    sample,
    transaction: commit,

    /** How many certificates, and of how many things, a filter takes. */
    async count(tx: Transaction, wanted: Wanted) {
      const [counts] = await tx.$queryRaw<{ count: number; things: number }[]>(sql`
        SELECT count(*)::int AS count, count(DISTINCT c.thing_id)::int AS things
        FROM certificates c JOIN things t ON t.id = c.thing_id WHERE ${matching(wanted)}`);
      return counts!;
    },

    /**
     * The next certificates after a serial number that a filter takes, their things locked in the order of their ids, and
     * the serial number to continue from; undefined when there are none left. Others may have revoked some before the lock.
     */
    async lockNext(
      tx: Transaction,
      wanted: Wanted,
      limit: number,
      after: string,
    ): Promise<{ certificates: BulkCertificate[]; last: string } | undefined> {
      const next = await sample(tx, wanted, limit, after);
      if (next.length === 0) return undefined;
      const serials = next.map(({ serialNumber }) => serialNumber);
      await tx.$queryRaw(sql`
        SELECT 1 FROM things WHERE id IN (SELECT thing_id FROM certificates WHERE serial_number = ANY(${serials})) ORDER BY id FOR UPDATE`);
      const certificates = await tx.$queryRaw<BulkCertificate[]>(sql`
        SELECT c.serial_number AS "serialNumber", c.fingerprint, c.issuer_id AS "issuerId", c.issuer_index AS "issuerIndex",
          c.crl_scope AS "crlScope", c.not_after AS "notAfter", c.revoked_at AS "revokedAt", c.revoked_position AS "revokedPosition",
          c.thing_id AS "thingId", COALESCE(t.former_name, t.name) AS "thingName", c.spki_sha256 AS "spkiSha256"
        FROM certificates c JOIN things t ON t.id = c.thing_id
        WHERE c.serial_number = ANY(${serials}) AND ${wantedNow(wanted)} ORDER BY c.serial_number`);
      return { certificates, last: serials.at(-1)! };
    },

    /** The DER of a certificate of an account. */
    async findDer(account: string, serialNumber: string): Promise<Buffer | undefined> {
      const row = await db.certificate.findUnique({
        where: { serialNumber, accountName: account },
        select: { der: true },
      });
      return row ? Buffer.from(row.der) : undefined;
    },

    /** Finds the things of a bulk revocation, once: what changes later neither joins nor leaves. */
    async fixThings(tx: Transaction, { id, account, createdAt }: BulkRevocation, queries: ThingQuery[]): Promise<void> {
      await tx.$executeRaw(sql`
        INSERT INTO bulk_revocation_things (bulk_id, thing_id)
        SELECT ${id}::uuid, t.id FROM things t WHERE t.account_name = ${account} ${allOf(queries, createdAt)}`);
    },

    async insert(tx: Transaction, { account, filter, origin, ...bulk }: BulkRevocation): Promise<void> {
      await tx.bulkRevocation.create({
        data: { ...bulk, accountName: account, filter: filter as Json, origin },
      });
    },

    /** A running one, locked; undefined when it is done, or another instance has it. */
    async lock(tx: Transaction, id: string): Promise<BulkRevocation | undefined> {
      const locked = await tx.$queryRaw<object[]>(
        sql`SELECT 1 FROM bulk_revocations WHERE id = ${id}::uuid AND status <> 'done' FOR UPDATE SKIP LOCKED`,
      );
      if (locked.length === 0) return undefined;
      return toBulk(await tx.bulkRevocation.findUniqueOrThrow({ where: { id } }));
    },

    async advance(tx: Transaction, id: string, revoked: number, position: bigint): Promise<void> {
      await tx.bulkRevocation.update({ where: { id }, data: { revoked: { increment: revoked }, position } });
    },

    async finish(tx: Transaction, id: string, at: Date): Promise<void> {
      await tx.bulkRevocation.update({ where: { id }, data: { status: 'done', finishedAt: at } });
      await tx.$executeRaw(sql`DELETE FROM bulk_revocation_things WHERE bulk_id = ${id}::uuid`);
    },

    async find(account: string, id: string): Promise<BulkRevocation | undefined> {
      const row = await db.bulkRevocation.findUnique({ where: { id, accountName: account } });
      return row ? toBulk(row) : undefined;
    },

    async running(): Promise<string[]> {
      const rows = await db.bulkRevocation.findMany({
        where: { status: { in: ['running', 'fixed'] } },
        select: { id: true },
      });
      return rows.map(({ id }) => id);
    },

    /** Bars a key in every account. */
    async barEverywhere(tx: Transaction, spkiSha256: Uint8Array, at: Date): Promise<void> {
      await tx.barredKey.createMany({
        data: [{ spkiSha256: new Uint8Array(spkiSha256), barredAt: at }],
        skipDuplicates: true,
      });
    },
  };
}

type Row = NonNullable<Awaited<ReturnType<Database['bulkRevocation']['findUnique']>>>;

function toBulk({ accountName, filter, reason, origin, status, ...row }: Row): BulkRevocation {
  return {
    ...row,
    account: accountName,
    filter: filter as BulkFilter,
    reason: reason as RevocationReason,
    origin: origin as StoredOrigin,
    status: status as BulkRevocation['status'],
  };
}

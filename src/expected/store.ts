import { randomUUID } from 'node:crypto';
import { beyond, orderOf, startsWith, type Named, type Span } from '../api/paging.js';
import { sql, type Database, type Transaction } from '../db/client.js';
import { mostOfUpload } from '../limits.js';
import type { ExpectedRow } from './reading/rows.js';

/** A thing that is expected, as stored. */
export type ExpectedThing = {
  id: string;
  account: string;
  name: string;
  thingType: string | null;
  attributes: Record<string, string>;
  /** None: those of the enrollment. */
  policies: string[];
  segment: string | null;
  /** SHA-256 of the SubjectPublicKeyInfo, lower-case hex. */
  keySha256: string | null;
  codeHash: Buffer | null;
  wrongCodes: number;
  /** Rises whenever an upload changes it. */
  revision: number;
  createdAt: Date;
  createdBy: string;
  usedAt: Date | null;
  thingId: string | null;
};

/** A row to write: its code is a hash by now. */
export type RowToWrite = Omit<ExpectedRow, 'code'> & { codeHash?: Buffer | undefined };

/** What became of a row; `used` when it differs from one that a device has used. */
export type RowOutcome = 'added' | 'changed' | 'unchanged' | 'used' | 'forbidden';

/** What of an earlier row may become something else. */
export type MayChange = { attributes: boolean; policies: boolean; segment: boolean };

/** Which expected things a list shows. */
export type ExpectedFilter = Named & {
  status?: 'open' | 'used' | undefined;
  segment?: string | undefined;
  type?: string | undefined;
};

export type ExpectedStore = ReturnType<typeof createExpectedStore>;

/** Things that are expected. */
export function createExpectedStore(db: Database) {
  const where = (account: string, { status, segment, type, ...named }: ExpectedFilter, span?: Span) => {
    const name = { ...startsWith(named), ...(span && beyond(span)) };
    return {
      accountName: account,
      ...(Object.keys(name).length > 0 ? { name } : {}),
      ...(status === undefined ? {} : { usedAt: status === 'open' ? null : { not: null } }),
      ...(segment === undefined ? {} : { segment }),
      ...(type === undefined ? {} : { thingType: type }),
    };
  };

  return {
    transaction: <Result>(work: (tx: Transaction) => Promise<Result>): Promise<Result> => db.$transaction(work),

    async find(account: string, name: string): Promise<ExpectedThing | undefined> {
      const row = await db.expectedThing.findUnique({ where: { accountName_name: { accountName: account, name } } });
      return row ? toExpectedThing(row) : undefined;
    },

    async list(account: string, filter: ExpectedFilter, span: Span): Promise<ExpectedThing[]> {
      const rows = await db.expectedThing.findMany({
        where: where(account, filter, span),
        orderBy: { name: orderOf(span) },
        take: span.limit,
      });
      return rows.map(toExpectedThing);
    },

    count: (account: string, filter: ExpectedFilter, most: number): Promise<number> =>
      db.expectedThing.count({ where: where(account, filter), take: most }),

    /** Removes one. False when there was none. */
    async remove(tx: Transaction, account: string, name: string): Promise<boolean> {
      const { count } = await tx.expectedThing.deleteMany({ where: { accountName: account, name } });
      return count === 1;
    },

    /** Notes that a device named a wrong code. */
    async noteWrongCode(id: string): Promise<void> {
      await db.$executeRaw(sql`
        UPDATE expected_things SET wrong_codes = LEAST(wrong_codes + 1, ${mostOfUpload.wrongCodes}) WHERE id = ${id}::uuid`);
    },

    /**
     * Writes rows of different names in one statement. What is the same is not written again, what was used stays, and so does a row
     * that would lose what the caller may not take away.
     */
    async write(
      tx: Transaction,
      { account, actor, at, may }: { account: string; actor: string; at: Date; may: MayChange },
      rows: RowToWrite[],
    ): Promise<RowOutcome[]> {
      const given = rows.map(({ name, type, attributes = {}, policies = [], segment, keySha256, codeHash }, n) => ({
        n,
        id: randomUUID(),
        name,
        type,
        attributes,
        policies,
        segment,
        key: keySha256,
        code: codeHash?.toString('hex'),
      }));
      const found = await tx.$queryRaw<{ n: number; outcome: RowOutcome }[]>(sql`
        WITH r AS MATERIALIZED (
          SELECT r.*, decode(r.key, 'hex') AS key_bytes, decode(r.code, 'hex') AS code_bytes
          FROM jsonb_to_recordset(${JSON.stringify(given)}::jsonb) AS r(
            n int, id uuid, name text COLLATE "C", type text, attributes jsonb, policies text[], segment text, key text, code text)),
        w AS (
          INSERT INTO expected_things AS e
            (id, account_name, name, thing_type, attributes, policies, segment, key_sha256, code_hash, created_at, created_by)
          SELECT id, ${account}, name, type, attributes, policies, segment, key_bytes, code_bytes, ${at}, ${actor} FROM r ORDER BY name
          ON CONFLICT (account_name, name) DO UPDATE SET
            thing_type = EXCLUDED.thing_type, attributes = EXCLUDED.attributes, policies = EXCLUDED.policies, segment = EXCLUDED.segment,
            key_sha256 = EXCLUDED.key_sha256, code_hash = EXCLUDED.code_hash, revision = e.revision + 1, wrong_codes = 0
          WHERE e.used_at IS NULL AND
            (e.thing_type, e.attributes, e.policies, e.segment, e.key_sha256, e.code_hash) IS DISTINCT FROM
            (EXCLUDED.thing_type, EXCLUDED.attributes, EXCLUDED.policies, EXCLUDED.segment, EXCLUDED.key_sha256, EXCLUDED.code_hash)
            AND (${may.attributes} OR e.attributes = EXCLUDED.attributes) AND (${may.policies} OR e.policies = EXCLUDED.policies)
            AND (${may.segment} OR e.segment IS NOT DISTINCT FROM EXCLUDED.segment)
          RETURNING e.name, e.revision)
        SELECT r.n, CASE
          WHEN w.revision = 1 THEN 'added' WHEN w.revision > 1 THEN 'changed'
          WHEN (e.thing_type, e.attributes, e.policies, e.segment, e.key_sha256, e.code_hash) IS DISTINCT FROM
            (r.type, r.attributes, r.policies, r.segment, r.key_bytes, r.code_bytes)
            THEN CASE WHEN e.used_at IS NULL THEN 'forbidden' ELSE 'used' END
          ELSE 'unchanged' END AS outcome
        FROM r LEFT JOIN w ON w.name = r.name LEFT JOIN expected_things e ON e.account_name = ${account} AND e.name = r.name`);
      const outcomes = new Map(found.map(({ n, outcome }) => [n, outcome]));
      return rows.map((_, n) => outcomes.get(n)!);
    },
  };
}

type Row = NonNullable<Awaited<ReturnType<Database['expectedThing']['findUnique']>>>;

function toExpectedThing({ accountName, keySha256, codeHash, attributes, ...row }: Row): ExpectedThing {
  return {
    ...row,
    account: accountName,
    attributes: attributes as Record<string, string>,
    keySha256: keySha256 && Buffer.from(keySha256).toString('hex'),
    codeHash: codeHash && Buffer.from(codeHash),
  };
}

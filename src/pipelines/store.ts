import { sql, type Commit, type Database, type Json, type Transaction } from '../db/client.js';
import { beyond, orderOf, startsWith, type Named, type Span } from '../api/paging.js';

/** A document as it was written. */
export type WrittenDocument = { name: string; [member: string]: unknown };

/** A version as stored. */
export type StoredVersion = { version: number; document: WrittenDocument; createdAt: Date; createdBy: string };

/** A version that edges run. */
export type ActiveVersion = { name: string; version: number; document: WrittenDocument };

/** Which versions a pipeline has. */
export type Versions = { activeVersion: number | null; newestVersion: number };

export type PipelineStore = ReturnType<typeof createPipelineStore>;

/** Reads and writes pipelines and their versions. */
export function createPipelineStore(db: Database, commit: Commit) {
  const key = (account: string, name: string) => ({ accountName_name: { accountName: account, name } });
  const newest = async (tx: Pick<Transaction, 'pipelineVersion'>, account: string, name: string): Promise<number> => {
    const where = { accountName: account, name };
    return (await tx.pipelineVersion.aggregate({ where, _max: { version: true } }))._max.version!;
  };

  return {
    transaction: commit,

    /** What is read in one transaction. */
    read: <Result>(work: (tx: Transaction) => Promise<Result>): Promise<Result> => db.$transaction(work),

    /** Makes one wait for the other where both activate something in an account. */
    async lockAccount(tx: Transaction, account: string): Promise<void> {
      await tx.$queryRaw(sql`SELECT 1 FROM accounts WHERE name = ${account} FOR NO KEY UPDATE`);
    },

    /** Every active version of an account. */
    active: (tx: Pick<Transaction, '$queryRaw'>, account: string): Promise<ActiveVersion[]> =>
      tx.$queryRaw<ActiveVersion[]>(sql`
        SELECT p.name, v.version, v.document FROM pipelines p
        JOIN pipeline_versions v ON v.account_name = p.account_name AND v.name = p.name AND v.version = p.active_version
        WHERE p.account_name = ${account} ORDER BY p.name`),

    /** Pipelines of an account, counted no further than `most`. */
    count: (tx: Transaction, account: string, most: number): Promise<number> =>
      tx.pipeline.count({ where: { accountName: account }, take: most }),

    /** Writes version 1 of a new pipeline, which is not active. False when the name is taken. */
    async insertFirst(tx: Transaction, account: string, first: StoredVersion): Promise<boolean> {
      const { name } = first.document;
      const data = [{ accountName: account, name, activeVersion: null }];
      const { count } = await tx.pipeline.createMany({ data, skipDuplicates: true });
      if (count === 1) await insertVersion(tx, account, first);
      return count === 1;
    },

    insertVersion,

    /** The pipeline, locked until the transaction ends. */
    async lock(tx: Transaction, account: string, name: string): Promise<Versions | undefined> {
      const [row] = await tx.$queryRaw<{ activeVersion: number | null }[]>(sql`
        SELECT active_version AS "activeVersion" FROM pipelines WHERE account_name = ${account} AND name = ${name} FOR UPDATE`);
      return row && { ...row, newestVersion: await newest(tx, account, name) };
    },

    async place(account: string, name: string): Promise<Versions | undefined> {
      const row = await db.pipeline.findUnique({ where: key(account, name), select: { activeVersion: true } });
      return row ? { ...row, newestVersion: await newest(db, account, name) } : undefined;
    },

    async setActive(tx: Transaction, account: string, name: string, activeVersion: number | null): Promise<void> {
      await tx.pipeline.update({ where: key(account, name), data: { activeVersion } });
    },

    /** Deletes a pipeline, its versions with it. */
    async delete(tx: Transaction, account: string, name: string): Promise<void> {
      await tx.pipeline.delete({ where: key(account, name) });
    },

    async findVersion(
      account: string,
      name: string,
      version: number,
      tx: Pick<Transaction, 'pipelineVersion'> = db,
    ): Promise<StoredVersion | undefined> {
      const where = { accountName_name_version: { accountName: account, name, version } };
      const row = await tx.pipelineVersion.findUnique({ where });
      return row ? { ...row, document: row.document as WrittenDocument } : undefined;
    },

    list: (account: string, filter: Named, span: Span) =>
      db.pipeline.findMany({
        where: { accountName: account, name: { ...startsWith(filter), ...beyond(span) } },
        orderBy: { name: orderOf(span) },
        take: span.limit,
        select: { name: true, activeVersion: true },
      }),

    /** Those of some names that a pipeline has. */
    async known(account: string, names: readonly string[]): Promise<Set<string>> {
      const where = { accountName: account, name: { in: [...names] } };
      return new Set((await db.pipeline.findMany({ where, select: { name: true } })).map(({ name }) => name));
    },

    countMatching: (account: string, filter: Named, most: number): Promise<number> =>
      db.pipeline.count({ where: { accountName: account, name: startsWith(filter) }, take: most }),

    countVersions: (account: string, name: string, most: number): Promise<number> =>
      db.pipelineVersion.count({ where: { accountName: account, name }, take: most }),

    /** The versions of a pipeline before one, newest first, their documents left out. */
    versions: (account: string, name: string, before: number | undefined, limit: number) =>
      db.pipelineVersion.findMany({
        where: { accountName: account, name, ...(before === undefined ? {} : { version: { lt: before } }) },
        orderBy: { version: 'desc' },
        take: limit,
        select: { version: true, createdAt: true, createdBy: true },
      }),
  };
}

async function insertVersion(
  tx: Transaction,
  account: string,
  { version, document, createdAt, createdBy }: StoredVersion,
): Promise<void> {
  const { name } = document;
  await tx.pipelineVersion.create({
    data: { accountName: account, name, version, document: document as Json, createdAt, createdBy },
  });
}

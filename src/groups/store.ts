import { sql, type Commit, type Database, type Json, type Transaction } from '../db/client.js';
import { beyond, orderOf, startsWith, type Named, type Span } from '../api/paging.js';
import type { AnyQuery } from '../thing-query/shapes.js';

/** A group as stored: its query in the form in which it was sent. */
export type StoredGroup = {
  account: string;
  name: string;
  query: AnyQuery;
  createdAt: Date;
  createdBy: string;
  changedAt: Date;
};

export type GroupStore = ReturnType<typeof createGroupStore>;

/** Reads and writes groups. */
export function createGroupStore(db: Database, commit: Commit) {
  const where = (account: string, { namePrefix }: Named) => ({
    accountName: account,
    name: startsWith({ namePrefix }),
  });

  return {
    transaction: commit,

    /** Groups of an account, counted no further than `most`. */
    count: (tx: Transaction, account: string, most: number): Promise<number> =>
      tx.group.count({ where: { accountName: account }, take: most }),

    /** False when there is one of this name. */
    async insert(tx: Transaction, { account, query, ...group }: StoredGroup): Promise<boolean> {
      const data = [{ ...group, accountName: account, query: query as Json }];
      return (await tx.group.createMany({ data, skipDuplicates: true })).count === 1;
    },

    async find(account: string, name: string, tx: Pick<Transaction, 'group'> = db): Promise<StoredGroup | undefined> {
      const row = await tx.group.findUnique({ where: { accountName_name: { accountName: account, name } } });
      return row ? toStoredGroup(row) : undefined;
    },

    /** The group, locked until the transaction ends. */
    async lock(tx: Transaction, account: string, name: string): Promise<StoredGroup | undefined> {
      await tx.$queryRaw(sql`SELECT 1 FROM groups WHERE account_name = ${account} AND name = ${name} FOR UPDATE`);
      const row = await tx.group.findUnique({ where: { accountName_name: { accountName: account, name } } });
      return row ? toStoredGroup(row) : undefined;
    },

    countMatching: (account: string, filter: Named, most: number): Promise<number> =>
      db.group.count({ where: where(account, filter), take: most }),

    async list(account: string, filter: Named, span: Span): Promise<StoredGroup[]> {
      const rows = await db.group.findMany({
        where: { accountName: account, name: { ...startsWith(filter), ...beyond(span) } },
        orderBy: { name: orderOf(span) },
        take: span.limit,
      });
      return rows.map(toStoredGroup);
    },

    async change(tx: Transaction, { account, name, query, changedAt }: StoredGroup): Promise<void> {
      const key = { accountName_name: { accountName: account, name } };
      await tx.group.update({ where: key, data: { query: query as Json, changedAt } });
    },

    async delete(tx: Transaction, account: string, name: string): Promise<void> {
      await tx.group.delete({ where: { accountName_name: { accountName: account, name } } });
    },
  };
}

type Row = NonNullable<Awaited<ReturnType<Database['group']['findUnique']>>>;

function toStoredGroup({ accountName, query, ...row }: Row): StoredGroup {
  return { ...row, account: accountName, query: query as AnyQuery };
}

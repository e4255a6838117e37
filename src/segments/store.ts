import { sql, type Commit, type Database, type Json, type Transaction } from '../db/client.js';
import type { NewSegment } from './schema.js';
import { beyond, orderOf, startsWith, type Named, type Span } from '../api/paging.js';

/** A segment as stored, with the number of its things. */
export type StoredSegment = NewSegment & { account: string; createdAt: Date; things: number };

/** What decides a thing's rights, as the log tells it. */
type Member = {
  id: string;
  segment: string | null;
  gen: number;
  status: string;
  attributes: Record<string, string>;
  policies: string[];
};

export type SegmentStore = ReturnType<typeof createSegmentStore>;

/** Reads and writes network segments and who is in them. */
export function createSegmentStore(db: Database, commit: Commit) {
  const withThings = { _count: { select: { things: true } } } as const;

  return {
    transaction: commit,

    /** Segments of an account, counted no further than `most`. */
    count: (tx: Transaction, account: string, most: number): Promise<number> =>
      tx.segment.count({ where: { accountName: account }, take: most }),

    /** False when there is one of this name. */
    async insert(tx: Transaction, account: string, segment: NewSegment, createdAt: Date): Promise<boolean> {
      const { count } = await tx.segment.createMany({
        data: [{ ...toColumns(segment), name: segment.name, accountName: account, createdAt }],
        skipDuplicates: true,
      });
      return count === 1;
    },

    async find(tx: Pick<Database, 'segment'>, account: string, name: string): Promise<StoredSegment | undefined> {
      const row = await tx.segment.findUnique({
        where: { accountName_name: { accountName: account, name } },
        include: withThings,
      });
      return row ? toStoredSegment(row) : undefined;
    },

    get: async (account: string, name: string): Promise<StoredSegment | undefined> => {
      const row = await db.segment.findUnique({
        where: { accountName_name: { accountName: account, name } },
        include: withThings,
      });
      return row ? toStoredSegment(row) : undefined;
    },

    countMatching: (account: string, filter: Named, most: number): Promise<number> =>
      db.segment.count({ where: { accountName: account, name: startsWith(filter) }, take: most }),

    async list(account: string, filter: Named, span: Span): Promise<StoredSegment[]> {
      const rows = await db.segment.findMany({
        where: { accountName: account, name: { ...startsWith(filter), ...beyond(span) } },
        orderBy: { name: orderOf(span) },
        take: span.limit,
        include: withThings,
      });
      return rows.map(toStoredSegment);
    },

    async update(tx: Transaction, account: string, segment: NewSegment): Promise<void> {
      await tx.segment.update({
        where: { accountName_name: { accountName: account, name: segment.name } },
        data: toColumns(segment),
      });
    },

    /** Locks the enrollments that put things in, as provisioning does: before the segment. True when one is still good. */
    async lockEnrollments(tx: Transaction, account: string, name: string): Promise<boolean> {
      const rows = await tx.$queryRaw<{ live: boolean }[]>(sql`
        SELECT revoked_at IS NULL AS live FROM enrollments WHERE account_name = ${account} AND segment = ${name}
        ORDER BY id FOR UPDATE`);
      return rows.some(({ live }) => live);
    },

    async delete(tx: Transaction, account: string, name: string): Promise<void> {
      await tx.enrollment.updateMany({ where: { accountName: account, segment: name }, data: { segment: null } });
      await tx.segment.delete({ where: { accountName_name: { accountName: account, name } } });
    },

    /** A thing of the account, locked until the transaction ends. */
    async lockThing(tx: Transaction, account: string, name: string): Promise<Member | undefined> {
      const [row] = await tx.$queryRaw<Member[]>(sql`
        SELECT id, segment, gen, status, attributes, policies FROM things
        WHERE account_name = ${account} AND name = ${name} FOR UPDATE`);
      return row;
    },

    async moveThing(tx: Transaction, id: string, segment: string | null, gen: number): Promise<void> {
      await tx.thing.update({ where: { id }, data: { segment, gen } });
    },
  };
}

function toColumns({ name: _, egressRules, ingressRules, trafficPolicy, ...columns }: NewSegment) {
  return {
    ...columns,
    egressRules: egressRules as Json,
    ingressRules: ingressRules as Json,
    trafficPolicy: trafficPolicy as Json,
  };
}

type Row = NonNullable<Awaited<ReturnType<Database['segment']['findUnique']>>> & { _count: { things: number } };

function toStoredSegment({ accountName, _count, ...row }: Row): StoredSegment {
  return { ...row, account: accountName, things: _count.things } as StoredSegment;
}

import { sql, type Database, type Transaction } from '../db/client.js';
import { toRegisteredThing, type RegisteredThing, type ThingStatus } from '../registry.js';

export type ListedThing = RegisteredThing & { enrollmentId: string };

export type ThingFilter = {
  thingType?: string | undefined;
  status?: ThingStatus | undefined;
  policy?: string | undefined;
  enrollment?: string | undefined;
};

export type ThingStore = ReturnType<typeof createThingStore>;

export function createThingStore(db: Database) {
  return {
    transaction: <Result>(work: (tx: Transaction) => Promise<Result>): Promise<Result> => db.$transaction(work),

    async find(account: string, name: string): Promise<ListedThing | undefined> {
      const row = await db.thing.findUnique({ where: { accountName_name: { accountName: account, name } } });
      return row ? { ...toRegisteredThing(row), enrollmentId: row.enrollmentId } : undefined;
    },

    /** The thing, locked until the transaction ends, so that what is decided about it stays true. */
    async lock(tx: Transaction, account: string, name: string): Promise<ListedThing | undefined> {
      await tx.$queryRaw(sql`SELECT 1 FROM things WHERE account_name = ${account} AND name = ${name} FOR UPDATE`);
      const row = await tx.thing.findUnique({ where: { accountName_name: { accountName: account, name } } });
      return row ? { ...toRegisteredThing(row), enrollmentId: row.enrollmentId } : undefined;
    },

    async list(account: string, filter: ThingFilter, after: string | undefined, limit: number): Promise<ListedThing[]> {
      const rows = await db.thing.findMany({
        where: {
          accountName: account,
          ...(after === undefined ? {} : { name: { gt: after } }),
          ...(filter.thingType === undefined ? {} : { thingType: filter.thingType }),
          ...(filter.status === undefined ? {} : { status: filter.status }),
          ...(filter.policy === undefined ? {} : { policies: { has: filter.policy } }),
          ...(filter.enrollment === undefined ? {} : { enrollmentId: filter.enrollment }),
        },
        orderBy: { name: 'asc' },
        take: limit,
      });
      return rows.map((row) => ({ ...toRegisteredThing(row), enrollmentId: row.enrollmentId }));
    },

    /** Writes what decides rights, and the generation that tells tokens apart. */
    async update(tx: Transaction, { id, attributes, policies, gen }: RegisteredThing): Promise<void> {
      await tx.thing.update({ where: { id }, data: { attributes, policies, gen } });
    },
  };
}

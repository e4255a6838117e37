import { addSeconds } from '../clock.js';
import { sql, type Commit, type Database, type Transaction } from '../db/client.js';
import { graceOfThing } from '../renewal-grace-sql.js';
import { toRegisteredThing, type RegisteredThing } from '../registry.js';
import { noteSetByOperator } from '../thing-query/device-attributes-sql.js';
import { createThingSearch, type ThingFilter, type ThingSpan } from './search-sql.js';

/** A thing, with what lists show beside it. */
export type ListedThing = RegisteredThing & {
  enrollmentId: string;
  lastSeenAt: Date | null;
  deletedAt: Date | null;
  /** Of a deleted thing: when the last of its certificates expires, and its name is free. */
  nameFreeAt: Date | null;
};

export type ThingStore = ReturnType<typeof createThingStore>;

/** Reads and writes things. */
export function createThingStore(db: Database, commit: Commit) {
  const newest = { select: { notAfter: true }, orderBy: { notAfter: 'desc' }, take: 1 } as const;
  const activity = { activity: { select: { lastSeenAt: true } }, certificates: newest } as const;

  const search = createThingSearch(db);

  return {
    transaction: commit,

    async find(account: string, name: string): Promise<ListedThing | undefined> {
      const where = { accountName_name: { accountName: account, name } };
      const row = await db.thing.findUnique({ where, include: activity });
      return row ? (await listed(db, [row]))[0] : undefined;
    },

    /** The thing, locked until the transaction ends, so that what is decided about it stays true. */
    async lock(tx: Transaction, account: string, name: string): Promise<ListedThing | undefined> {
      await tx.$queryRaw(sql`SELECT 1 FROM things WHERE account_name = ${account} AND name = ${name} FOR UPDATE`);
      const where = { accountName_name: { accountName: account, name } };
      const row = await tx.thing.findUnique({ where, include: activity });
      return row ? (await listed(tx, [row]))[0] : undefined;
    },

    /** A page of things, and after which keys there may be more. */
    async list(
      account: string,
      filter: ThingFilter,
      span: ThingSpan,
    ): Promise<{ things: ListedThing[]; next: string[] | undefined }> {
      const { ids, next } = await search.find(account, filter, span);
      const rows = await db.thing.findMany({ where: { id: { in: ids } }, include: activity });
      const byId = new Map(rows.map((row) => [row.id, row]));
      return {
        things: await listed(
          db,
          ids.flatMap((id) => byId.get(id) ?? []),
        ),
        next,
      };
    },

    count: search.count,

    /** When the last unexpired certificate of a name expires, whichever of its things holds it. */
    async lastNotAfter(tx: Transaction, account: string, name: string, at: Date): Promise<Date | undefined> {
      const { _max } = await tx.certificate.aggregate({
        where: {
          thing: { accountName: account, OR: [{ name }, { formerName: name }] },
          notAfter: { gt: at },
        },
        _max: { notAfter: true },
      });
      return _max.notAfter ?? undefined;
    },

    noteSet: noteSetByOperator,

    /** Writes what decides rights, and the generation that tells tokens apart. */
    async update(tx: Transaction, { id, attributes, policies, gen }: RegisteredThing): Promise<void> {
      await tx.thing.update({ where: { id }, data: { attributes, policies, gen } });
    },
  };
}

type Row = Parameters<typeof toRegisteredThing>[0] & {
  enrollmentId: string;
  deletedAt: Date | null;
  activity: { lastSeenAt: Date } | null;
  certificates: { notAfter: Date }[];
};

/** Things as they are shown. The name of a deleted one is free when its last certificate can be renewed no more. */
async function listed(tx: Transaction, rows: Row[]): Promise<ListedThing[]> {
  const deleted = rows.filter(({ deletedAt }) => deletedAt !== null).map(({ id }) => id);
  if (deleted.length === 0) return rows.map((row) => toListedThing(row, 0));
  const graces = await tx.$queryRaw<{ id: string; seconds: number }[]>(sql`
    SELECT t.id, ${graceOfThing} AS seconds FROM things t WHERE t.id = ANY(${deleted}::uuid[])`);
  const byId = new Map(graces.map(({ id, seconds }) => [id, seconds]));
  return rows.map((row) => toListedThing(row, byId.get(row.id) ?? 0));
}

function toListedThing(row: Row, graceSeconds: number): ListedThing {
  const { enrollmentId, deletedAt, activity, certificates } = row;
  const lastSeenAt = activity?.lastSeenAt ?? null;
  const last = certificates[0]?.notAfter;
  const nameFreeAt = deletedAt && (last ? addSeconds(last, graceSeconds) : deletedAt);
  return { ...toRegisteredThing(row), enrollmentId, lastSeenAt, deletedAt, nameFreeAt };
}

import { sql, type Database, type Transaction } from '../db/client.js';
import { isUniqueViolation } from '../db/errors.js';
import type { ListSettings, StoredIssuer } from './stored.js';

export type { ListSettings, StoredIssuer } from './stored.js';

/** Certificates that others issued stand under an issuer that signs nothing: no authority of Thingward. */
const ours = { kind: { not: 'external' } };

/** What was prepared and given up before it issued anything stands in no bundle. */
const isKept = { NOT: { status: 'retired', activatedAt: null } };

export type IssuerStore = ReturnType<typeof createIssuerStore>;

type Change = Partial<
  ListSettings &
    Pick<
      StoredIssuer,
      | 'status'
      | 'parentId'
      | 'certificateDer'
      | 'sealedKey'
      | 'keyPlace'
      | 'notBefore'
      | 'notAfter'
      | 'activatedAt'
      | 'retiredAt'
    >
>;

/** Reads and writes authorities. Private keys are stored sealed. */
export function createIssuerStore(db: Database) {
  return {
    /** False when an authority has the id already; the transaction is lost then. */
    async insert(tx: Transaction, issuer: StoredIssuer, createdAt: Date): Promise<boolean> {
      const { account, certificateDer, sealedKey, ...columns } = issuer;
      const bytes = { certificateDer: new Uint8Array(certificateDer), sealedKey: new Uint8Array(sealedKey) };
      try {
        await tx.issuer.create({ data: { ...columns, ...bytes, accountName: account, createdAt } });
        return true;
      } catch (error) {
        if (isUniqueViolation(error)) return false;
        throw error;
      }
    },

    /** The unexpired authorities of an account, the newest first. */
    async unexpired(account: string, at: Date): Promise<StoredIssuer[]> {
      const rows = await db.issuer.findMany({
        where: { accountName: account, notAfter: { gt: at }, ...ours, ...isKept },
        orderBy: [{ createdAt: 'desc' }, { kind: 'asc' }, { id: 'asc' }],
      });
      return rows.map(toStoredIssuer);
    },

    /** The authorities of an account that wait for a certificate, the newest first. */
    async waiting(account: string): Promise<StoredIssuer[]> {
      const rows = await db.issuer.findMany({
        where: { accountName: account, status: 'waiting' },
        orderBy: [{ createdAt: 'desc' }, { id: 'asc' }],
      });
      return rows.map(toStoredIssuer);
    },

    /** Every unexpired authority of every account. */
    async allUnexpired(at: Date): Promise<StoredIssuer[]> {
      return (await db.issuer.findMany({ where: { notAfter: { gt: at }, ...ours, ...isKept } })).map(toStoredIssuer);
    },

    /** Every authority of an account that has not expired or waits, and its account locked against another one. */
    async lockAll(tx: Transaction, account: string, at: Date): Promise<StoredIssuer[]> {
      await tx.$queryRaw(sql`SELECT 1 FROM accounts WHERE name = ${account} FOR NO KEY UPDATE`);
      const rows = await tx.issuer.findMany({
        where: { accountName: account, OR: [{ notAfter: { gt: at } }, { status: 'waiting' }], ...ours },
        orderBy: [{ createdAt: 'desc' }, { kind: 'asc' }, { id: 'asc' }],
      });
      return rows.map(toStoredIssuer);
    },

    /** Forgets what was prepared and given up before it issued anything. */
    async forgetUnused(tx: Transaction, account: string): Promise<void> {
      const unused = { accountName: account, kind: 'issuing', status: 'retired', activatedAt: null };
      await tx.crl.deleteMany({ where: { issuer: unused } });
      await tx.issuer.deleteMany({ where: { ...unused, certificates: { none: {} } } });
    },

    /** Changes an authority, inside a transaction. */
    async update(tx: Transaction, id: string, { certificateDer, sealedKey, ...change }: Change): Promise<StoredIssuer> {
      const data = {
        ...change,
        ...(certificateDer && { certificateDer: new Uint8Array(certificateDer) }),
        ...(sealedKey && { sealedKey: new Uint8Array(sealedKey) }),
      };
      return toStoredIssuer(await tx.issuer.update({ where: { id }, data }));
    },

    /** The issuer, locked until the transaction ends. */
    async lock(tx: Transaction, id: string): Promise<StoredIssuer | undefined> {
      await tx.$queryRaw(sql`SELECT 1 FROM issuers WHERE id = ${id} FOR NO KEY UPDATE`);
      const row = await tx.issuer.findUnique({ where: { id, ...ours } });
      return row ? toStoredIssuer(row) : undefined;
    },

    async find(id: string): Promise<StoredIssuer | undefined> {
      const row = await db.issuer.findUnique({ where: { id, ...ours } });
      return row ? toStoredIssuer(row) : undefined;
    },

    /** Which of these ids authorities have already, and in which account. */
    async taken(tx: Transaction, ids: string[]): Promise<StoredIssuer[]> {
      return (await tx.issuer.findMany({ where: { id: { in: ids } } })).map(toStoredIssuer);
    },

    /** When the lists that were imported end, by the ids of their authorities. */
    async listEnds(account: string): Promise<Map<string, Date>> {
      const rows = await db.importedList.findMany({
        where: { issuer: { accountName: account } },
        select: { issuerId: true, nextUpdate: true },
      });
      return new Map(rows.map(({ issuerId, nextUpdate }) => [issuerId, nextUpdate]));
    },

    /** Gives up an authority that never issued: its key and its list are gone, and nothing stays of one that has no certificate yet. */
    async drop(tx: Transaction, { id, status }: StoredIssuer, at: Date): Promise<void> {
      if (status === 'waiting') return void (await tx.issuer.delete({ where: { id } }));
      await tx.crl.deleteMany({ where: { issuerId: id } });
      await tx.issuer.update({
        where: { id },
        data: { status: 'retired', retiredAt: at, sealedKey: new Uint8Array() },
      });
    },

    /** One more than the highest index that may have been given out. */
    async size(id: string): Promise<number> {
      const row = await db.issuer.findUnique({ where: { id }, select: { nextIndex: true } });
      return Number(row?.nextIndex ?? 0);
    },

    /** Sets the next `count` indices of an issuer apart and returns the first. They are given to nobody else, used or not. */
    async reserveIndices(id: string, count: number): Promise<bigint> {
      const [row] = await db.$queryRaw<{ next_index: bigint }[]>(
        sql`UPDATE issuers SET next_index = next_index + ${count} WHERE id = ${id} RETURNING next_index`,
      );
      return row!.next_index - BigInt(count);
    },
  };
}

type Row = NonNullable<Awaited<ReturnType<Database['issuer']['findUnique']>>>;

/** A row as the rooms know it. */
export function toStoredIssuer({ accountName, certificateDer, sealedKey, ...row }: Row): StoredIssuer {
  const { nextIndex: _, createdAt: __, ...rest } = row;
  return {
    ...rest,
    account: accountName,
    kind: row.kind as StoredIssuer['kind'],
    status: row.status as StoredIssuer['status'],
    keyPlace: row.keyPlace as StoredIssuer['keyPlace'],
    certificateDer: Buffer.from(certificateDer),
    sealedKey: Buffer.from(sealedKey),
  };
}

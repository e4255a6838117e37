import { sql, type Database, type Transaction } from '../db/client.js';

/** An authority as it is stored: its key is sealed under the context `issuer:{id}`. */
export type StoredIssuer = {
  id: string;
  account: string;
  kind: 'root' | 'issuing';
  parentId: string | null;
  certificateDer: Buffer;
  sealedKey: Buffer;
  notBefore: Date;
  notAfter: Date;
  listSuperseded: boolean;
};

export type IssuerStore = ReturnType<typeof createIssuerStore>;

export function createIssuerStore(db: Database) {
  return {
    async insert(tx: Transaction, issuer: StoredIssuer, createdAt: Date): Promise<void> {
      const { account, certificateDer, sealedKey, ...columns } = issuer;
      const bytes = { certificateDer: new Uint8Array(certificateDer), sealedKey: new Uint8Array(sealedKey) };
      await tx.issuer.create({ data: { ...columns, ...bytes, accountName: account, createdAt } });
    },

    /** The unexpired authorities of an account, the newest first. */
    async unexpired(account: string, at: Date): Promise<StoredIssuer[]> {
      const rows = await db.issuer.findMany({
        where: { accountName: account, notAfter: { gt: at } },
        orderBy: [{ createdAt: 'desc' }, { kind: 'asc' }, { id: 'asc' }],
      });
      return rows.map(toStoredIssuer);
    },

    /** Every unexpired authority of every account. */
    async allUnexpired(at: Date): Promise<StoredIssuer[]> {
      return (await db.issuer.findMany({ where: { notAfter: { gt: at } } })).map(toStoredIssuer);
    },

    async find(id: string): Promise<StoredIssuer | undefined> {
      const row = await db.issuer.findUnique({ where: { id } });
      return row ? toStoredIssuer(row) : undefined;
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

function toStoredIssuer(row: Row): StoredIssuer {
  return {
    id: row.id,
    account: row.accountName,
    kind: row.kind as 'root' | 'issuing',
    parentId: row.parentId,
    certificateDer: Buffer.from(row.certificateDer),
    sealedKey: Buffer.from(row.sealedKey),
    notBefore: row.notBefore,
    notAfter: row.notAfter,
    listSuperseded: row.listSuperseded,
  };
}

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
  /** Lists that new certificates are spread over; 0 for the complete list alone. */
  shards: number;
  /** Whether there is a delta list beside the complete one. */
  deltaList: boolean;
  /** Whether the complete list names its distribution point, which some readers want and others refuse. */
  distributionPoint: boolean;
  /** Seconds that caches may keep lists without asking. */
  listMaxAge: number;
};

/** What an operator may change about an issuer's lists. */
export type ListSettings = Pick<
  StoredIssuer,
  'listSuperseded' | 'shards' | 'deltaList' | 'distributionPoint' | 'listMaxAge'
>;

/** Certificates that others issued stand under an issuer that signs nothing: no authority of Thingward. */
const ours = { kind: { not: 'external' } };

export type IssuerStore = ReturnType<typeof createIssuerStore>;

/** Reads and writes authorities. Private keys are stored sealed. */
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
        where: { accountName: account, notAfter: { gt: at }, ...ours },
        orderBy: [{ createdAt: 'desc' }, { kind: 'asc' }, { id: 'asc' }],
      });
      return rows.map(toStoredIssuer);
    },

    /** Every unexpired authority of every account. */
    async allUnexpired(at: Date): Promise<StoredIssuer[]> {
      return (await db.issuer.findMany({ where: { notAfter: { gt: at }, ...ours } })).map(toStoredIssuer);
    },

    /** Changes settings, inside a transaction. */
    async update(tx: Transaction, id: string, settings: Partial<ListSettings>): Promise<StoredIssuer> {
      return toStoredIssuer(await tx.issuer.update({ where: { id }, data: settings }));
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
    shards: row.shards,
    deltaList: row.deltaList,
    distributionPoint: row.distributionPoint,
    listMaxAge: row.listMaxAge,
  };
}

import { sql, type Database, type Transaction } from '../db/client.js';
import { toStoredIssuer } from './store.js';
import type { StoredIssuer } from './stored.js';

type List = { number: bigint; thisUpdate: Date; nextUpdate: Date; der: Buffer };

export type OfflineStore = ReturnType<typeof createOfflineStore>;

/** What is kept of authorities whose key is elsewhere. */
export function createOfflineStore(db: Database) {
  return {
    /** Every unexpired one of every account. */
    async elsewhere(at: Date): Promise<StoredIssuer[]> {
      const rows = await db.issuer.findMany({ where: { keyPlace: 'elsewhere', notAfter: { gt: at } } });
      return rows.map(toStoredIssuer);
    },

    /** The list that was last brought for an authority, which is locked until the transaction ends. */
    async lockList(tx: Transaction, issuerId: string): Promise<{ number: bigint; der: Buffer } | undefined> {
      await tx.$queryRaw(sql`SELECT 1 FROM issuers WHERE id = ${issuerId} FOR NO KEY UPDATE`);
      const row = await tx.importedList.findUnique({ where: { issuerId } });
      return row ? { number: BigInt(row.number.toFixed()), der: Buffer.from(row.der) } : undefined;
    },

    async putList(tx: Transaction, issuerId: string, list: List, importedAt: Date): Promise<void> {
      const { number, thisUpdate, nextUpdate, der } = list;
      const data = { number: String(number), thisUpdate, nextUpdate, der: new Uint8Array(der), importedAt };
      await tx.importedList.upsert({ where: { issuerId }, create: { issuerId, ...data }, update: data });
    },

    /**
     * Forgets the key of an authority, and that its list is made here. False when the key is gone already, or the list here has come to a
     * number.
     */
    async giveKeyAway(tx: Transaction, issuerId: string, number: bigint): Promise<boolean> {
      const { count } = await tx.issuer.updateMany({
        where: { id: issuerId, keyPlace: 'here' },
        data: { keyPlace: 'elsewhere', sealedKey: new Uint8Array() },
      });
      const lists = await tx.crl.deleteMany({ where: { issuerId, scope: 'complete', number: { lt: number } } });
      if (count !== 1 || lists.count !== 1) return false;
      await tx.crl.deleteMany({ where: { issuerId } });
      return true;
    },
  };
}

import { sql, type Database } from '../db/client.js';
import type { PublishedCrl } from './issuing.js';

const mostTold = 1000;

/** Lists of authorities whose key is elsewhere: signed there, and brought by command. */
export function createImportedStore(db: Database) {
  return {
    /** Those of unexpired authorities that are past half of their life, the first to end first. */
    pastHalf: (at: Date): Promise<{ issuerId: string; account: string; nextUpdate: Date }[]> =>
      db.$queryRaw(sql`
        SELECT i.id AS "issuerId", i.account_name AS account, l.next_update AS "nextUpdate"
        FROM issuers i JOIN imported_lists l ON l.issuer_id = i.id
        WHERE i.not_after > ${at} AND ${at}::timestamptz >= l.this_update + (l.next_update - l.this_update) / 2
        ORDER BY l.next_update, i.id LIMIT ${mostTold}`),

    /** The list that was last brought for an authority. */
    async find(issuerId: string): Promise<PublishedCrl | undefined> {
      const row = await db.importedList.findUnique({ where: { issuerId } });
      if (!row) return undefined;
      const { number, der, thisUpdate, nextUpdate } = row;
      return {
        issuerId,
        scope: 'complete',
        url: null,
        position: 0n,
        base: null,
        sameSecond: true,
        maxAge: 0,
        thisUpdate,
        nextUpdate,
        signedAt: thisUpdate,
        number: BigInt(number.toFixed()),
        der: Buffer.from(der),
      };
    },
  };
}

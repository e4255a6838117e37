import type { Database } from '../db/client.js';
import type { PublishedCrl } from './issuing.js';

/** Lists of authorities whose key is elsewhere: signed there, and brought by command. */
export function createImportedStore(db: Database) {
  return {
    /** The list that was last brought for an authority. */
    async find(issuerId: string): Promise<PublishedCrl | undefined> {
      const row = await db.importedList.findUnique({ where: { issuerId } });
      if (!row) return undefined;
      const { number, der, thisUpdate, nextUpdate } = row;
      return {
        ...{ issuerId, scope: 'complete', url: null, position: 0n, base: null, sameSecond: true, maxAge: 0 },
        ...{ thisUpdate, nextUpdate, signedAt: thisUpdate },
        number: BigInt(number.toFixed()),
        der: Buffer.from(der),
      };
    },
  };
}

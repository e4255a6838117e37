import { sql, type Database } from '../db/client.js';

/** A certificate that may be shown now. */
type Trusted = { fingerprint: string };

export type TrustStore = ReturnType<typeof createTrustStore>;

/** The certificates that are valid now, for brokers that believe those of a list alone. */
export function createTrustStore(db: Database) {
  return {
    /** The valid certificates of active things of an account, at most so many, in the order of their fingerprints. */
    list: (account: string, at: Date, limit: number): Promise<Trusted[]> =>
      db.$queryRaw<Trusted[]>(sql`
        SELECT c.fingerprint FROM certificates c JOIN things t ON t.id = c.thing_id
        WHERE c.account_name = ${account} AND c.reason IS NULL AND c.not_after > ${at} AND t.status = 'active'
        ORDER BY c.fingerprint LIMIT ${limit}`),

    /** One of them. */
    async find(account: string, fingerprint: string, at: Date): Promise<Uint8Array | undefined> {
      const [row] = await db.$queryRaw<{ der: Uint8Array }[]>(sql`
        SELECT c.der FROM certificates c JOIN things t ON t.id = c.thing_id
        WHERE c.account_name = ${account} AND c.fingerprint = ${fingerprint}
          AND c.reason IS NULL AND c.not_after > ${at} AND t.status = 'active'`);
      return row?.der;
    },
  };
}

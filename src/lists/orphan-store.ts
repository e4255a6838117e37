import { sql, type Database } from '../db/client.js';
import type { RevocationReason } from '../pki/crl.js';
import type { ListedCertificate, ListOf } from './lists.js';
import type { RevocationStore } from './store.js';

// A certificate whose index nobody knows stands in no compact list.
const noIndex = -1;

/**
 * The store of lists and OCSP answers with the orphans in it: revoked certificates that a restored backup does not hold.
 * They stand in every list of their issuer, because nobody knows which one their certificates name.
 */
export function withOrphans(db: Database, store: RevocationStore): RevocationStore {
  const orphansOf = async (issuerId: string, upTo: number): Promise<ListedCertificate[]> => {
    const rows = await db.orphanedRevocation.findMany({
      where: { issuerId, position: { lte: upTo } },
      orderBy: [{ position: 'asc' }, { serialNumber: 'asc' }],
    });
    return rows.map(({ serialNumber, reason, revokedAt, notAfter, position, issuerIndex }) => ({
      serialNumber,
      reason: reason as RevocationReason,
      revokedAt,
      notAfter,
      position: Number(position),
      index: issuerIndex === null ? noIndex : Number(issuerIndex),
    }));
  };

  return {
    ...store,

    async *load(of: ListOf, upTo: number) {
      let orphans = await orphansOf(of.issuerId, upTo);
      // Entries stay in the order of the log.
      for await (const page of store.load(of, upTo)) {
        const last = page.at(-1)?.position ?? 0;
        const due = orphans.filter(({ position }) => position < last);
        orphans = orphans.slice(due.length);
        yield due.length === 0 ? page : [...page, ...due].sort((a, b) => a.position - b.position);
      }
      if (orphans.length > 0) yield orphans;
    },

    async findSerials(issuerId: string, serialNumbers: string[]) {
      const found = await store.findSerials(issuerId, serialNumbers);
      if (found.length >= serialNumbers.length) return found;
      const orphans = await db.$queryRaw<typeof found>(sql`
        SELECT serial_number AS "serialNumber", revoked_at AS "revokedAt", reason FROM orphaned_revocations
        WHERE issuer_id = ${issuerId} AND serial_number = ANY(${serialNumbers})`);
      const known = new Set(found.map(({ serialNumber }) => serialNumber));
      return [...found, ...orphans.filter(({ serialNumber }) => !known.has(serialNumber))];
    },
  };
}

import { X509Certificate } from 'node:crypto';
import { sql, type Database, type Transaction } from '../db/client.js';
import type { CrlEntry } from '../pki/crl.js';
import type { KnownSerial } from './responder.js';

/** A signed list, with the log position that it covers. */
export type StoredCrl = {
  issuerId: string;
  number: bigint;
  der: Buffer;
  position: bigint;
  thisUpdate: Date;
  nextUpdate: Date;
};

export type RevocationStore = ReturnType<typeof createRevocationStore>;

export function createRevocationStore(db: Database) {
  return {
    async insert(tx: Transaction, crl: StoredCrl): Promise<void> {
      await tx.crl.create({ data: { ...crl, der: new Uint8Array(crl.der) } });
    },

    /** The stored list of an issuer, and whether the log holds a revocation or release that it lacks. */
    async find(issuerId: string): Promise<{ crl: StoredCrl; behind: boolean } | undefined> {
      const row = await db.crl.findUnique({ where: { issuerId }, include: { issuer: true } });
      if (!row) return undefined;
      const { issuer, ...crl } = row;
      const newer = await db.logEntry.findFirst({
        where: {
          accountName: issuer.accountName,
          position: { gt: crl.position },
          type: { in: ['certificate', 'release'] },
        },
        select: { position: true },
      });
      return { crl: { ...crl, der: Buffer.from(crl.der) }, behind: newer !== null };
    },

    /** What is known of these serial numbers under an issuer: device certificates, and authorities, which are good while they are there. */
    async findSerials(issuerId: string, serialNumbers: string[]): Promise<KnownSerial[]> {
      const devices = await db.certificate.findMany({
        where: { issuerId, serialNumber: { in: serialNumbers } },
        select: { serialNumber: true, revokedAt: true, reason: true },
      });
      const children = await db.issuer.findMany({
        where: { OR: [{ parentId: issuerId }, { id: issuerId, parentId: null }] },
      });
      const authorities = children
        .map(({ certificateDer }) => serialOf(Buffer.from(certificateDer)))
        .filter((serialNumber) => serialNumbers.includes(serialNumber))
        .map((serialNumber) => ({ serialNumber, revokedAt: null, reason: null }));
      return [...devices, ...authorities];
    },

    /**
     * Replaces an issuer's list by what `sign` makes of the next number and the present entries. The
     * row's lock keeps two publishers apart, so numbers only rise.
     */
    publish: (
      issuerId: string,
      listSuperseded: boolean,
      at: Date,
      sign: (number: bigint, entries: CrlEntry[]) => Omit<StoredCrl, 'issuerId' | 'number' | 'position'>,
    ): Promise<StoredCrl> =>
      db.$transaction(async (tx) => {
        const [row] = await tx.$queryRaw<{ number: bigint }[]>(
          sql`SELECT number FROM crls WHERE issuer_id = ${issuerId} FOR UPDATE`,
        );
        const [head] = await tx.$queryRaw<{ position: bigint }[]>(sql`SELECT position FROM log_head`);
        const number = row!.number + 1n;
        const crl = {
          issuerId,
          number,
          position: head!.position,
          ...sign(number, await entriesOf(tx, issuerId, listSuperseded, at)),
        };
        await tx.crl.update({ where: { issuerId }, data: { ...crl, der: new Uint8Array(crl.der) } });
        return crl;
      }),
  };
}

/** The serial number of a certificate, lower-case hex, 40 digits. */
function serialOf(certificate: Buffer): string {
  return new X509Certificate(certificate).serialNumber.toLowerCase().padStart(40, '0');
}

async function entriesOf(tx: Transaction, issuerId: string, listSuperseded: boolean, at: Date): Promise<CrlEntry[]> {
  const rows = await tx.certificate.findMany({
    where: {
      issuerId,
      revokedAt: { not: null },
      notAfter: { gt: at },
      ...(listSuperseded ? {} : { reason: { not: 'superseded' } }),
    },
    select: { serialNumber: true, revokedAt: true, reason: true },
    orderBy: { revokedAt: 'asc' },
  });
  return rows.map((row) => row as CrlEntry);
}

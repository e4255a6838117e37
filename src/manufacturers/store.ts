import { sql, type Database, type Transaction } from '../db/client.js';
import type { ManufacturerList } from '../pki/manufacturer/list.js';

/** The last list of a manufacturer, without what it revokes. */
export type StoredList = {
  number: string | null;
  thisUpdate: Date;
  nextUpdate: Date;
  sha256: Buffer;
  revoked: number;
};

/** The authority whose devices an enrollment admits. */
export type StoredManufacturer = {
  enrollmentId: string;
  /** Its own certificate first, then those above it. */
  certificates: Buffer[];
  /** What the names of its things are made of. */
  thingName: string;
  list: StoredList | null;
};

export type ManufacturerStore = ReturnType<typeof createManufacturerStore>;

/** Reads and writes manufacturers' authorities and what they revoked. */
export function createManufacturerStore(db: Database) {
  return {
    transaction: <Result>(work: (tx: Transaction) => Promise<Result>): Promise<Result> => db.$transaction(work),

    async insert(
      tx: Transaction,
      { enrollmentId, certificates, thingName }: Omit<StoredManufacturer, 'list'>,
    ): Promise<void> {
      await tx.manufacturer.create({
        data: { enrollmentId, thingName, certificates: certificates.map((each) => new Uint8Array(each)) },
      });
    },

    async find(enrollmentId: string): Promise<StoredManufacturer | undefined> {
      const row = await db.manufacturer.findUnique({ where: { enrollmentId } });
      return row ? toStored(row) : undefined;
    },

    async findAll(enrollmentIds: string[]): Promise<StoredManufacturer[]> {
      if (enrollmentIds.length === 0) return [];
      return (await db.manufacturer.findMany({ where: { enrollmentId: { in: enrollmentIds } } })).map(toStored);
    },

    /** When the last list ends, null without one, and whether it has a serial number: both of one moment. */
    async standing(enrollmentId: string, serialNumber: string): Promise<{ nextUpdate: Date | null; revoked: boolean }> {
      const [row] = await db.$queryRaw<{ nextUpdate: Date | null; revoked: boolean }[]>(sql`
        SELECT m.crl_next_update AS "nextUpdate", EXISTS (
          SELECT 1 FROM manufacturer_revocations r WHERE r.enrollment_id = m.enrollment_id AND r.serial_number = ${serialNumber}) AS revoked
        FROM manufacturers m WHERE m.enrollment_id = ${enrollmentId}::uuid`);
      return row!;
    },

    /** The last list, locked until the transaction ends. */
    async lockList(tx: Transaction, enrollmentId: string): Promise<StoredList | null> {
      await tx.$executeRaw(sql`SELECT 1 FROM manufacturers WHERE enrollment_id = ${enrollmentId}::uuid FOR UPDATE`);
      return toStored(await tx.manufacturer.findUniqueOrThrow({ where: { enrollmentId } })).list;
    },

    /** Puts a list in the place of the one before. */
    async replaceList(tx: Transaction, enrollmentId: string, list: ManufacturerList): Promise<void> {
      const { number, thisUpdate, nextUpdate, sha256, serialNumbers } = list;
      await tx.$executeRaw(sql`DELETE FROM manufacturer_revocations WHERE enrollment_id = ${enrollmentId}::uuid`);
      await tx.$executeRaw(sql`
        INSERT INTO manufacturer_revocations (enrollment_id, serial_number)
        SELECT ${enrollmentId}::uuid, value FROM jsonb_array_elements_text(${JSON.stringify(serialNumbers)}::jsonb)`);
      await tx.manufacturer.update({
        where: { enrollmentId },
        data: {
          crlNumber: number ?? null,
          crlThisUpdate: thisUpdate,
          crlNextUpdate: nextUpdate,
          crlSha256: new Uint8Array(sha256),
          crlRevoked: serialNumbers.length,
        },
      });
    },
  };
}

type Row = NonNullable<Awaited<ReturnType<Database['manufacturer']['findUnique']>>>;

function toStored(row: Row): StoredManufacturer {
  const { enrollmentId, certificates, thingName } = row;
  return {
    enrollmentId,
    thingName,
    certificates: certificates.map((each) => Buffer.from(each)),
    list: row.crlThisUpdate && {
      number: row.crlNumber,
      thisUpdate: row.crlThisUpdate,
      nextUpdate: row.crlNextUpdate!,
      sha256: Buffer.from(row.crlSha256!),
      revoked: row.crlRevoked!,
    },
  };
}

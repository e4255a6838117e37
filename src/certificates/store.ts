import { sql, type Database } from '../db/client.js';
import type { Span } from '../api/paging.js';
import { readGrace } from '../renewal-grace-sql.js';
import { toRegisteredThing, type HeldCertificate } from '../registry.js';
import type { CertificateStatus } from './status.js';

/** Which certificates a list shows. */
export type CertificateFilter = {
  thingName?: string | undefined;
  status?: CertificateStatus | undefined;
  expiringBefore?: Date | undefined;
  expiringAfter?: Date | undefined;
  /** How the serial number begins. */
  serialPrefix?: string | undefined;
};

/** A range of a list: after a serial number, or after an expiry and a serial number. */
export type CertificateSpan = Span<string[]> & { by: 'serialNumber' | 'notAfter' };

export type CertificateStore = ReturnType<typeof createCertificateStore>;

/** Certificates as they were issued, and what became of them. */
export function createCertificateStore(db: Database) {
  const holder = { thing: { include: { account: { select: { status: true } } } } } as const;

  return {
    async findByFingerprint(fingerprint: string): Promise<HeldCertificate | undefined> {
      const row = await db.certificate.findUnique({ where: { fingerprint }, include: holder });
      return row ? toHeldCertificate(row) : undefined;
    },

    async find(account: string, serialNumber: string): Promise<HeldCertificate | undefined> {
      const row = await db.certificate.findUnique({ where: { serialNumber, accountName: account }, include: holder });
      return row ? toHeldCertificate(row) : undefined;
    },

    /** How long a certificate can be renewed after it expired, in seconds. */
    graceOf: (serialNumber: string): Promise<number> => readGrace(db, serialNumber),

    /** The certificates of a thing that are valid now, newest first. */
    async findLiveOf(account: string, thingName: string, at: Date, limit: number): Promise<HeldCertificate[]> {
      const rows = await db.certificate.findMany({
        where: {
          thing: { accountName: account, name: thingName, status: 'active' },
          revokedAt: null,
          notAfter: { gt: at },
        },
        orderBy: [{ createdAt: 'desc' }, { serialNumber: 'asc' }],
        take: limit,
        include: holder,
      });
      return rows.map(toHeldCertificate);
    },

    /** Found by an index in the order of the list, so that a late page costs what the first does. */
    async list(
      account: string,
      filter: CertificateFilter,
      at: Date,
      span: CertificateSpan,
    ): Promise<HeldCertificate[]> {
      const { by, after, descending, limit } = span;
      const found = await db.$queryRaw<{ serial: string }[]>(sql`
        SELECT serial_number AS serial FROM certificates
        WHERE ${matching(account, filter, at)} ${after === undefined ? none : beyond(by, after, descending)}
        ORDER BY ${orders[by][descending ? 'desc' : 'asc']} LIMIT ${limit}`);
      const serials = found.map(({ serial }) => serial);
      const rows = await db.certificate.findMany({ where: { serialNumber: { in: serials } }, include: holder });
      const bySerial = new Map(rows.map((row) => [row.serialNumber, row]));
      return serials.flatMap((serial) => bySerial.get(serial) ?? []).map(toHeldCertificate);
    },

    /** How many match, up to `most`. */
    async count(account: string, filter: CertificateFilter, at: Date, most: number): Promise<number> {
      const [row] = await db.$queryRaw<{ count: bigint }[]>(sql`
        SELECT count(*) AS count FROM (
          SELECT 1 FROM certificates WHERE ${matching(account, filter, at)} LIMIT ${most}) AS counted`);
      return Number(row!.count);
    },
  };
}

type Sql = ReturnType<typeof sql>;

const none = sql``;

/** The order of bytes is the same in every database, and the beginning of a serial number is a range in it. */
const orders = {
  serialNumber: { asc: sql`serial_number COLLATE "C"`, desc: sql`serial_number COLLATE "C" DESC` },
  notAfter: {
    asc: sql`not_after, serial_number COLLATE "C"`,
    desc: sql`not_after DESC, serial_number COLLATE "C" DESC`,
  },
};

function beyond(by: CertificateSpan['by'], [key, serial]: string[], descending: boolean): Sql {
  if (by === 'serialNumber')
    return descending ? sql`AND serial_number COLLATE "C" < ${key}` : sql`AND serial_number COLLATE "C" > ${key}`;
  return descending
    ? sql`AND (not_after, serial_number COLLATE "C") < (${key}::timestamptz, ${serial})`
    : sql`AND (not_after, serial_number COLLATE "C") > (${key}::timestamptz, ${serial})`;
}

function matching(account: string, filter: CertificateFilter, at: Date): Sql {
  const { thingName, status, expiringBefore, expiringAfter, serialPrefix } = filter;
  return sql`account_name = ${account}
    ${thingName === undefined ? none : ofThing(account, thingName)}
    ${expiringBefore === undefined ? none : sql`AND not_after < ${expiringBefore}`}
    ${expiringAfter === undefined ? none : sql`AND not_after >= ${expiringAfter}`}
    ${serialPrefix === undefined ? none : sql`AND serial_number COLLATE "C" BETWEEN ${serialPrefix} AND ${`${serialPrefix}g`}`}
    ${status === undefined ? none : ofStatus(status, at)}`;
}

/** Of every thing that ever had a name, in use or not. */
function ofThing(account: string, name: string): Sql {
  return sql`AND thing_id IN (
    SELECT id FROM things WHERE account_name = ${account} AND name = ${name}
    UNION ALL SELECT id FROM things WHERE account_name = ${account} AND former_name = ${name})`;
}

function ofStatus(status: CertificateStatus, at: Date): Sql {
  switch (status) {
    case 'active':
      return sql`AND revoked_at IS NULL AND not_after > ${at}`;
    case 'expired':
      return sql`AND revoked_at IS NULL AND not_after <= ${at}`;
    case 'superseded':
      return sql`AND revoked_at IS NOT NULL AND reason = 'superseded'`;
    case 'held':
      return sql`AND revoked_at IS NOT NULL AND reason = 'certificateHold'`;
    case 'revoked':
      return sql`AND revoked_at IS NOT NULL AND reason NOT IN ('superseded', 'certificateHold')`;
  }
}

type Holder = Parameters<typeof toRegisteredThing>[0] & { account: { status: string } };
type Row = Omit<HeldCertificate, 'thing' | 'accountActive' | 'der' | 'outsideLists'> & {
  der: Uint8Array;
  thing: Holder;
  crlScope: string;
};

function toHeldCertificate(row: Row): HeldCertificate {
  const { serialNumber, fingerprint, issuerId, notBefore, notAfter, createdAt, firstUsedAt, revokedAt, reason } = row;
  return {
    serialNumber,
    fingerprint,
    issuerId,
    notBefore,
    notAfter,
    createdAt,
    firstUsedAt,
    revokedAt,
    reason,
    outsideLists: row.crlScope === 'external',
    der: Buffer.from(row.der),
    thing: toRegisteredThing(row.thing),
    accountActive: row.thing.account.status === 'active',
  };
}

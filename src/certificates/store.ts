import type { Database } from '../db/client.js';
import { readGrace } from '../renewal-grace-sql.js';
import { toRegisteredThing, type HeldCertificate } from '../registry.js';
import type { CertificateStatus } from './status.js';

/** Which certificates a list shows. */
export type CertificateFilter = {
  thingName?: string | undefined;
  status?: CertificateStatus | undefined;
  expiringBefore?: Date | undefined;
};

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

    async list(
      account: string,
      filter: CertificateFilter,
      at: Date,
      after: string | undefined,
      limit: number,
    ): Promise<HeldCertificate[]> {
      const rows = await db.certificate.findMany({
        where: {
          accountName: account,
          ...(after === undefined ? {} : { serialNumber: { gt: after } }),
          ...(filter.thingName === undefined ? {} : { thing: named(filter.thingName) }),
          AND: [
            ...(filter.expiringBefore === undefined ? [] : [{ notAfter: { lt: filter.expiringBefore } }]),
            ...(filter.status === undefined ? [] : [whereStatus(filter.status, at)]),
          ],
        },
        orderBy: { serialNumber: 'asc' },
        take: limit,
        include: holder,
      });
      return rows.map(toHeldCertificate);
    },
  };
}

/** Every thing that ever had a name, in use or not. */
function named(name: string) {
  return { OR: [{ name }, { formerName: name }] };
}

function whereStatus(status: CertificateStatus, at: Date) {
  switch (status) {
    case 'active':
      return { revokedAt: null, notAfter: { gt: at } };
    case 'expired':
      return { revokedAt: null, notAfter: { lte: at } };
    case 'superseded':
      return { reason: 'superseded' };
    case 'held':
      return { reason: 'certificateHold' };
    case 'revoked':
      return { revokedAt: { not: null }, reason: { notIn: ['superseded', 'certificateHold'] } };
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

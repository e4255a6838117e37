import type { AppendAudit } from '../audit/store.js';
import { sql, type Commit, type Database, type Transaction } from '../db/client.js';
import type { AppendLog } from '../log/append.js';
import { revokedEntry, type LoggedCertificate } from '../log/certificate-entry.js';
import type { Origin } from '../origin.js';
import { toRegisteredThing, type HeldCertificate } from '../registry.js';

export type CertificateStatus = 'active' | 'held' | 'superseded' | 'revoked' | 'expired';

export type CertificateFilter = {
  thingName?: string | undefined;
  status?: CertificateStatus | undefined;
  expiringBefore?: Date | undefined;
};

export type CertificateStore = ReturnType<typeof createCertificateStore>;

/** Certificates as they were issued, and what became of them. */
export function createCertificateStore(db: Database, commit: Commit, audit: AppendAudit, log: AppendLog) {
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
          ...(filter.thingName === undefined ? {} : { thing: { name: filter.thingName } }),
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

    /**
     * Notes that a certificate was used. The first time, it supersedes every older certificate of its
     * thing, whose refresh families end with them.
     */
    async markUsed(certificate: HeldCertificate, origin: Origin, at: Date): Promise<void> {
      if (certificate.firstUsedAt) return;
      await commit(async (tx) => {
        // The thing first, as whoever revokes does: else the two could deadlock, or a hold undo what was superseded.
        await tx.$queryRaw(sql`SELECT 1 FROM things WHERE id = ${certificate.thing.id}::uuid FOR UPDATE`);
        const { count } = await tx.certificate.updateMany({
          where: { serialNumber: certificate.serialNumber, firstUsedAt: null },
          data: { firstUsedAt: at },
        });
        if (count === 0) return;
        const { account, name } = certificate.thing;
        const superseded = await supersedeOlder(tx, certificate, at);
        if (superseded.length === 0) return;
        const families = await endFamilies(
          tx,
          superseded.map(({ serialNumber }) => serialNumber),
          at,
        );
        const detail = {
          serialNumbers: superseded.map(({ serialNumber }) => serialNumber),
          by: certificate.serialNumber,
        };
        await audit(tx, { at, account, origin, action: 'certificate.supersede', target: `thing:${name}`, detail });
        await log(tx, at, [
          ...superseded.map((each) => revokedEntry({ account, thingName: name }, each, 'superseded')),
          ...families.map((family) => ({
            account,
            type: 'token-family' as const,
            payload: { family, thingName: name },
          })),
        ]);
      });
    },
  };
}

function supersedeOlder(
  tx: Transaction,
  { serialNumber, thing, createdAt }: HeldCertificate,
  at: Date,
): Promise<LoggedCertificate[]> {
  return tx.$queryRaw<LoggedCertificate[]>(sql`
    UPDATE certificates SET revoked_at = ${at}, reason = 'superseded'
    WHERE thing_id = ${thing.id}::uuid AND serial_number <> ${serialNumber} AND created_at <= ${createdAt}
      AND revoked_at IS NULL AND not_after > ${at}
    RETURNING serial_number AS "serialNumber", fingerprint, issuer_id AS "issuerId", issuer_index AS "issuerIndex",
      crl_scope AS "crlScope", not_after AS "notAfter", NULL::timestamptz AS "revokedAt", NULL::bigint AS "revokedPosition"`);
}

async function endFamilies(tx: Transaction, serialNumbers: string[], at: Date): Promise<string[]> {
  const rows = await tx.$queryRaw<{ id: string }[]>(sql`
    UPDATE refresh_families SET revoked_at = ${at} WHERE serial_number = ANY(${serialNumbers}) AND revoked_at IS NULL RETURNING id`);
  return rows.map(({ id }) => id);
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

/** Where a certificate stands at an instant. */
export function certificateStatus({ revokedAt, reason, notAfter }: HeldCertificate, at: Date): CertificateStatus {
  if (revokedAt) return reason === 'superseded' ? 'superseded' : reason === 'certificateHold' ? 'held' : 'revoked';
  return notAfter <= at ? 'expired' : 'active';
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
    ...{ serialNumber, fingerprint, issuerId, notBefore, notAfter, createdAt, firstUsedAt, revokedAt, reason },
    outsideLists: row.crlScope === 'external',
    der: Buffer.from(row.der),
    thing: toRegisteredThing(row.thing),
    accountActive: row.thing.account.status === 'active',
  };
}

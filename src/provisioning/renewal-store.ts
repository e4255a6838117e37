import type { AppendAudit } from '../audit/store.js';
import { addSeconds } from '../clock.js';
import { sql, type Database, type Transaction } from '../db/client.js';
import type { Origin } from '../origin.js';
import { holdKey } from './key-sql.js';
import type { IssuedCertificate } from '../issuers/signing.js';
import type { HeldCertificate } from '../registry.js';
import { isNewest, readGrace } from '../renewal-grace-sql.js';

type RenewalRecord = {
  at: Date;
  origin: Origin;
  renews: HeldCertificate;
  certificate: IssuedCertificate;
  issuerId: string;
  spkiSha256: string;
};

/** What a renewal gives: the certificate that is recorded, be it new or from the same request before. */
export type Renewal = {
  created: boolean;
  certificate: { der: Buffer; serialNumber: string; fingerprint: string; notBefore: Date; notAfter: Date };
};

/** Why a renewal was not written. */
export type RenewalRefusal =
  'key-in-use' | 'key-barred' | 'too-many' | 'revoked' | 're-enrolling' | 'expired' | 'not-newest';

export type RenewalStore = ReturnType<typeof createRenewalStore>;

// A device that keeps asking with new keys must not fill the registry.
const maxUnused = 10;

/** Records renewals: a new certificate that waits for its first use. */
export function createRenewalStore(db: Database, audit: AppendAudit) {
  return {
    /** The certificate that this one was renewed to with this key, if it was. */
    async find(serialNumber: string, spkiSha256: string): Promise<Renewal | undefined> {
      const row = await db.certificate.findFirst({
        where: { renews: serialNumber, spkiSha256: Buffer.from(spkiSha256, 'hex'), revokedAt: null },
        orderBy: { createdAt: 'asc' },
      });
      return row ? { created: false, certificate: { ...row, der: Buffer.from(row.der) } } : undefined;
    },

    /** What keeps a certificate that has expired from being renewed; undefined when nothing does, or it has not expired. */
    lateRefusal: (certificate: HeldCertificate, at: Date): Promise<RenewalRefusal | undefined> =>
      lateRefusal(db, certificate, at),

    /** Whether a thing waits for another certificate than this one, or that one for its first use: then nothing older renews. */
    isReenrolling: ({ thing, serialNumber }: HeldCertificate, at: Date): Promise<boolean> =>
      isReenrolling(db, thing.id, serialNumber, at),

    /** Writes a renewal, unless the same one, or too many unused others, exist. */
    insert: ({
      at,
      origin,
      renews,
      certificate,
      issuerId,
      spkiSha256,
    }: RenewalRecord): Promise<Renewal | RenewalRefusal> =>
      db.$transaction(async (tx) => {
        const { thing, serialNumber: renewed } = renews;
        // One renewal of a thing at a time: of two equal requests the second finds the first's.
        // Revoking locks the thing too: what was revoked meanwhile is not renewed.
        const live = await tx.$queryRaw<object[]>(
          sql`SELECT 1 FROM things WHERE id = ${thing.id}::uuid AND status = 'active' FOR UPDATE`,
        );
        const unrevoked = await tx.certificate.count({ where: { serialNumber: renewed, revokedAt: null } });
        if (live.length === 0 || unrevoked === 0) return 'revoked';
        if (await isReenrolling(tx, thing.id, renewed, at)) return 're-enrolling';
        const spki = Buffer.from(spkiSha256, 'hex');
        const same = await tx.certificate.findFirst({
          where: { renews: renewed, spkiSha256: spki, revokedAt: null },
          orderBy: { createdAt: 'asc' },
        });
        if (same) return { created: false, certificate: { ...same, der: Buffer.from(same.der) } };
        const late = await lateRefusal(tx, renews, at);
        if (late) return late;
        const unused = await tx.certificate.count({
          where: { thingId: thing.id, firstUsedAt: null, revokedAt: null, notAfter: { gt: at } },
        });
        if (unused >= maxUnused) return 'too-many';
        const key = await holdKey(tx, { account: thing.account, spkiSha256, thingId: thing.id, at });
        if (key !== 'held') return key;
        const { serialNumber, fingerprint, index, der, notBefore, notAfter, crlScope } = certificate;
        await tx.certificate.create({
          data: {
            serialNumber,
            fingerprint,
            issuerId,
            issuerIndex: index,
            der: new Uint8Array(der),
            notBefore,
            notAfter,
            crlScope,
            accountName: thing.account,
            thingId: thing.id,
            spkiSha256: spki,
            createdAt: at,
            renews: renewed,
          },
        });
        await audit(tx, {
          at,
          account: thing.account,
          origin,
          action: 'certificate.renew',
          target: `thing:${thing.name}`,
          detail: { serialNumber, renews: renewed },
        });
        return { created: true, certificate };
      }),
  };
}

async function lateRefusal(
  tx: Transaction,
  { serialNumber, notAfter }: HeldCertificate,
  at: Date,
): Promise<RenewalRefusal | undefined> {
  if (notAfter > at) return undefined;
  if (addSeconds(notAfter, await readGrace(tx, serialNumber)) <= at) return 'expired';
  return (await isNewest(tx, serialNumber)) ? undefined : 'not-newest';
}

async function isReenrolling(tx: Transaction, thingId: string, renews: string, at: Date): Promise<boolean> {
  const rows = await tx.$queryRaw<object[]>(sql`
    SELECT 1 FROM enrollments e
    WHERE e.reenrolls_thing_id = ${thingId}::uuid AND e.revoked_at IS NULL AND e.expires_at > ${at} AND e.uses < e.max_uses
    UNION ALL
    SELECT 1 FROM certificates c JOIN enrollments e ON e.id = c.enrollment_id AND e.reenrolls_thing_id IS NOT NULL
    WHERE c.thing_id = ${thingId}::uuid AND c.renews IS NULL AND c.serial_number <> ${renews}
      AND c.first_used_at IS NULL AND c.revoked_at IS NULL AND c.not_after > ${at}
    LIMIT 1`);
  return rows.length > 0;
}

import type { AppendAudit } from '../audit/store.js';
import { sql, type Database } from '../db/client.js';
import type { Origin } from '../origin.js';
import type { IssuedCertificate } from './store.js';
import type { HeldCertificate } from '../registry.js';

export type RenewalRecord = {
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
export type RenewalRefusal = 'key-in-use' | 'key-barred' | 'too-many' | 'revoked';

export type RenewalStore = ReturnType<typeof createRenewalStore>;

// A device that keeps asking with new keys must not fill the registry.
const maxUnused = 10;

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

    /** Writes a renewal, unless the same one, or too many unused others, are there. */
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
        const spki = Buffer.from(spkiSha256, 'hex');
        const same = await tx.certificate.findFirst({
          where: { renews: renewed, spkiSha256: spki, revokedAt: null },
          orderBy: { createdAt: 'asc' },
        });
        if (same) return { created: false, certificate: { ...same, der: Buffer.from(same.der) } };
        const unused = await tx.certificate.count({
          where: { thingId: thing.id, firstUsedAt: null, revokedAt: null, notAfter: { gt: at } },
        });
        if (unused >= maxUnused) return 'too-many';
        await tx.thingKey.createMany({
          data: [{ accountName: thing.account, spkiSha256: spki, thingId: thing.id }],
          skipDuplicates: true,
        });
        const key = await tx.thingKey.findUnique({
          where: { accountName_spkiSha256: { accountName: thing.account, spkiSha256: spki } },
        });
        if (key?.thingId !== thing.id) return 'key-in-use';
        if (key.barredAt || (await tx.barredKey.findUnique({ where: { spkiSha256: spki } }))) return 'key-barred';
        const { serialNumber, fingerprint, index, der, notBefore, notAfter, crlScope } = certificate;
        await tx.certificate.create({
          data: {
            ...{
              serialNumber,
              fingerprint,
              issuerId,
              issuerIndex: index,
              der: new Uint8Array(der),
              notBefore,
              notAfter,
              crlScope,
            },
            ...{ accountName: thing.account, thingId: thing.id, spkiSha256: spki, createdAt: at, renews: renewed },
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

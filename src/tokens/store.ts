import type { AppendAudit } from '../audit/store.js';
import { sql, type Commit, type Database } from '../db/client.js';
import type { AppendLog } from '../log/append.js';
import { tokenFamilyEntry } from '../log/builders.js';
import type { Origin } from '../origin.js';

/** A line of refresh tokens: the n-th is valid while the counter says n. */
export type StoredFamily = {
  id: string;
  fingerprint: string;
  thingName: string;
  account: string;
  counter: number;
  advancedAt: Date;
  expiresAt: Date;
  revokedAt: Date | null;
};

type Deps = { db: Database; commit: Commit; audit: AppendAudit; log: AppendLog };

export type TokenStore = ReturnType<typeof createTokenStore>;

/** Reads and writes families of refresh tokens. */
export function createTokenStore({ db, commit, audit, log }: Deps) {
  return {
    async findFamily(id: string): Promise<StoredFamily | undefined> {
      const row = await db.refreshFamily.findUnique({ where: { id }, include: { certificate: true, thing: true } });
      if (!row) return undefined;
      const { counter, advancedAt, expiresAt, revokedAt, certificate, thing } = row;
      return {
        id,
        fingerprint: certificate.fingerprint,
        thingName: thing.formerName ?? thing.name,
        account: thing.accountName,
        counter,
        advancedAt,
        expiresAt,
        revokedAt,
      };
    },

    /** Uses the n-th token of a family up. False when it is not the one to use: of many at once, one wins. */
    async advanceFamily(id: string, counter: number, at: Date): Promise<boolean> {
      const count = await db.$executeRaw(sql`
        UPDATE refresh_families SET counter = counter + 1, advanced_at = ${at}
        WHERE id = ${id}::uuid AND counter = ${counter} AND revoked_at IS NULL`);
      return count === 1;
    },

    /** Ends a family, once. */
    revokeFamily: ({ id, account, thingName }: StoredFamily, why: string, at: Date, origin: Origin): Promise<void> =>
      commit(async (tx) => {
        const { count } = await tx.refreshFamily.updateMany({
          where: { id, revokedAt: null },
          data: { revokedAt: at },
        });
        if (count === 0) return;
        await audit(tx, {
          at,
          account,
          origin,
          action: 'token-family.revoke',
          target: `thing:${thingName}`,
          detail: { family: id, why },
        });
        await log(tx, at, [tokenFamilyEntry({ account, thingName }, id)]);
      }),

    /** Remembers an assertion until it has expired. False when it is known already. */
    async useOnce(hash: Buffer, expiresAt: Date): Promise<boolean> {
      const { count } = await db.usedAssertion.createMany({
        data: [{ hash: new Uint8Array(hash), expiresAt }],
        skipDuplicates: true,
      });
      return count === 1;
    },

    /** Forgets expired assertions, and refresh families that ended a month ago. */
    async sweep(at: Date): Promise<void> {
      await db.usedAssertion.deleteMany({ where: { expiresAt: { lt: at } } });
      const longEnded = new Date(at.getTime() - 30 * 86_400_000);
      await db.refreshFamily.deleteMany({ where: { expiresAt: { lt: longEnded } } });
    },
  };
}

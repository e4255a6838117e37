import { randomUUID } from 'node:crypto';
import { sql, type Database, type Transaction } from '../../db/client.js';
import { isUniqueViolation } from '../../db/errors.js';
import type { KnownPasskey, NewPasskey } from './passkeys.js';

/** What a person types: a password, and the secret of their authenticator app, sealed. */
export type TypedSecrets = { passwordHash: string | null; totpSealed: Buffer | null };

/** A passkey as its person sees it. */
export type ListedPasskey = { id: string; name: string; createdAt: Date; lastUsedAt: Date | null };

export type MethodStore = ReturnType<typeof createMethodStore>;

/** The ways in that people have set up. */
export function createMethodStore(db: Database) {
  return {
    async typed(personId: string): Promise<TypedSecrets> {
      const row = await db.person.findUnique({
        where: { id: personId },
        select: { passwordHash: true, totpSealed: true },
      });
      return {
        passwordHash: row?.passwordHash ?? null,
        totpSealed: row?.totpSealed ? Buffer.from(row.totpSealed) : null,
      };
    },

    async setPassword(
      tx: Transaction,
      personId: string,
      { passwordHash, totpSealed, step }: { passwordHash: string; totpSealed: Buffer; step: number },
    ): Promise<void> {
      const sealed = new Uint8Array(totpSealed);
      await tx.person.update({ where: { id: personId }, data: { passwordHash, totpSealed: sealed, totpStep: step } });
    },

    async removePassword(tx: Transaction, personId: string): Promise<void> {
      await tx.person.update({ where: { id: personId }, data: { passwordHash: null, totpSealed: null } });
      await tx.recoveryCode.deleteMany({ where: { personId } });
    },

    /** Uses a time step up. False when it, or a later one, was used before. */
    async takeStep(personId: string, step: number): Promise<boolean> {
      const { count } = await db.person.updateMany({
        where: { id: personId, totpStep: { lt: step } },
        data: { totpStep: step },
      });
      return count === 1;
    },

    async putRecoveryCodes(tx: Transaction, personId: string, hashes: Buffer[]): Promise<void> {
      await tx.recoveryCode.deleteMany({ where: { personId } });
      await tx.recoveryCode.createMany({ data: hashes.map((hash) => ({ personId, hash: new Uint8Array(hash) })) });
    },

    /** Uses a code up. False when there is none. */
    async takeRecoveryCode(personId: string, hash: Buffer): Promise<boolean> {
      const { count } = await db.recoveryCode.deleteMany({ where: { personId, hash: new Uint8Array(hash) } });
      return count === 1;
    },

    countRecoveryCodes: (personId: string): Promise<number> => db.recoveryCode.count({ where: { personId } }),

    /** Writes a passkey. Returns false when it belongs to somebody already; the transaction is of no use then. */
    async addPasskey(tx: Transaction, personId: string, name: string, passkey: NewPasskey, at: Date): Promise<boolean> {
      const { credentialId, publicKey, counter, transports } = passkey;
      const key = { credentialId, publicKey: new Uint8Array(publicKey), counter, transports };
      try {
        await tx.passkey.create({ data: { id: randomUUID(), personId, name, ...key, createdAt: at } });
        return true;
      } catch (error) {
        if (isUniqueViolation(error)) return false;
        throw error;
      }
    },

    async findPasskey(credentialId: string): Promise<KnownPasskey | undefined> {
      const row = await db.passkey.findUnique({ where: { credentialId } });
      if (!row) return undefined;
      const { id, personId, transports } = row;
      return {
        id,
        personId,
        credentialId,
        transports,
        publicKey: Buffer.from(row.publicKey),
        counter: Number(row.counter),
      };
    },

    passkeysOf: (personId: string): Promise<(ListedPasskey & { credentialId: string })[]> =>
      db.passkey.findMany({
        where: { personId },
        select: { id: true, credentialId: true, name: true, createdAt: true, lastUsedAt: true },
        orderBy: { createdAt: 'asc' },
      }),

    /** Notes that a passkey was used. False when another use with the same counter came first: one of them is a copy. */
    async usePasskey(id: string, counter: number, at: Date): Promise<boolean> {
      const count = await db.$executeRaw(sql`
        UPDATE passkeys SET counter = ${counter}, last_used_at = ${at}
        WHERE id = ${id}::uuid AND (counter < ${counter} OR (counter = 0 AND ${counter} = 0))`);
      return count === 1;
    },

    async removePasskey(tx: Transaction, personId: string, id: string): Promise<boolean> {
      const { count } = await tx.passkey.deleteMany({ where: { personId, id } });
      return count === 1;
    },

    /** Takes every way in away: the one that follows takes their place. */
    async clear(tx: Transaction, personId: string): Promise<void> {
      await tx.person.update({ where: { id: personId }, data: { passwordHash: null, totpSealed: null } });
      await tx.passkey.deleteMany({ where: { personId } });
      await tx.recoveryCode.deleteMany({ where: { personId } });
      await tx.identity.deleteMany({ where: { personId } });
    },
  };
}

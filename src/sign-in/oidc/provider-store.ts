import { sql, type Database, type Transaction } from '../../db/client.js';
import { isUniqueViolation } from '../../db/errors.js';
import type { ProviderSettings } from './provider-schema.js';

/** A provider as stored. */
export type StoredProvider = {
  id: string;
  account: string;
  name: string;
  issuer: string;
  clientId: string;
  secretSealed: Buffer;
  settings: ProviderSettings;
  /** The keys that it signed with last. */
  jwks: { keys: object[] } | null;
  createdAt: Date;
  createdBy: string;
};

/** A session that a provider vouches for, when it is asked again. */
export type VouchedSession = {
  id: string;
  personId: string;
  account: string;
  providerId: string;
  subject: string;
  refreshSealed: Buffer;
};

export type ProviderStore = ReturnType<typeof createProviderStore>;

/** Providers of OpenID Connect, the identities of people, and the sessions that providers vouch for. */
export function createProviderStore(db: Database) {
  return {
    count: (tx: Transaction, account: string): Promise<number> =>
      tx.signInProvider.count({ where: { accountName: account } }),

    /** False when the name is taken; the transaction is of no use then. */
    async insert(tx: Transaction, { account, secretSealed, jwks: _, ...provider }: StoredProvider): Promise<boolean> {
      const data = { ...provider, accountName: account, secretSealed: new Uint8Array(secretSealed) };
      return unlessTaken(() => tx.signInProvider.create({ data }));
    },

    async update(
      tx: Transaction,
      { id, name, issuer, clientId, secretSealed, settings }: StoredProvider,
    ): Promise<boolean> {
      const data = { name, issuer, clientId, settings, secretSealed: new Uint8Array(secretSealed) };
      return unlessTaken(() => tx.signInProvider.update({ where: { id }, data }));
    },

    async delete(tx: Transaction, account: string, id: string): Promise<boolean> {
      return (await tx.signInProvider.deleteMany({ where: { id, accountName: account } })).count === 1;
    },

    async find(id: string): Promise<StoredProvider | undefined> {
      const row = await db.signInProvider.findUnique({ where: { id } });
      return row ? toStoredProvider(row) : undefined;
    },

    async list(account: string): Promise<StoredProvider[]> {
      const rows = await db.signInProvider.findMany({ where: { accountName: account }, orderBy: { name: 'asc' } });
      return rows.map(toStoredProvider);
    },

    async saveKeys(id: string, jwks: object): Promise<void> {
      await db.signInProvider.updateMany({ where: { id }, data: { jwks } });
    },

    async personOf(account: string, issuer: string, subject: string): Promise<string | undefined> {
      const where = { accountName_issuer_subject: { accountName: account, issuer, subject } };
      return (await db.identity.findUnique({ where }))?.personId;
    },

    /** False when somebody has this identity already; the transaction is of no use then. */
    async addIdentity(
      tx: Transaction,
      identity: { id: string; account: string; issuer: string; subject: string; personId: string; createdAt: Date },
    ): Promise<boolean> {
      const { account, ...rest } = identity;
      return unlessTaken(() => tx.identity.create({ data: { ...rest, accountName: account } }));
    },

    /** Ends the sessions that a provider vouches for, of a subject or of a session at the provider. Returns whose they were. */
    async endSessions(
      tx: Transaction,
      providerId: string,
      { subject, session }: { subject?: string | undefined; session?: string | undefined },
    ): Promise<{ id: string; personId: string }[]> {
      return tx.$queryRaw(sql`
        DELETE FROM person_sessions WHERE provider_id = ${providerId}::uuid
          AND (${subject ?? null}::text IS NULL OR subject = ${subject ?? null})
          AND (${session ?? null}::text IS NULL OR provider_session = ${session ?? null})
        RETURNING id, person_id AS "personId"`);
    },

    /** Takes sessions that a provider has to be asked about; nobody else takes them before `again`. */
    async claim(at: Date, again: Date, most: number): Promise<VouchedSession[]> {
      const rows = await db.$queryRaw<(Omit<VouchedSession, 'refreshSealed'> & { refreshSealed: Uint8Array })[]>(sql`
        UPDATE person_sessions s SET recheck_at = ${again} FROM people p
        WHERE p.id = s.person_id AND s.id IN (SELECT id FROM person_sessions
          WHERE recheck_at <= ${at} AND vouched_until > ${at} AND refresh_sealed IS NOT NULL
          ORDER BY recheck_at LIMIT ${most} FOR UPDATE SKIP LOCKED)
        RETURNING s.id, s.person_id AS "personId", p.account_name AS account, s.provider_id AS "providerId", s.subject,
          s.refresh_sealed AS "refreshSealed"`);
      return rows.map((row) => ({ ...row, refreshSealed: Buffer.from(row.refreshSealed) }));
    },

    async vouch(
      id: string,
      { refreshSealed, vouchedUntil, recheckAt }: { refreshSealed: Buffer; vouchedUntil: Date; recheckAt: Date },
    ): Promise<void> {
      const data = { refreshSealed: new Uint8Array(refreshSealed), vouchedUntil, recheckAt };
      await db.personSession.updateMany({ where: { id }, data });
    },
  };
}

async function unlessTaken(write: () => PromiseLike<unknown>): Promise<boolean> {
  try {
    await write();
    return true;
  } catch (error) {
    if (isUniqueViolation(error)) return false;
    throw error;
  }
}

type Row = NonNullable<Awaited<ReturnType<Database['signInProvider']['findUnique']>>>;

function toStoredProvider({ accountName, secretSealed, settings, jwks, ...row }: Row): StoredProvider {
  return {
    ...row,
    account: accountName,
    secretSealed: Buffer.from(secretSealed),
    settings: settings as ProviderSettings,
    jwks: jwks as StoredProvider['jwks'],
  };
}

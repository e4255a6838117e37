import type { AppendAudit } from '../audit/store.js';
import { addSeconds } from '../clock.js';
import { sql, type Database, type Json, type Transaction } from '../db/client.js';
import { isUniqueViolation } from '../db/errors.js';
import type { Origin } from '../origin.js';
import { accountKeyOf, type AccountKey } from './signed/jwk.js';
import { refusal } from './problem.js';

/** An account of ACME: a key that an enrollment admitted. */
export type AcmeAccount = {
  id: string;
  /** The tenant. */
  account: string;
  /** Whether the tenant is neither suspended nor gone. */
  accountActive: boolean;
  enrollmentId: string;
  key: AccountKey;
  status: 'valid' | 'deactivated';
  contact: string[];
  createdAt: Date;
};

type NewAccount = { id: string; account: string; enrollmentId: string; key: AccountKey; contact: string[]; at: Date };

/** An enrollment admits as many accounts as it has uses, and these for clients that lost theirs. */
export const spareAccounts = 10;

const sweepAtOnce = 1000;
const keepSeconds = 30 * 86_400;

export type AccountStore = ReturnType<typeof createAccountStore>;

/** Reads and writes accounts of ACME. */
export function createAccountStore(db: Database, audit: AppendAudit) {
  const include = { account: { select: { status: true } } } as const;
  const note = (tx: Transaction, { id, account }: { id: string; account: string }, action: string, by: Entry) =>
    audit(tx, {
      at: by.at,
      account,
      origin: by.origin,
      action: `acme-account.${action}`,
      target: `acme-account:${id}`,
      detail: by.detail,
    });

  const findByKey = async (spkiSha256: Buffer): Promise<AcmeAccount | undefined> => {
    const row = await db.acmeAccount.findUnique({ where: { spkiSha256: new Uint8Array(spkiSha256) }, include });
    return row ? toAcmeAccount(row) : undefined;
  };

  return {
    findByKey,

    async find(id: string): Promise<AcmeAccount | undefined> {
      const row = await db.acmeAccount.findUnique({ where: { id }, include });
      return row ? toAcmeAccount(row) : undefined;
    },

    /** Whether a key was certified in a tenant, or revoked as compromised: then it is taken for no account. */
    async isOfThing(accountName: string, key: AccountKey): Promise<boolean> {
      const spkiSha256 = new Uint8Array(key.spkiSha256);
      const [held, barred] = [
        await db.thingKey.count({ where: { accountName, spkiSha256 } }),
        await db.barredKey.count({ where: { spkiSha256 } }),
      ];
      return held + barred > 0;
    },

    /**
     * Adds an account while its enrollment admits one. False when the key has an account already.
     * @throws DomainError `unauthorized`, `rateLimited`
     */
    create: ({ key, at, ...account }: NewAccount, origin: Origin): Promise<boolean> =>
      db.$transaction(async (tx) => {
        const { account: accountName, ...columns } = account;
        const data = { ...columns, accountName, createdAt: at, ...columnsOf(key) };
        const { count } = await tx.acmeAccount.createMany({ data: [data], skipDuplicates: true });
        if (count === 0) return false;
        await takeRoom(tx, account.enrollmentId, at);
        await note(tx, account, 'create', { at, origin, detail: { enrollment: account.enrollmentId } });
        return true;
      }),

    setContact: (account: AcmeAccount, contact: string[], at: Date, origin: Origin): Promise<void> =>
      db.$transaction(async (tx) => {
        await tx.acmeAccount.update({ where: { id: account.id }, data: { contact } });
        await note(tx, account, 'update', { at, origin, detail: {} });
      }),

    /** Ends an account for good, with its orders that are not done. */
    deactivate: (account: AcmeAccount, at: Date, origin: Origin): Promise<void> =>
      db.$transaction(async (tx) => {
        const where = { id: account.id, status: 'valid' };
        const { count } = await tx.acmeAccount.updateMany({
          where,
          data: { status: 'deactivated', deactivatedAt: at },
        });
        if (count === 0) return;
        await tx.acmeOrder.deleteMany({ where: { acmeAccountId: account.id, status: 'ready' } });
        await note(tx, account, 'deactivate', { at, origin, detail: {} });
      }),

    /** False when the account has another key meanwhile. @throws the unique violation when another account has the new key */
    changeKey: (account: AcmeAccount, key: AccountKey, at: Date, origin: Origin): Promise<boolean> =>
      db.$transaction(async (tx) => {
        const where = { id: account.id, status: 'valid', spkiSha256: new Uint8Array(account.key.spkiSha256) };
        const { count } = await tx.acmeAccount.updateMany({ where, data: columnsOf(key) });
        if (count === 0) return false;
        const [before, after] = [account.key, key].map(({ spkiSha256 }) => spkiSha256.toString('hex'));
        await note(tx, account, 'change-key', { at, origin, detail: { before: before!, after: after! } });
        return true;
      }),

    isTaken: isUniqueViolation,

    /** Forgets accounts that made nothing, after their enrollment ended or they were deactivated, and gives their room back. */
    async sweep(at: Date): Promise<void> {
      const longAgo = addSeconds(at, -keepSeconds);
      await db.$executeRaw(sql`
        WITH gone AS (
          DELETE FROM acme_accounts WHERE id IN (
            SELECT a.id FROM acme_accounts a JOIN enrollments e ON e.id = a.enrollment_id
            WHERE (a.deactivated_at <= ${longAgo} OR e.revoked_at <= ${longAgo} OR e.expires_at <= ${longAgo})
              AND NOT EXISTS (SELECT 1 FROM acme_things o WHERE o.acme_account_id = a.id)
              AND NOT EXISTS (SELECT 1 FROM acme_orders r WHERE r.acme_account_id = a.id)
              AND NOT EXISTS (SELECT 1 FROM waiting_devices w WHERE w.acme_account_id = a.id)
            LIMIT ${sweepAtOnce} FOR UPDATE OF a SKIP LOCKED)
          RETURNING enrollment_id)
        UPDATE enrollments e SET acme_accounts = e.acme_accounts - g.accounts
        FROM (SELECT enrollment_id, count(*)::int AS accounts FROM gone GROUP BY enrollment_id) g WHERE e.id = g.enrollment_id`);
    },
  };
}

type Entry = { at: Date; origin: Origin; detail: Json };

/** Counts an account of an enrollment that is valid now. @throws DomainError `unauthorized`, `rateLimited` */
async function takeRoom(tx: Transaction, enrollmentId: string, at: Date): Promise<void> {
  const [row] = await tx.$queryRaw<{ isGood: boolean }[]>(sql`
    UPDATE enrollments SET acme_accounts = acme_accounts + 1
    WHERE id = ${enrollmentId}::uuid AND acme_accounts < max_uses::bigint + ${spareAccounts}
    RETURNING revoked_at IS NULL AND uses < max_uses AND COALESCE(expires_at > ${at}, true) AS "isGood"`);
  if (!row)
    throw refusal(
      'rateLimited',
      `the enrollment has admitted as many accounts as it may: use an account that there is, or get a new enrollment`,
      { retryAfter: 86_400 },
    );
  if (!row.isGood)
    throw refusal('unauthorized', 'the enrollment was revoked, has expired or is used up: get a new one');
}

const columnsOf = ({ spki, spkiSha256 }: AccountKey) => ({
  spki: new Uint8Array(spki),
  spkiSha256: new Uint8Array(spkiSha256),
});

type Row = NonNullable<Awaited<ReturnType<Database['acmeAccount']['findUnique']>>> & { account: { status: string } };

function toAcmeAccount({ id, accountName, enrollmentId, spki, status, contact, createdAt, account }: Row): AcmeAccount {
  return {
    id,
    account: accountName,
    accountActive: account.status === 'active',
    enrollmentId,
    key: accountKeyOf(Buffer.from(spki)),
    status: status as AcmeAccount['status'],
    contact,
    createdAt,
  };
}

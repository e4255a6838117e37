import { sql, type Commit, type Database, type Transaction } from '../db/client.js';
import {
  permissions as knownPermissions,
  permissionsOfRole,
  roles,
  type Permission,
  type Role,
} from '../access/permissions.js';
import { promisesOf, type Promises } from '../access/grantee.js';

export type StoredApiKey = {
  id: string;
  name: string | null;
  account: string;
  accountStatus: string;
  role: Role | null;
  permissions: Permission[];
  promises: Promises;
  expiresAt: Date | null;
  createdAt: Date;
  createdBy: string;
};

export type NewStoredApiKey = Omit<StoredApiKey, 'accountStatus'> & { hash: Buffer };

export type AccountStore = ReturnType<typeof createAccountStore>;

/** Accounts and their API keys. */
export function createAccountStore(db: Database, log: () => { commit: Commit; commitAddition: Commit }) {
  const commit: Commit = (work) => log().commit(work);
  const commitAddition: Commit = (work) => log().commitAddition(work);
  const withAccount = { account: { select: { status: true } } } as const;
  return {
    transaction: commit,
    /** For what takes no right away, and whose answer shows a secret that cannot be had again. */
    addition: commitAddition,

    /** False when the name is or was taken. */
    async insertAccount(
      tx: Transaction,
      account: { name: string; timeZone: string; clientIdForm: string; createdAt: Date },
    ): Promise<boolean> {
      const { count } = await tx.account.createMany({ data: [account], skipDuplicates: true });
      return count === 1;
    },

    findAccount: (name: string) => db.account.findUnique({ where: { name } }),

    listAccounts: (after: string | undefined, limit: number) =>
      db.account.findMany({
        ...(after === undefined ? {} : { where: { name: { gt: after } } }),
        orderBy: { name: 'asc' },
        take: limit,
      }),

    async setAccountStatus(tx: Transaction, name: string, status: 'active' | 'suspended'): Promise<boolean> {
      const { count } = await tx.account.updateMany({ where: { name, status: { not: status } }, data: { status } });
      return count === 1;
    },

    /** Keys of an account, counted no further than `most`. */
    countKeys: (tx: Transaction, account: string, most: number): Promise<number> =>
      tx.apiKey.count({ where: { accountName: account, deletedAt: null }, take: most }),

    async insertKey(tx: Transaction, { account, hash, promises, ...columns }: NewStoredApiKey): Promise<void> {
      await tx.apiKey.create({ data: { ...columns, ...promises, accountName: account, hash: new Uint8Array(hash) } });
    },

    async findKeyByHash(hash: Buffer): Promise<StoredApiKey | undefined> {
      const row = await db.apiKey.findUnique({
        where: { hash: new Uint8Array(hash), deletedAt: null },
        include: withAccount,
      });
      return row ? toStoredApiKey(row) : undefined;
    },

    async findKey(account: string, id: string): Promise<StoredApiKey | undefined> {
      const row = await db.apiKey.findUnique({
        where: { id, accountName: account, deletedAt: null },
        include: withAccount,
      });
      return row ? toStoredApiKey(row) : undefined;
    },

    async listKeys(account: string, after: string | undefined, limit: number): Promise<StoredApiKey[]> {
      const rows = await db.apiKey.findMany({
        where: { accountName: account, deletedAt: null, ...(after === undefined ? {} : { id: { gt: after } }) },
        orderBy: { id: 'asc' },
        take: limit,
        include: withAccount,
      });
      return rows.map(toStoredApiKey);
    },

    /** A key, with the keys of its account locked until the transaction ends. */
    async lockKey(tx: Transaction, account: string, id: string): Promise<StoredApiKey | undefined> {
      await tx.$queryRaw(sql`SELECT 1 FROM accounts WHERE name = ${account} FOR NO KEY UPDATE`);
      const row = await tx.apiKey.findUnique({
        where: { id, accountName: account, deletedAt: null },
        include: withAccount,
      });
      return row ? toStoredApiKey(row) : undefined;
    },

    /** How many other owner keys of an account are valid now. */
    countOtherOwners: (tx: Transaction, account: string, id: string, at: Date): Promise<number> =>
      tx.apiKey.count({
        where: {
          accountName: account,
          role: 'owner',
          deletedAt: null,
          id: { not: id },
          OR: [{ expiresAt: null }, { expiresAt: { gt: at } }],
        },
      }),

    async deleteKey(tx: Transaction, account: string, id: string, at: Date): Promise<void> {
      await tx.apiKey.update({ where: { id, accountName: account }, data: { deletedAt: at } });
    },
  };
}

const isAmong = (listed: string[]) => (permission: Permission) => listed.includes(permission);

type Row = NonNullable<Awaited<ReturnType<Database['apiKey']['findUnique']>>> & { account: { status: string } };

function toStoredApiKey({ accountName, account, role, permissions, ...row }: Row): StoredApiKey {
  const present = roles.find((known) => known === role);
  const { id, name, expiresAt, createdAt, createdBy } = row;
  return {
    id,
    name,
    account: accountName,
    accountStatus: account.status,
    role: present ?? null,
    // A role that this version does not know is of a later one, which wrote down what it allowed. Permissions that it does
    // not know allow nothing here, and its answers have no word for them.
    permissions: present ? permissionsOfRole(present, accountName) : knownPermissions.filter(isAmong(permissions)),
    promises: promisesOf(row),
    expiresAt,
    createdAt,
    createdBy,
  };
}

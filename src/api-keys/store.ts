import { promisesOf, type Promises } from '../access/grantee.js';
import {
  permissions as knownPermissions,
  permissionsOfRole,
  roles,
  type Permission,
  type Role,
} from '../access/permissions.js';
import { sql, type Database, type Transaction } from '../db/client.js';
import { beyond, orderOf, type Span } from '../api/paging.js';

/** An API key as stored, with the status of its account. */
export type StoredApiKey = {
  id: string;
  name: string | null;
  description: string | null;
  account: string;
  accountStatus: string;
  role: Role | null;
  permissions: Permission[];
  promises: Promises;
  expiresAt: Date | null;
  createdAt: Date;
  createdBy: string;
  /** Whose command line it is for: it ends with them. Null for any other key. */
  personId: string | null;
};

type NewStoredApiKey = Omit<StoredApiKey, 'accountStatus'> & { hash: Buffer };

export type ApiKeyStore = ReturnType<typeof createApiKeyStore>;

/** Reads and writes API keys. A key itself is never stored, only its hash. */
export function createApiKeyStore(db: Database) {
  const withAccount = { account: { select: { status: true } } } as const;

  return {
    /** Keys of an account, counted no further than `most`. */
    count: (tx: Transaction, account: string, most: number): Promise<number> =>
      tx.apiKey.count({ where: { accountName: account, deletedAt: null }, take: most }),

    async insert(tx: Transaction, { account, hash, promises, ...columns }: NewStoredApiKey): Promise<void> {
      await tx.apiKey.create({ data: { ...columns, ...promises, accountName: account, hash: new Uint8Array(hash) } });
    },

    async findByHash(hash: Buffer): Promise<StoredApiKey | undefined> {
      const row = await db.apiKey.findUnique({
        where: { hash: new Uint8Array(hash), deletedAt: null },
        include: withAccount,
      });
      return row ? toStoredApiKey(row) : undefined;
    },

    async find(account: string, id: string): Promise<StoredApiKey | undefined> {
      const row = await db.apiKey.findUnique({
        where: { id, accountName: account, deletedAt: null },
        include: withAccount,
      });
      return row ? toStoredApiKey(row) : undefined;
    },

    countMatching: (account: string, filter: Filter, most: number): Promise<number> =>
      db.apiKey.count({ where: matching(account, filter), take: most }),

    async list(account: string, filter: Filter, span: Span): Promise<StoredApiKey[]> {
      const id = beyond(span);
      const rows = await db.apiKey.findMany({
        where: { ...matching(account, filter), ...(id === undefined ? {} : { id }) },
        orderBy: { id: orderOf(span) },
        take: span.limit,
        include: withAccount,
      });
      return rows.map(toStoredApiKey);
    },

    /** A key, with the keys of its account locked until the transaction ends. */
    async lock(tx: Transaction, account: string, id: string): Promise<StoredApiKey | undefined> {
      await tx.$queryRaw(sql`SELECT 1 FROM accounts WHERE name = ${account} FOR NO KEY UPDATE`);
      const row = await tx.apiKey.findUnique({
        where: { id, accountName: account, deletedAt: null },
        include: withAccount,
      });
      return row ? toStoredApiKey(row) : undefined;
    },

    /** A key as it is until the transaction ends. */
    async hold(tx: Transaction, account: string, id: string): Promise<StoredApiKey | undefined> {
      await tx.$queryRaw(sql`SELECT 1 FROM api_keys WHERE id = ${id}::uuid AND account_name = ${account} FOR SHARE`);
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

    async describe(
      tx: Transaction,
      account: string,
      id: string,
      { name, description, expiresAt }: Pick<StoredApiKey, 'name' | 'description' | 'expiresAt'>,
    ): Promise<void> {
      await tx.apiKey.update({ where: { id, accountName: account }, data: { name, description, expiresAt } });
    },

    async delete(tx: Transaction, account: string, id: string, at: Date): Promise<void> {
      await tx.apiKey.update({ where: { id, accountName: account }, data: { deletedAt: at } });
    },

    /** The keys of people that are not deleted, the newest first. */
    ofPeople: (tx: Transaction, people: string[]): Promise<{ id: string; expiresAt: Date | null }[]> =>
      tx.apiKey.findMany({
        where: { personId: { in: people }, deletedAt: null },
        orderBy: [{ createdAt: 'desc' }, { id: 'desc' }],
        select: { id: true, expiresAt: true },
      }),

    async deleteAll(tx: Transaction, ids: string[], at: Date): Promise<void> {
      await tx.apiKey.updateMany({ where: { id: { in: ids } }, data: { deletedAt: at } });
    },
  };
}

type Filter = { role?: Role | undefined };

function matching(account: string, { role }: Filter) {
  return { accountName: account, deletedAt: null, ...(role === undefined ? {} : { role }) };
}

const isAmong = (listed: string[]) => (permission: Permission) => listed.includes(permission);

type Row = NonNullable<Awaited<ReturnType<Database['apiKey']['findUnique']>>> & { account: { status: string } };

function toStoredApiKey({ accountName, account, role, permissions, ...row }: Row): StoredApiKey {
  const present = roles.find((known) => known === role);
  const { id, name, description, expiresAt, createdAt, createdBy, personId } = row;
  return {
    id,
    name,
    description,
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
    personId,
  };
}

import {
  permissions as knownPermissions,
  permissionsOfRole,
  roles,
  type Permission,
  type Role,
} from '../access/permissions.js';
import { sql, type Database, type Transaction } from '../db/client.js';
import { isUniqueViolation } from '../db/errors.js';

/** The states of a person. One who is invited has no way in yet. */
export type PersonStatus = 'invited' | 'active' | 'suspended';

/** A way in that a person has set up. */
export type Method = 'passkey' | 'password' | 'sso';

/** A person as stored, with the status of their account. */
export type StoredPerson = {
  id: string;
  account: string;
  accountStatus: string;
  name: string;
  email: string | null;
  role: Role | null;
  permissions: Permission[];
  status: PersonStatus;
  methods: Method[];
  /** The provider whose mapping says the role. */
  providerId: string | null;
  createdAt: Date;
  createdBy: string;
  lastSignInAt: Date | null;
};

/** A person to store. */
export type NewStoredPerson = Pick<
  StoredPerson,
  'id' | 'account' | 'name' | 'email' | 'role' | 'permissions' | 'status' | 'providerId' | 'createdAt' | 'createdBy'
>;

/** What of a person may be changed. */
export type PersonUpdate = Partial<
  Pick<StoredPerson, 'name' | 'email' | 'role' | 'permissions' | 'status' | 'lastSignInAt'>
>;

export type PersonStore = ReturnType<typeof createPersonStore>;

const shown = {
  account: { select: { status: true } },
  _count: { select: { passkeys: true, identities: true } },
} as const;

/** Names are compared without regard to case and to how their letters are composed. */
export const nameKeyOf = (name: string): string => name.normalize('NFKC').trim().toLowerCase();

/** Reads and writes people. */
export function createPersonStore(db: Database) {
  return {
    /** People of an account, counted no further than `most`. */
    count: (tx: Transaction, account: string, most: number): Promise<number> =>
      tx.person.count({ where: { accountName: account, deletedAt: null }, take: most }),

    /** Writes a new person. Returns false when the name is taken; the transaction is of no use then. */
    async insert(tx: Transaction, { account, ...person }: NewStoredPerson): Promise<boolean> {
      return unlessTaken(async () => {
        await tx.person.create({ data: { ...person, accountName: account, nameKey: nameKeyOf(person.name) } });
      });
    },

    async find(account: string, id: string): Promise<StoredPerson | undefined> {
      const row = await db.person.findUnique({ where: { id, accountName: account, deletedAt: null }, include: shown });
      return row ? toStoredPerson(row) : undefined;
    },

    /** Whoever has an id, in any account. */
    async findById(id: string): Promise<StoredPerson | undefined> {
      const row = await db.person.findUnique({ where: { id, deletedAt: null }, include: shown });
      return row ? toStoredPerson(row) : undefined;
    },

    async findByName(account: string, name: string): Promise<StoredPerson | undefined> {
      const where = { accountName: account, nameKey: nameKeyOf(name), deletedAt: null };
      const row = await db.person.findFirst({ where, include: shown });
      return row ? toStoredPerson(row) : undefined;
    },

    async list(account: string, after: string | undefined, limit: number): Promise<StoredPerson[]> {
      const rows = await db.person.findMany({
        where: { accountName: account, deletedAt: null, ...(after === undefined ? {} : { id: { gt: after } }) },
        orderBy: { id: 'asc' },
        take: limit,
        include: shown,
      });
      return rows.map(toStoredPerson);
    },

    /** A person, with the people of their account locked until the transaction ends. */
    async lock(tx: Transaction, account: string, id: string): Promise<StoredPerson | undefined> {
      await tx.$queryRaw(sql`SELECT 1 FROM accounts WHERE name = ${account} FOR NO KEY UPDATE`);
      const row = await tx.person.findUnique({ where: { id, accountName: account, deletedAt: null }, include: shown });
      return row ? toStoredPerson(row) : undefined;
    },

    /** A person as they are until the transaction ends. */
    async hold(tx: Transaction, account: string, id: string): Promise<StoredPerson | undefined> {
      await tx.$queryRaw(sql`SELECT 1 FROM people WHERE id = ${id}::uuid AND account_name = ${account} FOR SHARE`);
      const row = await tx.person.findUnique({ where: { id, accountName: account, deletedAt: null }, include: shown });
      return row ? toStoredPerson(row) : undefined;
    },

    /** How many others of an account are owners; with `active`, those who can sign in. */
    countOtherOwners: (tx: Transaction, account: string, id: string, status?: 'active'): Promise<number> =>
      tx.person.count({
        where: { accountName: account, role: 'owner', deletedAt: null, id: { not: id }, ...(status ? { status } : {}) },
      }),

    /** False when the name is taken; the transaction is of no use then. */
    async update(tx: Transaction, account: string, id: string, update: PersonUpdate): Promise<boolean> {
      const nameKey = update.name === undefined ? {} : { nameKey: nameKeyOf(update.name) };
      return unlessTaken(async () => {
        await tx.person.update({ where: { id, accountName: account }, data: { ...update, ...nameKey } });
      });
    },

    /** Deletes a person, with every way in and every session. */
    async delete(tx: Transaction, account: string, id: string, at: Date): Promise<void> {
      await tx.person.update({
        where: { id, accountName: account },
        data: { deletedAt: at, passwordHash: null, totpSealed: null, email: null },
      });
      const ofPerson = { where: { personId: id } };
      await tx.passkey.deleteMany(ofPerson);
      await tx.recoveryCode.deleteMany(ofPerson);
      await tx.identity.deleteMany(ofPerson);
      await tx.personLink.deleteMany(ofPerson);
      await tx.personSession.deleteMany(ofPerson);
    },

    /** Ends the sessions of a person. */
    async endSessions(tx: Transaction, id: string): Promise<void> {
      await tx.personSession.deleteMany({ where: { personId: id } });
    },

    /** Writes a link. One of the same person takes the place of the last. */
    async putLink(tx: Transaction, { account, hash, ...link }: NewLink): Promise<void> {
      if (link.personId !== null) await tx.personLink.deleteMany({ where: { personId: link.personId } });
      await tx.personLink.create({ data: { ...link, accountName: account, hash: new Uint8Array(hash) } });
    },
  };
}

/** A link for one use. Without a person, it makes an owner. */
export type NewLink = {
  hash: Buffer;
  account: string;
  personId: string | null;
  createdAt: Date;
  createdBy: string;
  expiresAt: Date;
};

async function unlessTaken(write: () => Promise<void>): Promise<boolean> {
  try {
    await write();
    return true;
  } catch (error) {
    if (isUniqueViolation(error)) return false;
    throw error;
  }
}

type Row = NonNullable<Awaited<ReturnType<Database['person']['findUnique']>>> & {
  account: { status: string };
  _count: { passkeys: number; identities: number };
};

function toStoredPerson({ account, _count, ...row }: Row): StoredPerson {
  const { id, accountName, name, email, providerId, createdAt, createdBy, lastSignInAt } = row;
  const role = roles.find((known) => known === row.role) ?? null;
  const held = (permission: Permission) => row.permissions.includes(permission);
  return {
    id,
    account: accountName,
    accountStatus: account.status,
    name,
    email,
    role,
    // As with keys: what this version does not know allows nothing here.
    permissions: role ? permissionsOfRole(role, accountName) : knownPermissions.filter(held),
    status: row.status as PersonStatus,
    methods: methodsOf(_count, row.passwordHash !== null),
    providerId,
    createdAt,
    createdBy,
    lastSignInAt,
  };
}

function methodsOf({ passkeys, identities }: Row['_count'], hasPassword: boolean): Method[] {
  const all: [Method, boolean][] = [
    ['passkey', passkeys > 0],
    ['password', hasPassword],
    ['sso', identities > 0],
  ];
  return all.filter(([, has]) => has).map(([method]) => method);
}

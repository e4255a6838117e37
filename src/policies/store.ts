import { sql, type Commit, type Database, type Transaction } from '../db/client.js';
import type { PolicyVersion } from '../policy/compile.js';
import type { PolicyDocument } from '../policy/document.js';
import { beyond, orderOf, startsWith, type Named, type Span } from '../api/paging.js';

/** A version of a policy, with who stored it and when. */
export type StoredVersion = PolicyVersion & { createdAt: Date; createdBy: string };

/** A thing as far as its policies look at it. */
export type CarryingThing = {
  name: string;
  type?: string | undefined;
  attributes: Record<string, string>;
  policies: string[];
};

export type PolicyStore = ReturnType<typeof createPolicyStore>;

/** Reads and writes policies and their versions. */
export function createPolicyStore(db: Database, commit: Commit) {
  return {
    transaction: commit,

    /** Policies of an account, counted no further than `most`. */
    count: (tx: Transaction, account: string, most: number): Promise<number> =>
      tx.policy.count({ where: { accountName: account }, take: most }),

    /** Writes version 1 of new policies and makes it the active one. False when one of the names is taken. */
    async insertFirst(
      tx: Transaction,
      account: string,
      documents: PolicyDocument[],
      at: Date,
      createdBy: string,
    ): Promise<boolean> {
      const { count } = await tx.policy.createMany({
        data: documents.map(({ name }) => ({ accountName: account, name, activeVersion: 1 })),
        skipDuplicates: true,
      });
      if (count < documents.length) return false;
      for (const document of documents)
        await insertVersion(tx, account, { ...versionOf(document, 1), createdAt: at, createdBy });
      return true;
    },

    insertVersion,

    /** The active and the newest version of a policy. */
    async place(account: string, name: string): Promise<{ activeVersion: number; newestVersion: number } | undefined> {
      const [row] = await db.$queryRaw<{ activeVersion: number; newestVersion: number }[]>(sql`
        SELECT p.active_version AS "activeVersion", max(v.version) AS "newestVersion"
        FROM policies p JOIN policy_versions v ON v.account_name = p.account_name AND v.name = p.name
        WHERE p.account_name = ${account} AND p.name = ${name} GROUP BY p.active_version`);
      return row;
    },

    /** Some of the things, and as many enrollments, that have a locked policy or may still give it to a thing. */
    async usersOf(tx: Transaction, account: string, name: string, at: Date, most: number): Promise<string[]> {
      const rows = await tx.$queryRaw<{ user: string }[]>(sql`
        (SELECT 'thing:' || name AS "user" FROM things
          WHERE account_name = ${account} AND policies @> ARRAY[${name}] AND deleted_at IS NULL LIMIT ${most})
        UNION ALL
        (SELECT 'enrollment:' || id AS "user" FROM enrollments
          WHERE account_name = ${account} AND policies @> ARRAY[${name}] AND revoked_at IS NULL
            AND (expires_at IS NULL OR expires_at > ${at}) LIMIT ${most})`);
      return rows.map(({ user }) => user);
    },

    /** Locks policies that a thing gets, until the transaction ends. Returns those that there are. */
    async hold(tx: Transaction, account: string, names: string[]): Promise<string[]> {
      const rows = await tx.$queryRaw<{ name: string }[]>(sql`
        SELECT name FROM policies WHERE account_name = ${account} AND name = ANY(${names}::text[]) ORDER BY name FOR KEY SHARE`);
      return rows.map(({ name }) => name);
    },

    /** Whether AWS has the policies of an account too. */
    async isMirrored(tx: Transaction, account: string): Promise<boolean> {
      return (await tx.awsMirror.count({ where: { accountName: account, mode: { not: 'off' } } })) > 0;
    },

    /** Deletes a policy, its versions with it, and what remembers its mirror. */
    async delete(tx: Transaction, account: string, name: string): Promise<void> {
      await tx.awsSaga.deleteMany({ where: { accountName: account, policy: name } });
      await tx.policy.delete({ where: { accountName_name: { accountName: account, name } } });
    },

    /** The policy, locked until the transaction ends, with its newest version. */
    async lock(
      tx: Transaction,
      account: string,
      name: string,
    ): Promise<{ activeVersion: number; newestVersion: number } | undefined> {
      const [row] = await tx.$queryRaw<{ activeVersion: number }[]>(sql`
        SELECT active_version AS "activeVersion" FROM policies WHERE account_name = ${account} AND name = ${name} FOR UPDATE`);
      if (!row) return undefined;
      const { _max } = await tx.policyVersion.aggregate({
        where: { accountName: account, name },
        _max: { version: true },
      });
      return { ...row, newestVersion: _max.version! };
    },

    async setActive(tx: Transaction, account: string, name: string, activeVersion: number): Promise<void> {
      await tx.policy.update({ where: { accountName_name: { accountName: account, name } }, data: { activeVersion } });
    },

    async findVersion(account: string, name: string, version: number): Promise<StoredVersion | undefined> {
      const row = await db.policyVersion.findUnique({
        where: { accountName_name_version: { accountName: account, name, version } },
      });
      return row ? { ...row, document: row.document as PolicyDocument } : undefined;
    },

    find: (account: string, name: string) =>
      db.policy.findUnique({
        where: { accountName_name: { accountName: account, name } },
        select: { name: true, activeVersion: true },
      }),

    list: (account: string, filter: Named, span: Span) =>
      db.policy.findMany({
        where: { accountName: account, name: { ...startsWith(filter), ...beyond(span) } },
        orderBy: { name: orderOf(span) },
        take: span.limit,
        select: { name: true, activeVersion: true },
      }),

    countMatching: (account: string, filter: Named, most: number): Promise<number> =>
      db.policy.count({ where: { accountName: account, name: startsWith(filter) }, take: most }),

    countVersions: (account: string, name: string, most: number): Promise<number> =>
      db.policyVersion.count({ where: { accountName: account, name }, take: most }),

    /** The active versions of the policies of these names that there are. */
    async activeNamed(account: string, names: readonly string[]): Promise<Map<string, PolicyVersion>> {
      if (names.length === 0) return new Map();
      const rows = await db.$queryRaw<PolicyVersion[]>`
        SELECT p.name, v.version, v.document FROM policies p
        JOIN policy_versions v ON v.account_name = p.account_name AND v.name = p.name AND v.version = p.active_version
        WHERE p.account_name = ${account} AND p.name = ANY(${[...names]}::text[])`;
      return new Map(rows.map((row) => [row.name, row]));
    },

    /** Those of some names that a policy has. */
    async known(account: string, names: readonly string[]): Promise<Set<string>> {
      const where = { accountName: account, name: { in: [...names] } };
      return new Set((await db.policy.findMany({ where, select: { name: true } })).map(({ name }) => name));
    },

    /** The versions of a policy before one, newest first, their documents left out. */
    versions: (account: string, name: string, before: number | undefined, limit: number) =>
      db.policyVersion.findMany({
        where: { accountName: account, name, ...(before === undefined ? {} : { version: { lt: before } }) },
        orderBy: { version: 'desc' },
        take: limit,
        select: { version: true, createdAt: true, createdBy: true },
      }),

    /** A page of the things that carry a policy, in order of their names. */
    async carrying(
      account: string,
      policy: string,
      after: string | undefined,
      limit: number,
    ): Promise<CarryingThing[]> {
      const where = { ...carryingOf(account, policy), ...(after === undefined ? {} : { name: { gt: after } }) };
      return (await db.thing.findMany({ where, orderBy: { name: 'asc' }, take: limit })).map(toCarrying);
    },

    countCarrying: (account: string, policy: string): Promise<number> =>
      db.thing.count({ where: carryingOf(account, policy) }),

    async thingsNamed(account: string, names: string[]): Promise<CarryingThing[]> {
      const rows = await db.thing.findMany({ where: { accountName: account, name: { in: names } } });
      return rows.map(toCarrying);
    },
  };
}

function carryingOf(account: string, policy: string) {
  return { accountName: account, policies: { has: policy }, status: { not: 'revoked' } };
}

async function insertVersion(
  tx: Transaction,
  account: string,
  { name, version, document, createdAt, createdBy }: StoredVersion,
): Promise<void> {
  await tx.policyVersion.create({ data: { accountName: account, name, version, document, createdAt, createdBy } });
}

function versionOf(document: PolicyDocument, version: number): PolicyVersion {
  return { name: document.name, version, document };
}

type ThingRow = { name: string; thingType: string | null; attributes: unknown; policies: string[] };

function toCarrying({ name, thingType, attributes, policies }: ThingRow): CarryingThing {
  return { name, type: thingType ?? undefined, attributes: attributes as Record<string, string>, policies };
}

import { sql, type Commit, type Database, type Transaction } from '../db/client.js';
import type { PolicyVersion } from '../policy/compile.js';
import type { PolicyDocument } from '../policy/policy.js';

export type StoredVersion = PolicyVersion & { createdAt: Date; createdBy: string };

/** A thing as far as its policies look at it. */
export type CarryingThing = {
  name: string;
  type?: string | undefined;
  attributes: Record<string, string>;
  policies: string[];
};

export type PolicyStore = ReturnType<typeof createPolicyStore>;

export function createPolicyStore(db: Database, commit: Commit) {
  return {
    transaction: commit,

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

    /** A policy with all its versions, newest first, their documents left out. */
    find: (account: string, name: string) =>
      db.policy.findUnique({
        where: { accountName_name: { accountName: account, name } },
        include: {
          versions: { orderBy: { version: 'desc' }, select: { version: true, createdAt: true, createdBy: true } },
        },
      }),

    list: (account: string, after: string | undefined, limit: number) =>
      db.policy.findMany({
        where: { accountName: account, ...(after === undefined ? {} : { name: { gt: after } }) },
        orderBy: { name: 'asc' },
        take: limit,
        select: { name: true, activeVersion: true },
      }),

    /** The active version of every policy of an account. */
    async active(account: string): Promise<Map<string, PolicyVersion>> {
      const rows = await db.$queryRaw<PolicyVersion[]>`
        SELECT p.name, v.version, v.document FROM policies p
        JOIN policy_versions v ON v.account_name = p.account_name AND v.name = p.name AND v.version = p.active_version
        WHERE p.account_name = ${account}`;
      return new Map(rows.map((row) => [row.name, row]));
    },

    /** Things that carry a policy, in order of their names, at most so many; and how many there are. */
    async carrying(
      account: string,
      policy: string,
      limit: number,
    ): Promise<{ count: number; things: CarryingThing[] }> {
      const where = { accountName: account, policies: { has: policy }, status: { not: 'revoked' } };
      const [count, rows] = [
        await db.thing.count({ where }),
        await db.thing.findMany({ where, orderBy: { name: 'asc' }, take: limit }),
      ];
      return { count, things: rows.map(toCarrying) };
    },

    async thingsNamed(account: string, names: string[]): Promise<CarryingThing[]> {
      const rows = await db.thing.findMany({ where: { accountName: account, name: { in: names } } });
      return rows.map(toCarrying);
    },
  };
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

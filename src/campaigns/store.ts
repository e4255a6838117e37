import { sql, type Commit, type Database, type Json, type Transaction } from '../db/client.js';
import type { StoredOrigin } from '../origin.js';
import type { AnyQuery } from '../thing-query/shapes.js';
import type { Deed } from './acts.js';
import type { Act, CampaignStatus } from './schema.js';
import type { WaveRange } from './waves.js';

/** How many things of a wave are in each state. */
export type WaveCounts = WaveRange & { waiting: number; asked: number; done: number; failed: number; skipped: number };

/** A campaign as stored, with its waves in order. */
export type StoredCampaign = Deed & {
  id: string;
  account: string;
  group: string | null;
  query: AnyQuery;
  shares: number[];
  /** In percent of the things of a wave. */
  mostFailures: number;
  waveSeconds: number;
  renewSeconds: number;
  status: CampaignStatus;
  reasonCode: string | null;
  reason: string | null;
  /** Whose permissions it uses, as the audit names them. */
  holder: string;
  origin: StoredOrigin;
  things: number;
  wave: number;
  next: number;
  /** Failures of the present wave that somebody has seen and accepted. */
  excused: number;
  /** Rises with every change of its status. */
  changes: number;
  waveSince: Date;
  createdAt: Date;
  createdBy: string;
  finishedAt: Date | null;
  waves: WaveCounts[];
};

/** What changes while a campaign runs. */
export type CampaignChange = Partial<
  Pick<
    StoredCampaign,
    'wave' | 'next' | 'excused' | 'waveSince' | 'status' | 'reasonCode' | 'reason' | 'holder' | 'finishedAt'
  > & {
    origin: StoredOrigin;
    changes: number;
  }
>;

/** Which campaigns a list shows. */
export type CampaignFilter = { status?: CampaignStatus | undefined; group?: string | undefined };

export type CampaignStore = ReturnType<typeof createCampaignStore>;

const withWaves = { counts: { orderBy: { wave: 'asc' } } } as const;

/** Reads and writes campaigns, and the counts of their waves. */
export function createCampaignStore(db: Database, commit: Commit) {
  const locked = async (tx: Transaction, found: object[], id: string): Promise<StoredCampaign | undefined> =>
    found.length === 0
      ? undefined
      : toCampaign(await tx.campaign.findUniqueOrThrow({ where: { id }, include: withWaves }));

  return {
    transaction: commit,

    /** How many campaigns of an account are not over. */
    countOpen: (tx: Transaction, account: string): Promise<number> =>
      tx.campaign.count({ where: { accountName: account, finishedAt: null } }),

    /** Whether one that is not over takes its things from a group. */
    isOverGroup: async (tx: Transaction, account: string, group: string): Promise<boolean> =>
      (await tx.campaign.count({ where: { accountName: account, groupName: group, finishedAt: null } })) > 0,

    async insert(tx: Transaction, campaign: StoredCampaign): Promise<void> {
      const { account, act, policies, attributes, group, query, shares, origin, waves, ...columns } = campaign;
      const made = { ...(policies ? { policies } : {}), ...(attributes ? { attributes } : {}) };
      const data = {
        ...columns,
        accountName: account,
        act,
        with: made,
        groupName: group,
        query: query as Json,
        waves: shares,
      };
      await tx.campaign.create({ data: { ...data, origin } });
      await tx.campaignWave.createMany({ data: waves.map((wave) => ({ ...wave, campaignId: campaign.id })) });
    },

    async find(account: string, id: string): Promise<StoredCampaign | undefined> {
      const row = await db.campaign.findUnique({ where: { id, accountName: account }, include: withWaves });
      return row ? toCampaign(row) : undefined;
    },

    /** The newest first, from those before a place. */
    async list(
      account: string,
      { status, group }: CampaignFilter,
      before: { at: Date; id: string } | undefined,
      limit: number,
    ): Promise<StoredCampaign[]> {
      const rows = await db.campaign.findMany({
        where: {
          accountName: account,
          ...(status === undefined ? {} : { status }),
          ...(group === undefined ? {} : { groupName: group }),
          ...(before
            ? { OR: [{ createdAt: { lt: before.at } }, { createdAt: before.at, id: { lt: before.id } }] }
            : {}),
        },
        orderBy: [{ createdAt: 'desc' }, { id: 'desc' }],
        take: limit,
        include: withWaves,
      });
      return rows.map(toCampaign);
    },

    /** A campaign of an account, locked. */
    async lock(tx: Transaction, account: string, id: string): Promise<StoredCampaign | undefined> {
      const found = await tx.$queryRaw<object[]>(
        sql`SELECT 1 FROM campaigns WHERE id = ${id}::uuid AND account_name = ${account} FOR UPDATE`,
      );
      return locked(tx, found, id);
    },

    /** One that runs, locked; undefined when it does not, or another instance has it. */
    async claim(tx: Transaction, id: string): Promise<StoredCampaign | undefined> {
      const found = await tx.$queryRaw<object[]>(
        sql`SELECT 1 FROM campaigns WHERE id = ${id}::uuid AND status = 'running' FOR UPDATE SKIP LOCKED`,
      );
      return locked(tx, found, id);
    },

    async change(tx: Transaction, id: string, change: CampaignChange): Promise<void> {
      await tx.campaign.update({ where: { id }, data: change });
    },

    /** The next campaigns that run, of all accounts, after an id. */
    async running(after: string | undefined, most: number): Promise<string[]> {
      const where = { status: 'running', ...(after === undefined ? {} : { id: { gt: after } }) };
      const rows = await db.campaign.findMany({ where, select: { id: true }, orderBy: { id: 'asc' }, take: most });
      return rows.map(({ id }) => id);
    },

    /** Forgets some members, and then some campaigns, that were over before a time. True while there may be more. */
    async prune(before: Date, most: number): Promise<boolean> {
      const members = await db.$executeRaw(sql`
        DELETE FROM campaign_members WHERE (campaign_id, ordinal) IN (
          SELECT m.campaign_id, m.ordinal FROM campaigns c JOIN campaign_members m ON m.campaign_id = c.id
          WHERE c.finished_at < ${before} LIMIT ${most})`);
      if (members > 0) return true;
      await db.$executeRaw(sql`
        DELETE FROM campaigns WHERE id IN (SELECT id FROM campaigns WHERE finished_at < ${before} LIMIT ${most})`);
      return false;
    },

    /** Whether one of these policies denies something in any of its versions: taking it away widens what a thing may do. */
    async denies(tx: Transaction, account: string, policies: string[]): Promise<boolean> {
      const rows = await tx.$queryRaw<object[]>(sql`
        SELECT 1 FROM policy_versions WHERE account_name = ${account} AND name = ANY(${policies}::text[])
          AND document @> '{"statements": [{"effect": "deny"}]}' LIMIT 1`);
      return rows.length > 0;
    },
  };
}

type Row = NonNullable<Awaited<ReturnType<Database['campaign']['findUnique']>>> & {
  counts: (WaveCounts & { campaignId: string })[];
};

function toCampaign({
  accountName,
  act,
  with: made,
  groupName,
  query,
  waves,
  status,
  origin,
  counts,
  ...row
}: Row): StoredCampaign {
  return {
    ...row,
    ...(made as Omit<Deed, 'act'>),
    account: accountName,
    act: act as Act,
    group: groupName,
    query: query as AnyQuery,
    shares: waves,
    status: status as CampaignStatus,
    origin: origin as StoredOrigin,
    waves: counts.map(({ campaignId: _, ...wave }) => wave),
  };
}

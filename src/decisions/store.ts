import { sql, type Database } from '../db/client.js';
import type { RecordedDecision } from './recorder.js';
import type { DecisionFilter } from './filter.js';

const keptPerAccount = 10_000;

export type RecordStore = ReturnType<typeof createRecordStore>;

/** What is written of decisions: the sample, and when things were last asked about. */
export function createRecordStore(db: Database) {
  const nextAccount = async (after: string): Promise<string | undefined> => {
    const [row] = await db.$queryRaw<{ account: string }[]>(sql`
      SELECT account_name AS account FROM decision_samples WHERE account_name > ${after} ORDER BY account_name LIMIT 1`);
    return row?.account;
  };

  return {
    async insert(decisions: RecordedDecision[]): Promise<void> {
      await db.decisionSample.createMany({
        data: decisions.map(({ account, context, ...decision }) => ({
          ...decision,
          accountName: account,
          context: context,
        })),
      });
    },

    /** Keeps the newest of each account. One account after the other, each by the index: what is kept is not read. */
    async prune(kept = keptPerAccount): Promise<void> {
      for (let account = await nextAccount(''); account !== undefined; account = await nextAccount(account))
        await db.$executeRaw(sql`
          DELETE FROM decision_samples WHERE account_name = ${account} AND id <= (
            SELECT id FROM decision_samples WHERE account_name = ${account} ORDER BY id DESC OFFSET ${kept} LIMIT 1)`);
    },

    /** The newest decisions of an account that match a filter, before an id. There are few: no index is needed. */
    list: (account: string, filter: DecisionFilter, before: bigint | undefined, limit: number) =>
      db.decisionSample.findMany({
        where: { ...matching(account, filter), ...(before === undefined ? {} : { id: { lt: before } }) },
        orderBy: { id: 'desc' },
        take: limit,
      }),

    /** The newest decisions about things that carry a policy. */
    recentOf(account: string, policy: string, limit: number): Promise<StoredDecision[]> {
      return db.$queryRaw<StoredDecision[]>(sql`
        SELECT d.at, d.thing_name AS "thingName", d.action, d.resource, d.context, d.decision, d.reason, d.policy
        FROM decision_samples d JOIN things t ON t.account_name = d.account_name AND t.name = d.thing_name
        WHERE d.account_name = ${account} AND ${policy} = ANY(t.policies)
        ORDER BY d.id DESC LIMIT ${limit}`);
    },

    /** Notes when things of an account were last seen; names that it does not have are left out. */
    async noteSeenByName(account: string, seen: { thingName: string; at: Date }[]): Promise<void> {
      if (seen.length === 0) return;
      await db.$executeRaw(sql`
        INSERT INTO thing_activity (thing_id, last_seen_at)
        SELECT t.id, max(r.at) FROM jsonb_to_recordset(${JSON.stringify(seen)}::jsonb) AS r("thingName" text, at timestamptz)
        JOIN things t ON t.account_name = ${account} AND t.name = r."thingName" GROUP BY t.id ORDER BY t.id
        ON CONFLICT (thing_id) DO UPDATE SET last_seen_at = greatest(thing_activity.last_seen_at, excluded.last_seen_at)`);
    },

    async noteSeen(seen: [thingId: string, at: number][]): Promise<void> {
      const rows = seen.map(([id, at]) => ({ id, at: new Date(at) }));
      await db.$executeRaw(sql`
        INSERT INTO thing_activity (thing_id, last_seen_at)
        SELECT r.id, r.at FROM jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) AS r(id uuid, at timestamptz) JOIN things t ON t.id = r.id
        ON CONFLICT (thing_id) DO UPDATE SET last_seen_at = greatest(thing_activity.last_seen_at, excluded.last_seen_at)`);
    },
  };
}

function matching(account: string, { thing, decision, reason, action, from, to }: DecisionFilter) {
  return {
    accountName: account,
    ...(thing === undefined ? {} : { thingName: thing }),
    ...(decision === undefined ? {} : { decision }),
    ...(reason === undefined ? {} : { reason }),
    ...(action === undefined ? {} : { action }),
    at: { ...(from === undefined ? {} : { gte: from }), ...(to === undefined ? {} : { lt: to }) },
  };
}

type StoredDecision = Omit<RecordedDecision, 'account'>;

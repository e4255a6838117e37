import { sql, type Database, type Transaction } from '../db/client.js';
import type { ThingQuery } from '../thing-query/query.js';
import { matchingThings } from '../thing-query/query-sql.js';
import { noteSetByOperator } from '../thing-query/device-attributes-sql.js';
import type { MemberState } from './schema.js';
import type { StoredCampaign, WaveCounts } from './store.js';

/** Which things a campaign takes. */
export type Wanted = { account: string; query: ThingQuery; now: Date; trusted: boolean };

/** A thing of a campaign, locked. */
export type MemberThing = {
  ordinal: number;
  id: string;
  name: string;
  status: string;
  policies: string[];
  attributes: Record<string, string>;
  segment: string | null;
  gen: number;
};

/** How a member changed. */
export type Settled = { ordinal: number; state: MemberState; reason: string | null };

/** A member, for people. */
export type ListedMember = {
  ordinal: number;
  thingName: string;
  state: MemberState;
  askedAt: Date | null;
  reason: string | null;
};

export type MemberStore = ReturnType<typeof createMemberStore>;

const members = ({ account, query, now, trusted }: Wanted) => sql`
  things t WHERE t.account_name = ${account} AND t.former_name IS NULL AND t.deleted_at IS NULL AND t.status <> 'revoked'
    AND ${matchingThings(query, { now, trusted })}`;

/** Reads and writes the things of campaigns. None is held in memory longer than a slice. */
export function createMemberStore(db: Database) {
  return {
    async count(tx: Transaction, wanted: Wanted): Promise<number> {
      const [row] = await tx.$queryRaw<{ count: number }[]>(sql`SELECT count(*)::int AS count FROM ${members(wanted)}`);
      return row!.count;
    },

    async sample(tx: Transaction, wanted: Wanted, limit: number): Promise<string[]> {
      const rows = await tx.$queryRaw<{ name: string }[]>(sql`
        SELECT t.name FROM ${members(wanted)} ORDER BY t.id LIMIT ${limit}`);
      return rows.map(({ name }) => name);
    },

    /** Finds the things of a campaign, once, in the order of their ids, which are random: each wave is a fair sample. */
    fix: (tx: Transaction, id: string, wanted: Wanted): Promise<number> =>
      tx.$executeRaw(sql`
        INSERT INTO campaign_members (campaign_id, ordinal, thing_id)
        SELECT ${id}::uuid, row_number() OVER (ORDER BY t.id), t.id FROM ${members(wanted)}`),

    /** The next members of a campaign up to an ordinal, with their things locked in the order of their ids. */
    lockNext: (tx: Transaction, { id, next }: StoredCampaign, last: number, limit: number): Promise<MemberThing[]> =>
      tx.$queryRaw<MemberThing[]>(sql`
        SELECT m.ordinal, t.id, t.name, CASE WHEN t.deleted_at IS NOT NULL THEN 'revoked' ELSE t.status END AS status,
          t.policies, t.attributes, t.segment, t.gen
        FROM campaign_members m JOIN things t ON t.id = m.thing_id
        WHERE m.campaign_id = ${id}::uuid AND m.ordinal BETWEEN ${next} AND ${Math.min(last, next + limit - 1)}
        ORDER BY t.id FOR UPDATE OF t`),

    /** Writes what decides the rights of things. `set` are names of attributes that an operator has set. */
    async writeThings(tx: Transaction, things: MemberThing[], set: string[]): Promise<void> {
      if (set.length > 0)
        await noteSetByOperator(
          tx,
          things.map(({ id }) => id),
          set,
        );
      await tx.$executeRaw(sql`
        UPDATE things t SET policies = r.policies, attributes = r.attributes, gen = r.gen
        FROM jsonb_to_recordset(${JSON.stringify(things)}::jsonb) AS r(id uuid, policies text[], attributes jsonb, gen int)
        WHERE t.id = r.id`);
    },

    /** Writes what became of members. */
    async settle(tx: Transaction, id: string, settled: Settled[]): Promise<void> {
      await tx.$executeRaw(sql`
        UPDATE campaign_members m SET state = r.state, reason = r.reason
        FROM jsonb_to_recordset(${JSON.stringify(settled)}::jsonb) AS r(ordinal int, state text, reason text)
        WHERE m.campaign_id = ${id}::uuid AND m.ordinal = r.ordinal`);
    },

    /** Moves so many members of a wave from one state to others. */
    async tally(
      tx: Transaction,
      id: string,
      wave: number,
      from: 'waiting' | 'asked',
      to: Partial<WaveCounts>,
    ): Promise<void> {
      const { asked = 0, done = 0, failed = 0, skipped = 0 } = to;
      const moved = asked + done + failed + skipped;
      const [waiting, wereAsked] = from === 'waiting' ? [moved, 0] : [0, moved];
      await tx.$executeRaw(sql`
        UPDATE campaign_waves SET waiting = waiting - ${waiting}, asked = asked + ${asked - wereAsked}, done = done + ${done},
          failed = failed + ${failed}, skipped = skipped + ${skipped}
        WHERE campaign_id = ${id}::uuid AND wave = ${wave}`);
    },

    /** Asks the next members of a campaign, up to an ordinal, to renew. Things that are not active are skipped. */
    async askNext(
      tx: Transaction,
      { id, next }: StoredCampaign,
      last: number,
      at: Date,
    ): Promise<{ asked: number; skipped: number }> {
      const rows = await tx.$queryRaw<{ state: MemberState; count: number }[]>(sql`
        WITH u AS (
          UPDATE campaign_members m SET asked_at = ${at}, state = CASE WHEN t.status = 'active' THEN 'asked' ELSE 'skipped' END,
            reason = CASE WHEN t.status = 'active' THEN NULL ELSE 'the thing is ' || t.status END
          FROM things t WHERE t.id = m.thing_id AND m.campaign_id = ${id}::uuid AND m.ordinal BETWEEN ${next} AND ${last}
          RETURNING m.state)
        SELECT state, count(*)::int AS count FROM u GROUP BY state`);
      const of = (state: MemberState) => rows.find((row) => row.state === state)?.count ?? 0;
      return { asked: of('asked'), skipped: of('skipped') };
    },

    /** Settles members that were asked and have renewed, were refused, or are late. At most `limit`, in one go. */
    settleAsked: (
      tx: Transaction,
      id: string,
      askedBefore: Date,
      limit: number,
    ): Promise<{ ordinal: number; state: MemberState }[]> =>
      tx.$queryRaw<{ ordinal: number; state: MemberState }[]>(sql`
        WITH due AS (
          (SELECT ordinal FROM campaign_members WHERE campaign_id = ${id}::uuid AND state = 'asked'
            AND (renewed_at IS NOT NULL OR reason IS NOT NULL) LIMIT ${limit})
          UNION (SELECT ordinal FROM campaign_members WHERE campaign_id = ${id}::uuid AND state = 'asked'
            AND asked_at <= ${askedBefore} ORDER BY asked_at LIMIT ${limit}))
        UPDATE campaign_members m SET
          state = CASE WHEN m.renewed_at IS NOT NULL THEN 'done' WHEN t.status <> 'active' THEN 'skipped' ELSE 'failed' END,
          reason = CASE WHEN m.renewed_at IS NOT NULL THEN NULL WHEN t.status <> 'active' THEN 'the thing is ' || t.status
            ELSE COALESCE(m.reason, 'the device did not renew in time') END
        FROM due, things t WHERE m.campaign_id = ${id}::uuid AND m.ordinal = due.ordinal AND m.state = 'asked' AND t.id = m.thing_id
        RETURNING m.ordinal, m.state`),

    /** Gives those that are asked their whole time again. */
    async askAgain(tx: Transaction, id: string, at: Date): Promise<void> {
      await tx.$executeRaw(sql`
        UPDATE campaign_members SET asked_at = ${at} WHERE campaign_id = ${id}::uuid AND state = 'asked' AND renewed_at IS NULL`);
    },

    /** Since when a thing is asked to renew, by a campaign that runs. */
    async askedAt(thingId: string): Promise<Date | undefined> {
      const [row] = await db.$queryRaw<{ askedAt: Date }[]>(sql`
        SELECT m.asked_at AS "askedAt" FROM campaign_members m JOIN campaigns c ON c.id = m.campaign_id
        WHERE m.thing_id = ${thingId}::uuid AND m.state = 'asked' AND m.renewed_at IS NULL AND m.reason IS NULL AND c.status = 'running'
        ORDER BY m.asked_at LIMIT 1`);
      return row?.askedAt;
    },

    /** Notes that the renewal of a thing that is asked was refused. */
    async noteRefused(thingId: string, reason: string): Promise<void> {
      await db.$executeRaw(sql`
        UPDATE campaign_members m SET reason = ${reason} FROM campaigns c
        WHERE m.thing_id = ${thingId}::uuid AND m.state = 'asked' AND m.renewed_at IS NULL AND c.id = m.campaign_id AND c.status = 'running'`);
    },

    /** The members of a campaign in order, after an ordinal. */
    list: (id: string, state: MemberState | undefined, after: number, limit: number): Promise<ListedMember[]> =>
      db.$queryRaw<ListedMember[]>(sql`
        SELECT m.ordinal, COALESCE(t.former_name, t.name) AS "thingName", m.state, m.asked_at AS "askedAt", m.reason
        FROM campaign_members m JOIN things t ON t.id = m.thing_id
        WHERE m.campaign_id = ${id}::uuid AND m.ordinal > ${after} ${state === undefined ? sql`` : sql`AND m.state = ${state}`}
        ORDER BY m.ordinal LIMIT ${limit}`),
  };
}

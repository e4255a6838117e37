import { sql, type Database, type Transaction } from '../db/client.js';
import { proxyStaleSeconds } from '../limits.js';
import type { SessionReport } from './schema.js';

/** A live session at an edge, as the edge reported it. */
export type Session = {
  id: string;
  proxyId: string;
  proxyName: string;
  thingName: string;
  protocol: string;
  clientId: string | null;
  sourceIp: string | null;
  fingerprint: string | null;
  connectedAt: Date;
};

/** An edge that reports, as it stands before. */
export type Reporter = {
  name: string;
  keyId: string;
  sessions: boolean;
  incarnation: string | null;
  /** The run whose sessions are known; null where none is. */
  reportedRun: string | null;
  reportedAt: Date | null;
};

/** How many sessions there are now: at an edge, and of its account. */
export type SessionCounts = { ofProxy: number; ofAccount: number };

export type SessionStore = ReturnType<typeof createSessionStore>;

const columns = sql`s.id, s.proxy_id AS "proxyId", p.name AS "proxyName", s.thing_name AS "thingName", s.protocol,
  s.client_id AS "clientId", s.source_ip AS "sourceIp", s.fingerprint, s.connected_at AS "connectedAt"`;

const ofRun = sql`FROM sessions s JOIN proxies p ON p.id = s.proxy_id AND p.incarnation = s.incarnation`;

/** When an edge last spoke, whatever it said. */
const heardAt = sql`GREATEST(p.confirmed_at, p.sessions_heard_at)`;

// A session is live while its edge speaks, in the run that reported it.
const live = sql`${ofRun} AND ${heardAt} >= clock_timestamp() - ${proxyStaleSeconds} * interval '1 second'`;

const firstProxy = '00000000-0000-0000-0000-000000000000';

/** Live sessions of the devices of all accounts. */
export function createSessionStore(db: Database) {
  return {
    transaction: <Result>(work: (tx: Transaction) => Promise<Result>): Promise<Result> => db.$transaction(work),

    /** The edge that reports, locked, so that its reports are noted one after the other. */
    async lock(tx: Transaction, account: string, id: string): Promise<Reporter | undefined> {
      const [proxy] = await tx.$queryRaw<Reporter[]>(sql`
        SELECT name, key_id AS "keyId", sessions, incarnation, sessions_incarnation AS "reportedRun", sessions_reported_at AS "reportedAt" FROM proxies
        WHERE id = ${id}::uuid AND account_name = ${account} FOR UPDATE`);
      return proxy;
    },

    /** Writes what changed, and counts what there is when there is more of it. */
    async write(
      tx: Transaction,
      account: string,
      id: string,
      report: SessionReport,
      at: Date,
    ): Promise<SessionCounts | undefined> {
      const { incarnation, full, opened, closed } = report;
      if (full) await tx.$executeRaw(sql`DELETE FROM sessions WHERE proxy_id = ${id}::uuid`);
      if (closed.length > 0)
        await tx.$executeRaw(sql`DELETE FROM sessions WHERE proxy_id = ${id}::uuid AND id = ANY(${closed})`);
      const stillOpen = withoutClosed(opened, closed);
      if (stillOpen.length > 0)
        await tx.$executeRaw(sql`
          INSERT INTO sessions (proxy_id, id, incarnation, account_name, thing_name, protocol, client_id, source_ip, fingerprint, connected_at)
          SELECT ${id}::uuid, r.id, ${incarnation}, ${account}, r."thingName", r.protocol, r."clientId", r."sourceIp", r.fingerprint, r."connectedAt"
          FROM jsonb_to_recordset(${JSON.stringify(stillOpen)}::jsonb) AS r(id text, "thingName" text, protocol text, "clientId" text,
            "sourceIp" text, fingerprint text, "connectedAt" timestamptz)
          ON CONFLICT (proxy_id, id) DO UPDATE SET incarnation = excluded.incarnation, thing_name = excluded.thing_name,
            protocol = excluded.protocol, client_id = excluded.client_id, source_ip = excluded.source_ip,
            fingerprint = excluded.fingerprint, connected_at = excluded.connected_at`);
      await tx.$executeRaw(sql`
        UPDATE proxies SET sessions_incarnation = ${incarnation}, sessions_reported_at = ${at}, sessions_heard_at = clock_timestamp()
        WHERE id = ${id}::uuid`);
      // Edges report every second, and mostly that nothing changed.
      if (!full && opened.length === 0 && closed.length === 0) return undefined;
      await tx.$executeRaw(sql`
        UPDATE proxies SET session_count = (SELECT count(*) FROM sessions s WHERE s.proxy_id = ${id}::uuid) WHERE id = ${id}::uuid`);
      if (stillOpen.length === 0) return undefined;
      const [counts] = await tx.$queryRaw<{ ofProxy: number; ofAccount: bigint }[]>(sql`
        SELECT (SELECT session_count FROM proxies WHERE id = ${id}::uuid) AS "ofProxy",
          (SELECT sum(session_count) FROM proxies WHERE account_name = ${account}) AS "ofAccount"`);
      return { ofProxy: counts!.ofProxy, ofAccount: Number(counts!.ofAccount) };
    },

    /** The live sessions of an account after one, in the order of edges and ids. */
    list(
      account: string,
      { thing = null, proxy = null }: { thing?: string | null | undefined; proxy?: string | null | undefined },
      after: { proxyId: string; id: string } | undefined,
      limit: number,
    ): Promise<Session[]> {
      return db.$queryRaw<Session[]>(sql`
        SELECT ${columns} ${live}
        WHERE s.account_name = ${account} AND (s.proxy_id, s.id) > (${after?.proxyId ?? firstProxy}::uuid, ${after?.id ?? ''})
          AND (${thing}::text IS NULL OR s.thing_name = ${thing}) AND (${proxy}::text IS NULL OR p.name = ${proxy} OR p.id::text = ${proxy})
        ORDER BY s.proxy_id, s.id LIMIT ${limit}`);
    },

    /** The newest live sessions of a thing. */
    ofThing: (account: string, thingName: string, limit: number): Promise<Session[]> =>
      db.$queryRaw<Session[]>(sql`
        SELECT ${columns} ${live} WHERE s.account_name = ${account} AND s.thing_name = ${thingName}
        ORDER BY s.connected_at DESC, s.proxy_id, s.id LIMIT ${limit}`),

    /** A session by its id, that of a silent edge too: it hears what it missed when it comes back. */
    async find(tx: Transaction, account: string, id: string): Promise<Session | undefined> {
      const [session] = await tx.$queryRaw<Session[]>(sql`
        SELECT ${columns} ${ofRun} WHERE s.account_name = ${account} AND s.id = ${id} ORDER BY s.proxy_id LIMIT 1`);
      return session;
    },

    /** Forgets sessions of earlier runs, and of edges that have been silent for an hour. */
    async sweep(): Promise<void> {
      await db.$executeRaw(sql`
        WITH gone AS (
          DELETE FROM sessions s USING proxies p WHERE p.id = s.proxy_id
            AND (p.incarnation IS DISTINCT FROM s.incarnation OR ${heardAt} < clock_timestamp() - interval '1 hour')
          RETURNING s.proxy_id)
        UPDATE proxies p SET session_count = 0
        WHERE p.id IN (SELECT proxy_id FROM gone) AND ${heardAt} < clock_timestamp() - interval '1 hour'`);
    },
  };
}

/** A session that one report opens and closes is left out; of an id that is opened twice, the later counts. */
function withoutClosed(opened: SessionReport['opened'], closed: string[]): SessionReport['opened'] {
  const byId = new Map(opened.map((session) => [session.id, session]));
  for (const id of closed) byId.delete(id);
  return [...byId.values()];
}

import { sql, type Database, type Transaction } from '../db/client.js';
import type { SiteReport } from './schema.js';
import type { Sample, Signal } from './signal.js';

/** An edge and its machine, as it last reported. */
export type Site = {
  id: string;
  name: string;
  stale: boolean;
  reportedAt: Date;
  capacity: SiteReport['capacity'];
  load: SiteReport['load'];
  samples: Sample[];
  signal: Signal;
  signalSince: Date;
};

type Said = {
  reportedAt: Date | null;
  samples: Sample[] | null;
  signal: Signal | null;
  signalSince: Date | null;
};

/** An edge that reports, with what it had said before. */
export type Reporting = Said & { name: string; keyId: string };

/** What a report makes of a site. */
export type Noted = SiteReport & Pick<Site, 'samples' | 'signal' | 'signalSince'> & { at: Date };

/** A machine that pipelines may be planned for. */
export type FreshSite = Pick<Site, 'id' | 'name' | 'capacity' | 'load'>;

type Reader = Pick<Transaction, '$queryRaw'>;

/** Which sites of an account. */
export type SiteFilter = { signal?: Signal | undefined };

export type SiteStore = ReturnType<typeof createSiteStore>;

/** An edge that has said nothing of its machine for so long is stale. */
export const staleSeconds = 30;

const saidNothing: Said = { reportedAt: null, samples: null, signal: null, signalSince: null };

const isStale = (at: Date) => sql`(s.reported_at < ${at}::timestamptz - ${staleSeconds} * interval '1 second')`;
// Edges of an earlier version do not say it.
const runsPipelines = sql`(s.capacity->>'pipelines') IS DISTINCT FROM 'false'`;

const columns = (at: Date) => sql`p.id, p.name, s.reported_at AS "reportedAt", s.capacity, s.load, s.samples, s.signal,
  s.signal_since AS "signalSince", ${isStale(at)} AS stale
  FROM sites s JOIN proxies p ON p.id = s.proxy_id`;

/** The machines of edges. */
export function createSiteStore(db: Database) {
  return {
    transaction: <Result>(work: (tx: Transaction) => Promise<Result>): Promise<Result> => db.$transaction(work),

    /** The edge that reports, locked, so that its reports are noted one after the other. */
    async lock(tx: Transaction, account: string, id: string): Promise<Reporting | undefined> {
      const [proxy] = await tx.$queryRaw<Pick<Reporting, 'name' | 'keyId'>[]>(sql`
        SELECT name, key_id AS "keyId" FROM proxies WHERE id = ${id}::uuid AND account_name = ${account} FOR UPDATE`);
      if (!proxy) return undefined;
      // HAZARD: read after the lock. A join would read what another report has changed since.
      const [said] = await tx.$queryRaw<Said[]>(sql`
        SELECT reported_at AS "reportedAt", samples, signal, signal_since AS "signalSince" FROM sites WHERE proxy_id = ${id}::uuid`);
      return { ...proxy, ...(said ?? saidNothing) };
    },

    async write(tx: Transaction, account: string, id: string, noted: Noted): Promise<void> {
      const { capacity, load, samples, signal, signalSince, at } = noted;
      const [has, uses, last] = [capacity, load, samples].map((each) => JSON.stringify(each));
      await tx.$executeRaw(sql`
        INSERT INTO sites (proxy_id, account_name, reported_at, capacity, load, samples, signal, signal_since)
        VALUES (${id}::uuid, ${account}, ${at}, ${has}::jsonb, ${uses}::jsonb, ${last}::jsonb, ${signal}, ${signalSince})
        ON CONFLICT (proxy_id) DO UPDATE SET reported_at = excluded.reported_at, capacity = excluded.capacity, load = excluded.load,
          samples = excluded.samples, signal = excluded.signal, signal_since = excluded.signal_since`);
    },

    /** Sites by the ids of their edges. */
    list: (
      account: string,
      { signal }: SiteFilter,
      after: string | undefined,
      limit: number,
      at: Date,
    ): Promise<Site[]> =>
      db.$queryRaw<Site[]>(sql`
        SELECT ${columns(at)} WHERE s.account_name = ${account} AND s.proxy_id > ${after ?? firstId}::uuid
          AND ${signal === undefined ? sql`true` : sql`s.signal = ${signal}`}
        ORDER BY s.proxy_id LIMIT ${limit}`),

    /** Machines that may run pipelines and are not stale, by the ids of their edges. */
    fresh: (tx: Reader, account: string, after: string | undefined, limit: number, at: Date): Promise<FreshSite[]> =>
      tx.$queryRaw<FreshSite[]>(sql`
        SELECT ${columns(at)} WHERE s.account_name = ${account} AND s.proxy_id > ${after ?? firstId}::uuid
          AND ${runsPipelines} AND NOT ${isStale(at)} ORDER BY s.proxy_id LIMIT ${limit}`),

    /** Names of the stale ones among them, as many as there is room for, and how many there are. */
    async stale(tx: Reader, account: string, limit: number, at: Date): Promise<{ names: string[]; count: number }> {
      const rows = await tx.$queryRaw<{ name: string; count: number }[]>(sql`
        SELECT p.name, (count(*) OVER ())::int AS count FROM sites s JOIN proxies p ON p.id = s.proxy_id
        WHERE s.account_name = ${account} AND ${runsPipelines} AND ${isStale(at)} ORDER BY p.name LIMIT ${limit}`);
      return { names: rows.map(({ name }) => name), count: rows[0]?.count ?? 0 };
    },

    async find(account: string, id: string, at: Date): Promise<Site | undefined> {
      const [row] = await db.$queryRaw<Site[]>(
        sql`SELECT ${columns(at)} WHERE s.account_name = ${account} AND s.proxy_id = ${id}::uuid`,
      );
      return row;
    },
  };
}

const firstId = '00000000-0000-0000-0000-000000000000';

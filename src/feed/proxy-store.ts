import { randomUUID } from 'node:crypto';
import { sql, type Database } from '../db/client.js';
import { mostOfAccount } from '../limits.js';
import type { LogCursor } from '../log/cursor.js';
import { parseEntry, type LogEntry } from '../log/entries.js';

/** An edge that follows the feed, as far as it has told. */
export type Proxy = {
  id: string;
  name: string;
  /** The key that registered it: no other speaks for it. */
  keyId: string;
  createdAt: Date;
  incarnation: string | null;
  mode: string | null;
  applied: bigint | null;
  confirmedAt: Date | null;
  /** True unless it confirmed within the last {@link staleSeconds} seconds, by the clock of the database. */
  stale: boolean;
};

/** An edge and whether it has come to a place in the log, and since when. */
export type Enforcement = Proxy & { since: Date | null };

/** A proxy that has been silent for so long is not counted on. */
const staleSeconds = 15;

export type ProxyStore = ReturnType<typeof createProxyStore>;

const columns = sql`p.id, p.name, p.key_id AS "keyId", p.created_at AS "createdAt", p.incarnation, p.mode, p.applied, p.confirmed_at AS "confirmedAt",
  (p.confirmed_at IS NULL OR p.confirmed_at < clock_timestamp() - ${staleSeconds} * interval '1 second') AS stale`;

/** Reads and writes proxies and their receipts. */
export function createProxyStore(db: Database) {
  return {
    /** The proxy of this name; made unless it exists. Undefined when the account has no room for another. */
    async register(
      account: string,
      keyId: string,
      name: string,
      at: Date,
    ): Promise<{ proxy: Proxy; created: boolean } | undefined> {
      // Registrations at the same time may go over the limit by as many as they are.
      const count = await db.$executeRaw(sql`
        INSERT INTO proxies (id, account_name, key_id, name, created_at)
        SELECT ${randomUUID()}::uuid, ${account}, ${keyId}::uuid, ${name}, ${at}
        WHERE (SELECT count(*) FROM proxies p WHERE p.account_name = ${account}) < ${mostOfAccount.proxies}
        ON CONFLICT DO NOTHING`);
      const [proxy] = await db.$queryRaw<Proxy[]>(
        sql`SELECT ${columns} FROM proxies p WHERE p.account_name = ${account} AND p.name = ${name}`,
      );
      return proxy && { proxy, created: count === 1 };
    },

    /** The key that registered a proxy. */
    async holderOf(account: string, id: string): Promise<string | undefined> {
      const proxy = await db.proxy.findUnique({ where: { id, accountName: account }, select: { keyId: true } });
      return proxy?.keyId;
    },

    list: (account: string, after: string, limit: number): Promise<Proxy[]> =>
      db.$queryRaw<Proxy[]>(sql`
        SELECT ${columns} FROM proxies p WHERE p.account_name = ${account} AND p.name > ${after} ORDER BY p.name LIMIT ${limit}`),

    async remove(account: string, id: string): Promise<boolean> {
      return (await db.proxy.deleteMany({ where: { id, accountName: account } })).count === 1;
    },

    /**
     * Notes that a proxy has applied the log up to a position. A new incarnation begins again: what the one before
     * had applied, it has forgotten. `ahead` says that the log has not come that far, `other-epoch` that it is another
     * one; nothing was noted then.
     */
    confirm: (
      account: string,
      keyId: string,
      id: string,
      { epoch, position, incarnation, mode }: LogCursor & { incarnation: string; mode: string },
    ): Promise<Proxy | 'ahead' | 'unknown' | 'other-key' | 'other-epoch'> =>
      db.$transaction(async (tx) => {
        const [proxy] = await tx.$queryRaw<
          { keyId: string; incarnation: string | null; applied: bigint | null; epoch: string; head: bigint }[]
        >(sql`
          SELECT key_id AS "keyId", incarnation, applied, h.epoch, h.position AS head FROM proxies CROSS JOIN log_head h
          WHERE proxies.id = ${id}::uuid AND account_name = ${account} FOR UPDATE OF proxies`);
        if (!proxy) return 'unknown';
        if (proxy.keyId !== keyId) return 'other-key';
        if (proxy.epoch !== epoch) return 'other-epoch';
        if (position > Number(proxy.head)) return 'ahead';
        const isSame = proxy.incarnation === incarnation;
        if (!isSame) await tx.$executeRaw(sql`DELETE FROM receipts WHERE proxy_id = ${id}::uuid`);
        const before = isSame ? Number(proxy.applied ?? -1n) : -1;
        if (position > before)
          await tx.$executeRaw(
            sql`INSERT INTO receipts (proxy_id, position, at) VALUES (${id}::uuid, ${position}, clock_timestamp())`,
          );
        await tx.$executeRaw(sql`
          UPDATE proxies SET incarnation = ${incarnation}, mode = ${mode}, applied = ${Math.max(position, before)}, confirmed_at = clock_timestamp()
          WHERE id = ${id}::uuid`);
        const [noted] = await tx.$queryRaw<Proxy[]>(sql`SELECT ${columns} FROM proxies p WHERE p.id = ${id}::uuid`);
        return noted!;
      }),

    /** An entry of an account's log. */
    async entry(account: string, position: number): Promise<LogEntry | undefined> {
      const row = await db.logEntry.findUnique({ where: { position: BigInt(position), accountName: account } });
      return row ? parseEntry({ ...row, account }) : undefined;
    },

    /** Every proxy of an account, with the time at which it first confirmed a position or a later one. */
    enforcement: (account: string, position: number): Promise<Enforcement[]> =>
      db.$queryRaw<Enforcement[]>(sql`
        SELECT ${columns}, (SELECT min(r.at) FROM receipts r WHERE r.proxy_id = p.id AND r.position >= ${position}) AS since
        FROM proxies p WHERE p.account_name = ${account} ORDER BY p.name`),

    /**
     * Forgets receipts of what the log no longer has, but for each proxy's last; and of those older than a day all
     * but the last of an hour, so that "since" may be said an hour too late, and never too early.
     */
    async prune(): Promise<void> {
      await db.$executeRaw(sql`
        DELETE FROM receipts r USING receipts n
        WHERE r.at < clock_timestamp() - interval '1 day' AND n.proxy_id = r.proxy_id AND n.position > r.position
          AND date_trunc('hour', n.at) = date_trunc('hour', r.at)`);
      await db.$executeRaw(sql`
        DELETE FROM receipts r USING proxies p, log_head h
        WHERE p.id = r.proxy_id AND r.position <= h.pruned AND r.position < p.applied`);
    },
  };
}

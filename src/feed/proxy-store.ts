import { randomUUID } from 'node:crypto';
import { sql, type Database } from '../db/client.js';
import { mostOfAccount, proxyStaleSeconds } from '../limits.js';
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
  /** It holds sessions of devices: what it applied counts once no live session contradicts it. */
  sessions: boolean;
  /** How far no live session contradicts the log, by its own word. */
  enforced: bigint | null;
  /** True unless it confirmed within the last {@link proxyStaleSeconds} seconds, by the clock of the database. */
  stale: boolean;
};

export type ProxyStore = ReturnType<typeof createProxyStore>;

/** The columns of a proxy `p`. */
export const proxyColumns = sql`p.id, p.name, p.key_id AS "keyId", p.created_at AS "createdAt", p.incarnation, p.mode, p.applied, p.confirmed_at AS "confirmedAt", p.sessions,
  (SELECT max(e.position) FROM enforcements e WHERE e.proxy_id = p.id AND e.incarnation = p.incarnation) AS enforced,
  (p.confirmed_at IS NULL OR p.confirmed_at < clock_timestamp() - ${proxyStaleSeconds} * interval '1 second') AS stale`;

/** Reads and writes proxies and their receipts. */
export function createProxyStore(db: Database) {
  return {
    /** The proxy of this name; made unless it exists. Undefined when the account has no room for another. */
    async register(
      account: string,
      keyId: string,
      name: string,
      sessions: boolean,
      at: Date,
    ): Promise<{ proxy: Proxy; created: boolean } | undefined> {
      // Registrations at the same time may go over the limit by as many as they are.
      const count = await db.$executeRaw(sql`
        INSERT INTO proxies (id, account_name, key_id, name, sessions, created_at)
        SELECT ${randomUUID()}::uuid, ${account}, ${keyId}::uuid, ${name}, ${sessions}, ${at}
        WHERE (SELECT count(*) FROM proxies p WHERE p.account_name = ${account}) < ${mostOfAccount.proxies}
        ON CONFLICT DO NOTHING`);
      const [proxy] = await db.$queryRaw<Proxy[]>(
        sql`SELECT ${proxyColumns} FROM proxies p WHERE p.account_name = ${account} AND p.name = ${name}`,
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
        SELECT ${proxyColumns} FROM proxies p WHERE p.account_name = ${account} AND p.name > ${after} ORDER BY p.name LIMIT ${limit}`),

    async remove(account: string, id: string): Promise<boolean> {
      return (await db.proxy.deleteMany({ where: { id, accountName: account } })).count === 1;
    },

    /** An entry of an account's log. */
    async entry(account: string, position: number): Promise<LogEntry | undefined> {
      const row = await db.logEntry.findUnique({ where: { position: BigInt(position), accountName: account } });
      return row ? parseEntry({ ...row, account }) : undefined;
    },
  };
}

import type { JsonWebKey } from 'node:crypto';
import { appendLog } from '../log/append.js';
import { tokenKeysEntry } from '../log/builders.js';
import { sql, type Database, type Json, type Transaction } from '../db/client.js';

/** A token key as stored. The private part is sealed. */
export type StoredTokenKey = {
  kid: string;
  purpose: 'access' | 'refresh';
  algorithm: string;
  publicJwk: JsonWebKey | null;
  /** Sealed under the context `token-key:{kid}`. */
  sealed: Buffer;
  createdAt: Date;
  signsFrom: Date;
  retiresAt: Date | null;
};

export type TokenKeyRows = ReturnType<typeof tokenKeyRows>;
export type TokenKeyStore = ReturnType<typeof createTokenKeyStore>;

const advisoryLock = 72_707_370;

/** Reads and writes token keys, for many instances at once. */
export function createTokenKeyStore(db: Database) {
  return {
    ...tokenKeyRows(db),

    /** Keeps instances that start or rotate together from each making a key. */
    exclusively: <Result>(work: (rows: TokenKeyRows) => Promise<Result>): Promise<Result> =>
      db.$transaction(async (tx) => {
        await tx.$executeRaw(sql`SELECT pg_advisory_xact_lock(${advisoryLock})`);
        return work(tokenKeyRows(tx));
      }),
  };
}

function tokenKeyRows(client: Transaction) {
  return {
    async insert({ publicJwk, sealed, ...key }: StoredTokenKey): Promise<void> {
      const jwk = publicJwk === null ? {} : { publicJwk: publicJwk as Json };
      await client.tokenKey.create({ data: { ...key, ...jwk, sealed: new Uint8Array(sealed) } });
    },

    /** Sets the end of every other access key that has none, and returns those. */
    async retireOthers(kid: string, at: Date): Promise<{ kid: string; retiresAt: Date }[]> {
      const retired = await client.tokenKey.updateManyAndReturn({
        where: { kid: { not: kid }, purpose: 'access', retiresAt: null },
        data: { retiresAt: at },
        select: { kid: true },
      });
      return retired.map((key) => ({ ...key, retiresAt: at }));
    },

    /** Tells the edges of every account. The log comes last in a transaction. */
    async tell(at: Date, came: StoredTokenKey[], went: { kid: string; retiresAt: Date }[]): Promise<void> {
      const accounts = await client.account.findMany({ select: { name: true } });
      if (accounts.length === 0) return;
      const keys = came.map(toJwk);
      await appendLog(
        client,
        at,
        accounts.map(({ name }) => tokenKeysEntry(name, keys, went)),
      );
    },

    async unretired(at: Date): Promise<StoredTokenKey[]> {
      const rows = await client.tokenKey.findMany({
        where: { OR: [{ retiresAt: null }, { retiresAt: { gt: at } }] },
        orderBy: [{ signsFrom: 'desc' }, { kid: 'asc' }],
      });
      return rows.map(({ purpose, publicJwk, sealed, ...row }) => ({
        ...row,
        purpose: purpose as 'access' | 'refresh',
        publicJwk: publicJwk as JsonWebKey | null,
        sealed: Buffer.from(sealed),
      }));
    },
  };
}

/** A key as the set of keys shows it, RFC 7517. */
export function toJwk({ kid, algorithm: alg, publicJwk }: Pick<StoredTokenKey, 'kid' | 'algorithm' | 'publicJwk'>) {
  return { ...publicJwk, kty: publicJwk!.kty!, kid, alg, use: 'sig' as const };
}

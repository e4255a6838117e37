import { LRUCache } from 'lru-cache';
import type { Grantee } from '../access/grantee.js';
import type { LogEntry } from '../log/entries.js';
import type { StoredApiKey } from './store.js';

/** A key with what it grants. */
export type CachedKey = StoredApiKey & { grantee: Grantee };

type Deps = {
  load(hash: Buffer): Promise<StoredApiKey | undefined>;
  /** False while the log is not read, and what is remembered may be wrong. */
  mayRemember(): boolean;
};

export type KeyCache = ReturnType<typeof createKeyCache>;

/** API keys that were used recently, by hash. Entries of the log drop them; they never outlive the lease. */
export function createKeyCache({ load, mayRemember }: Deps) {
  const keys = new LRUCache<string, CachedKey>({ max: 10_000 });
  let drops = 0;

  return {
    find: (hash: Buffer): CachedKey | undefined => (mayRemember() ? keys.get(hash.toString('base64')) : undefined),

    async load(hash: Buffer): Promise<CachedKey | undefined> {
      const before = drops;
      const stored = await load(hash);
      if (!stored) return undefined;
      const key = { ...stored, grantee: toGrantee(stored) };
      // What was dropped while this was read may have been this.
      if (before === drops && mayRemember()) keys.set(hash.toString('base64'), key);
      return key;
    },

    /** A mark that stays the same while nothing is said about any key; undefined while the log is not read. */
    mark: (): number | undefined => (mayRemember() ? drops : undefined),

    clear(): void {
      drops++;
      keys.clear();
    },

    /** Forgets the keys of an account that an entry about keys names. */
    apply({ type, account }: Pick<LogEntry, 'type' | 'account'>): void {
      switch (type) {
        case 'key':
          drops++;
          for (const [hash, key] of keys) if (key.account === account) keys.delete(hash);
          return;
        case 'certificate':
        case 'release':
        case 'thing':
        case 'thing-changed':
        case 'token-family':
        case 'policy':
        case 'segment':
        case 'issuer':
        case 'token-keys':
        case 'account':
        case 'session':
        case 'command':
        case 'pipeline':
        case 'person':
        case 'authority':
        case 'unknown':
          return;
      }
    },
  };
}

function toGrantee({ id, account, role, permissions, promises, expiresAt }: StoredApiKey): Grantee {
  return {
    kind: 'grantee',
    id,
    account,
    actor: `key:${id}`,
    role,
    permissions: new Set(permissions),
    expiresAt,
    promises,
  };
}

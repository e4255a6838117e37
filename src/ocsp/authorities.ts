import type { Clock } from '../clock.js';
import type { LogEntry } from '../log/entries.js';
import { readAuthority, type AuthorityNames } from '../pki/issuer.js';
import { issuerHashes, type CertId, type OcspHash } from '../pki/ocsp.js';

type StoredAuthority = { account: string; certificateDer: Buffer; notAfter: Date };

type Deps<Stored> = {
  clock: Clock;
  /** Every authority of every account that has not expired. */
  all(): Promise<Stored[]>;
  /** The unexpired authorities of one account; none when there are none. */
  inAccount(account: string): Promise<Stored[]>;
};

type Known<Stored> = { stored: Stored; names: AuthorityNames };

export type Authorities<Stored extends StoredAuthority> = ReturnType<typeof createAuthorities<Stored>>;

/**
 * Finds authorities by the hashes in OCSP requests. They are read when the log says that an account's have changed,
 * and for no request; their names come from their certificates, and no key is unsealed for them.
 */
export function createAuthorities<Stored extends StoredAuthority>({ clock, all, inAccount }: Deps<Stored>) {
  const accounts = new Map<string, Known<Stored>[]>();
  const current = new Set<Stored>();
  const byHash = new Map<OcspHash, Map<string, Stored>>();
  let isLoaded = false;
  // Rises when the log becomes another one: what was read before says nothing about it.
  let history = 0;
  let stale = new Set<string>();
  let reading: Promise<void> | undefined;

  const forget = (account: string): void => {
    for (const { stored } of accounts.get(account) ?? []) current.delete(stored);
    accounts.set(account, []);
    stale.add(account);
    byHash.clear();
  };

  const know = (account: string, rows: Stored[]): void => {
    for (const { stored } of accounts.get(account) ?? []) current.delete(stored);
    accounts.set(
      account,
      rows.map((stored) => ({ stored, names: readAuthority(stored.certificateDer) })),
    );
    rows.forEach((stored) => current.add(stored));
    byHash.clear();
  };

  const readAll = async (): Promise<void> => {
    // What changes from here on is read again.
    isLoaded = true;
    const of = history;
    const rows = await all().catch((error: unknown) => {
      isLoaded = false;
      throw error;
    });
    if (of !== history) return;
    const found = new Map<string, Stored[]>();
    for (const row of rows) found.set(row.account, [...(found.get(row.account) ?? []), row]);
    for (const [account, own] of found) if (!stale.has(account)) know(account, own);
  };

  const readStale = async (): Promise<void> => {
    const [wanted, of] = [stale, history];
    stale = new Set();
    for (const account of wanted) {
      const rows = await inAccount(account).catch((error: unknown) => {
        for (const each of wanted) stale.add(each);
        throw error;
      });
      if (of !== history) return;
      if (!stale.has(account)) know(account, rows);
    }
  };

  const read = async (): Promise<void> => {
    if (!isLoaded) await readAll();
    await readStale();
  };

  /** Resolves when what is known covers everything that the log said before the call. */
  const refresh = async (): Promise<void> => {
    // The first reading may have begun before the call; the second began after it.
    for (let n = 0; n < 2 && (reading || !isLoaded || stale.size > 0); n++)
      await (reading ??= read().finally(() => (reading = undefined)));
  };

  const indexOf = (algorithm: OcspHash): Map<string, Stored> => {
    const known = byHash.get(algorithm);
    if (known) return known;
    const index = new Map<string, Stored>();
    for (const own of accounts.values())
      for (const { stored, names } of own) {
        const { name, key } = issuerHashes(names, algorithm);
        index.set(`${name} ${key}`, stored);
      }
    byHash.set(algorithm, index);
    return index;
  };

  return {
    /** The authority that a request names; undefined when it is unknown here, or has expired. */
    async find({ hash, issuerName, issuerKey }: CertId): Promise<Stored | undefined> {
      if (!hash) return undefined;
      await refresh();
      const found = indexOf(hash).get(`${issuerName} ${issuerKey}`);
      return found && found.notAfter > clock() ? found : undefined;
    },

    /** Whether an authority is still what was found. */
    isCurrent: (stored: Stored): boolean => current.has(stored),

    /** An account's authorities change with entries about them; an account that was never heard of is new. */
    apply({ type, account }: LogEntry): void {
      if (!isLoaded) return;
      switch (type) {
        case 'issuer':
          return forget(account);
        case 'certificate':
        case 'release':
        case 'thing':
        case 'thing-changed':
        case 'token-family':
        case 'policy':
        case 'segment':
        case 'key':
        case 'token-keys':
        case 'account':
        case 'session':
        case 'command':
        case 'pipeline':
        case 'person':
        case 'authority':
        case 'unknown':
          if (!accounts.has(account)) forget(account);
      }
    },

    /** Forgets everything: the log is another one. */
    clear(): void {
      accounts.clear();
      current.clear();
      byHash.clear();
      stale = new Set();
      isLoaded = false;
      history++;
    },
  };
}

import { LRUCache } from 'lru-cache';
import type { Clock } from '../clock.js';
import {
  toKnown,
  toTokenPrincipal,
  type Claims,
  type KnownPrincipal,
  type RegisteredPrincipal,
  type TokenPrincipal,
} from './rights.js';
import { thingKey, type Snapshot } from './snapshot.js';
import type { PrincipalStore } from './store.js';

type Deps = {
  store: PrincipalStore;
  snapshot: Snapshot;
  position(): number;
  clock: Clock;
  verifyToken(token: string): Record<string, unknown> | undefined;
  cacheSize: { tokens: number; things: number };
};

// Entries of the log drop changes; this bounds what the log does not tell: a newer certificate that was never used.
const rememberMs = 60_000;

export type Principals = ReturnType<typeof createPrincipals>;

/** Finds who is asked about: by token without the registry, by certificate or name from it, with bounded memories of both. */
export function createPrincipals({ store, snapshot, position, clock, verifyToken, cacheSize }: Deps) {
  const tokens = new LRUCache<string, TokenPrincipal>({ max: cacheSize.tokens });
  const known = new LRUCache<string, KnownPrincipal>({ max: cacheSize.things, ttl: rememberMs, ttlResolution: 1000 });
  // Rises when the log becomes another one: what was read before it has a position of the old one.
  let history = 0;
  const loading = new Map<string, { position: number; principal: Promise<KnownPrincipal | undefined> }>();

  const load = (key: string, read: () => Promise<RegisteredPrincipal | undefined>) => {
    const [at, of] = [position(), history];
    const joined = loading.get(key);
    // Whoever joins a reading must not have learned anything that it may lack.
    if (joined?.position === at) return joined.principal;
    const principal = read().then((row) => {
      const found = row && toKnown(snapshot, row, at);
      if (found && of === history) known.set(key, found);
      return found;
    });
    loading.set(key, { position: at, principal });
    const forget = () => {
      if (loading.get(key)?.principal === principal) loading.delete(key);
    };
    principal.then(forget, forget);
    return principal;
  };

  /** What is remembered, unless the thing changed since it was read. */
  const remembered = (key: string): KnownPrincipal | undefined => {
    const found = known.get(key);
    if (!found) return undefined;
    const change = snapshot.changeOf(found.key);
    return change && change.position > found.position ? undefined : found;
  };

  return {
    /** The holder of a token that one of Thingward's keys signed; undefined for any other. Nothing else about it is judged. */
    byToken(token: string): TokenPrincipal | undefined {
      const cached = tokens.get(token);
      if (cached) return cached;
      const claims = verifyToken(token);
      const principal = claims && toTokenPrincipal(snapshot, claims as Claims);
      if (principal) tokens.set(token, principal);
      return principal;
    },

    /** The holder of a certificate. A promise when the registry has to be asked. */
    byFingerprint: (fingerprint: string): KnownPrincipal | Promise<KnownPrincipal | undefined> =>
      remembered(fingerprint) ?? load(fingerprint, () => store.byFingerprint(fingerprint)),

    /** A thing by its name. A promise when the registry has to be asked. */
    byName(account: string, name: string): KnownPrincipal | Promise<KnownPrincipal | undefined> {
      const key = thingKey(account, name);
      return remembered(key) ?? load(key, () => store.byName(account, name, clock()));
    },

    /** Things of an account in the order of their names, after one, as the registry has them now; remembered nowhere. */
    async page(account: string, after: string, limit: number): Promise<{ name: string; known?: KnownPrincipal }[]> {
      const at = position();
      const rows = await store.page(account, after, limit, clock());
      return rows.map((row) =>
        isCertified(row) ? { name: row.name, known: toKnown(snapshot, row, at) } : { name: row.name },
      );
    },

    /** Forgets everything: what the log tells no longer follows what was remembered. */
    clear(): void {
      history++;
      tokens.clear();
      known.clear();
      loading.clear();
    },
  };
}

/** Whether a thing has a certificate. */
function isCertified(row: { fingerprint: string | null }): row is RegisteredPrincipal {
  return row.fingerprint !== null;
}

import type { Clock } from '../clock.js';
import type { Log } from '../log/follow.js';
import type { EdgePrincipal, EdgeStore } from './store.js';

type Deps = { store: EdgeStore; clock: Clock; reader: Pick<Log, 'requireLease' | 'reach' | 'cursor'> };

export type EdgePrincipals = ReturnType<typeof createEdgePrincipals>;

/** Who holds certificates that are new to an edge. */
export function createEdgePrincipals({ store, clock, reader }: Deps) {
  return {
    /**
     * For each fingerprint, in this order, its holder in the account or null, and a place in the log that was certainly
     * read after: entries after it may change what is returned.
     * @throws DomainError `not-ready`, `epoch-changed`
     */
    async find(
      account: string,
      fingerprints: string[],
      atLeast: string | undefined,
    ): Promise<{ principals: (EdgePrincipal | null)[]; cursor: string }> {
      if (atLeast !== undefined) await reader.reach(atLeast);
      reader.requireLease();
      const cursor = reader.cursor();
      const found = await store.principals(account, [...new Set(fingerprints)], clock());
      // Time passed while the registry was asked.
      reader.requireLease();
      const byFingerprint = new Map(found.map((principal) => [principal.fingerprint, principal]));
      return { principals: fingerprints.map((each) => byFingerprint.get(each) ?? null), cursor };
    },
  };
}

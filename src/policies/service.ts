import { LRUCache } from 'lru-cache';
import type { Transaction } from '../db/client.js';
import { DomainError } from '../errors.js';
import { builtInPolicies, type BuiltInSettings } from '../policy/built-in.js';
import type { Statement } from '../policy/policy.js';
import { renderPolicy, type Variables } from '../policy/variables.js';
import type { ActivePolicy, PolicyStore } from './store.js';

/** A policy as an agent sees it: its statements with the thing's own values filled in. */
export type RenderedPolicy = { name: string; version: number; statements: Statement[] };

type Deps = { store: PolicyStore };

// What agents are shown may lag an activation by this much; decisions are made elsewhere.
const renderCacheMs = 1000;

export type PolicyService = ReturnType<typeof createPolicyService>;

export function createPolicyService({ store }: Deps) {
  const cache = new LRUCache<string, Promise<Map<string, ActivePolicy>>>({ max: 1000, ttl: renderCacheMs });

  const active = (account: string): Promise<Map<string, ActivePolicy>> => {
    const cached = cache.get(account);
    if (cached) return cached;
    const loading = store.active(account);
    cache.set(account, loading);
    loading.catch(() => cache.delete(account));
    return loading;
  };

  return {
    /** Gives a new account its built-in policies. */
    seed: (tx: Transaction, account: string, settings: BuiltInSettings, at: Date) =>
      store.insertFirst(tx, account, builtInPolicies(settings), at, 'system'),

    /** @throws DomainError `unknown-policy` when the account lacks one of the names. */
    async requireKnown(account: string, names: string[]): Promise<void> {
      const known = await store.active(account);
      const unknown = names.find((name) => !known.has(name));
      if (unknown !== undefined)
        throw new DomainError('unknown-policy', `there is no policy ${unknown} in ${account}: create it first`);
    },

    /** The policy for a thing type of that name if there is one, else `sensor`. */
    async forType(account: string, thingType: string | undefined): Promise<string> {
      if (thingType === undefined) return 'sensor';
      return (await active(account)).has(thingType) ? thingType : 'sensor';
    },

    /** The active versions of these policies, rendered for one thing. */
    async render(names: string[], variables: Variables): Promise<RenderedPolicy[]> {
      const known = await active(variables.account);
      return names.flatMap((name) => {
        const policy = known.get(name);
        return policy ? [{ name, version: policy.version, statements: renderPolicy(policy.document, variables) }] : [];
      });
    },
  };
}

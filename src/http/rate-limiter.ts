import { networkOf } from '../address.js';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../clock.js';
import { DomainError } from '../errors.js';
import { burstSeconds } from '../limits.js';
import { isLoopback } from './client-address.js';

/** What a request costs the server: `free` is what proxies ask and follow, which is never held back. */
export type Cost = 'free' | 'read' | 'write' | 'heavy';

/** Requests of each cost that an account may send in a second to one instance, and those without an API key of one address. */
type Rates = Record<Exclude<Cost, 'free'> | 'anonymous', number>;

type Bucket = { left: number; at: number };

export type RateLimiter = ReturnType<typeof createRateLimiter>;

/**
 * Token buckets in memory: one for each account and cost, and one of half the size for each of its keys, so that one
 * key does not use up what the others of its account need. Both kinds are bounded, each on its own: many keys do not
 * make the account's bucket forget.
 */
export function createRateLimiter(rates: Rates, clock: Clock) {
  const accounts = new LRUCache<string, Bucket>({ max: 20_000 });
  const keys = new LRUCache<string, Bucket>({ max: 20_000 });
  // Whoever has more networks than fit here has no need of a bucket that was forgotten.
  const networks = new LRUCache<string, Bucket>({ max: 50_000 });

  const bucket = (buckets: LRUCache<string, Bucket>, id: string, perSecond: number, at: number): Bucket => {
    const most = perSecond * burstSeconds;
    const known = buckets.get(id);
    // A clock that is set back gives nothing for a while, and takes nothing.
    const earned = known ? Math.max(0, at - known.at) * perSecond : most;
    const now = { left: Math.min(most, (known?.left ?? 0) + earned), at };
    buckets.set(id, now);
    return now;
  };

  return {
    /**
     * Counts one request that nobody shows a key for, by its address (IPv6: by its /64). This machine itself is not
     * limited: behind a proxy on it that is not trusted, everybody has its address.
     * @throws DomainError `too-many-requests` beyond the rate
     */
    takeAnonymous(address: string): void {
      if (isLoopback(address)) return;
      const ofNetwork = bucket(networks, networkOf(address), rates.anonymous, clock().getTime() / 1000);
      if (ofNetwork.left < 1)
        throw new DomainError(
          'too-many-requests',
          `too many requests of this address (${rates.anonymous} a second): wait a second, then ask more slowly; lists and answers may be cached`,
          { retryAfter: 1 },
        );
      ofNetwork.left--;
    },

    /** Counts one request of a key. @throws DomainError `too-many-requests` beyond the rate of the key or its account */
    take({ id, account }: { id: string; account: string }, cost: Cost): void {
      if (cost === 'free') return;
      const [at, perSecond] = [clock().getTime() / 1000, rates[cost]];
      const ofAccount = bucket(accounts, `${cost} ${account}`, perSecond, at);
      const ofKey = bucket(keys, `${cost} ${id}`, perSecond / 2, at);
      if (ofAccount.left < 1 || ofKey.left < 1) {
        const whose = ofKey.left < 1 ? `this key (${perSecond / 2}` : `the account (${perSecond}`;
        throw new DomainError(
          'too-many-requests',
          `too many ${cost} requests of ${whose} a second): wait a second, then send them more slowly`,
          { retryAfter: 1 },
        );
      }
      ofAccount.left--;
      ofKey.left--;
    },
  };
}

import { LRUCache } from 'lru-cache';
import { DomainError } from '../errors.js';

/** Counts the wrong credentials of each source address. */
export type FailureLimiter = {
  /** Notes one more failure of `address`. @throws DomainError `too-many-requests` beyond the limit. */
  count(address: string): void;
  /** Does work whose refusal of a device counts as a failure of `address`. */
  counting<Result>(address: string, work: () => Promise<Result>): Promise<Result>;
};

const windowMs = 60_000;

/**
 * A fixed window of a minute for each address, the least recent of 10,000 addresses forgotten. Only
 * failures are limited: neighbours behind one address cannot lock out a device whose credential is good.
 */
export function createFailureLimiter(perMinute: number): FailureLimiter {
  const windows = new LRUCache<string, { failures: number }>({ max: 10_000, ttl: windowMs });
  const count = (address: string): void => {
    const window = windows.get(address);
    if (!window) return void windows.set(address, { failures: 1 });
    window.failures++;
    if (window.failures <= perMinute) return;
    const retryAfter = Math.max(1, Math.ceil(windows.getRemainingTTL(address) / 1000));
    throw new DomainError('too-many-requests', `wait ${retryAfter} s, then use the right credential`, { retryAfter });
  };

  return {
    count,
    async counting(address, work) {
      try {
        return await work();
      } catch (error) {
        if (error instanceof DomainError && error.code === 'invalid-client') count(address);
        throw error;
      }
    },
  };
}

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config.js';
import { createRateLimiter } from '../../src/http/rate-limiter.js';
import { burstSeconds, mostOfAccount, mostStaleStreams } from '../../src/limits.js';

const spelled = (value: number) => value.toLocaleString('en');

describe('limits', () => {
  it('docs/limits.md has every one of them', () => {
    const text = readFileSync('docs/limits.md', 'utf8');
    const { requestsPerSecond, failedCredentialsPerMinute } = loadConfig({});
    const values = { ...mostOfAccount, ...mostStaleStreams, ...requestsPerSecond, failedCredentialsPerMinute };
    for (const [name, value] of Object.entries(values))
      expect(text, name).toMatch(new RegExp(`\\| ${spelled(value)} +\\|`));
    expect(text).toContain(`${burstSeconds} seconds`);
  });

  it('many keys of one account do not make its bucket forget', () => {
    const limiter = createRateLimiter({ read: 10, write: 10, heavy: 10, anonymous: 10 }, () => new Date(0));
    let passed = 0;
    for (let n = 0; n < 30_000; n++) {
      try {
        limiter.take({ id: `key-${n}`, account: 'a' }, 'write');
        passed++;
      } catch {
        // Beyond the rate.
      }
    }
    expect(passed).toBe(10 * burstSeconds);
    limiter.take({ id: 'key', account: 'b' }, 'write');
    limiter.take({ id: 'key', account: 'a' }, 'free');
  });

  it('a hundred thousand networks that ask without a key keep the memory of one that asks all the time', () => {
    const limiter = createRateLimiter({ read: 10, write: 10, heavy: 10, anonymous: 10 }, () => new Date(0));
    const passes = (address: string): boolean => {
      try {
        limiter.takeAnonymous(address);
        return true;
      } catch {
        return false;
      }
    };
    let passed = 0;
    for (let n = 0; n < 100_000; n++) {
      passes(`10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`);
      if (n % 100 === 0 && passes('192.0.2.1')) passed++;
    }
    expect(passed).toBe(10 * burstSeconds);
    expect(Array.from({ length: 1000 }, () => passes('::1'))).not.toContain(false);
  });
});

import { describe, expect, it } from 'vitest';
import type { DomainError } from '../../../src/errors.js';
import { networkOf } from '../../../src/address.js';
import { createFailureLimiter } from '../../../src/http/failure-limiter.js';

const isFull = (limiter: ReturnType<typeof createFailureLimiter>, address: string): boolean => {
  try {
    limiter.requireRoom(address);
    return false;
  } catch (error) {
    expect((error as DomainError).code).toBe('too-many-requests');
    return true;
  }
};

describe('the failure limiter', () => {
  it('a hundred thousand addresses make it forget none, and lock out few', () => {
    let at = 1_000_000;
    const limiter = createFailureLimiter(20, () => new Date(at));
    for (let k = 0; k < 20; k++) limiter.count('2001:db8:0:7::1');
    expect(isFull(limiter, '2001:db8:0:7:ffff::2')).toBe(true);
    for (let k = 0; k < 100_000; k++) limiter.count(`10.${k >> 16}.${(k >> 8) & 255}.${k & 255}`);
    expect(isFull(limiter, '2001:db8:0:7::3')).toBe(true);
    let innocent = 0;
    for (let k = 0; k < 1000; k++) innocent += isFull(limiter, `192.0.2.${k}`) ? 1 : 0;
    expect(innocent).toBe(0);
    at += 60_001;
    expect(isFull(limiter, '2001:db8:0:7::1')).toBe(false);
    // A clock that is set back opens another window.
    for (let k = 0; k < 20; k++) limiter.count('198.51.100.1');
    at -= 3_600_000;
    expect(isFull(limiter, '198.51.100.1')).toBe(false);
  });

  it.each([
    ['2001:db8:0:7::1', '2001:db8:0:7::/64'],
    ['2001:DB8::7:1:2:3:4', '2001:db8:0:7::/64'],
    ['2001:db8:0:7:1:2:192.0.2.1', '2001:db8:0:7::/64'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['192.0.2.1', '192.0.2.1'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['what', 'what'],
  ])('%s counts as %s', (address, network) => expect(networkOf(address)).toBe(network));
});

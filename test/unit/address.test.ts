import { describe, expect, it } from 'vitest';
import { isWithinAny } from '../../src/address.js';

describe('isWithinAny', () => {
  it('knows IPv4, IPv6, and IPv4 written as IPv6', () => {
    const ranges = ['10.0.0.0/8', '2001:db8::/32', '192.0.2.7/32'];
    for (const inside of ['10.1.2.3', '::ffff:10.1.2.3', '2001:db8:1::1', '192.0.2.7'])
      expect(isWithinAny(inside, ranges), inside).toBe(true);
    for (const outside of ['11.0.0.1', '::ffff:11.0.0.1', '2001:db9::1', '192.0.2.8', '', 'nonsense', '::1'])
      expect(isWithinAny(outside, ranges), outside).toBe(false);
  });

  it('finds IPv4 in the IPv6 ranges that hold it, and nothing in what is no range', () => {
    expect(isWithinAny('198.51.100.1', ['::/0'])).toBe(true);
    expect(isWithinAny('198.51.100.1', ['::ffff:198.51.100.0/120'])).toBe(true);
    expect(isWithinAny('198.51.100.1', ['2000::/3', '198.51.100.0', '300.0.0.0/8', 'fe80::1%eth0/64'])).toBe(false);
  });
});

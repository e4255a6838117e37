import { describe, expect, it } from 'vitest';
import { clientAddress, createAddresses, formatAddress, networkOf } from '../../../src/edge/arrivals/client-address.js';

const trusted = createAddresses(['127.0.0.1', '10.0.0.0/8', '2001:db8::/32']);

describe('the address of a client', () => {
  const table: [peer: string, forwarded: string[], client: string][] = [
    ['192.0.2.1', ['203.0.113.9'], '192.0.2.1'],
    ['127.0.0.1', [], '127.0.0.1'],
    ['127.0.0.1', ['203.0.113.9'], '203.0.113.9'],
    // The last one that is not trusted: what the client wrote itself stands before it.
    ['127.0.0.1', ['198.51.100.1, 203.0.113.9'], '203.0.113.9'],
    ['127.0.0.1', ['198.51.100.1, 203.0.113.9, 10.1.2.3'], '203.0.113.9'],
    ['127.0.0.1', ['198.51.100.1', '203.0.113.9'], '203.0.113.9'],
    ['127.0.0.1', ['10.1.2.3, 10.4.5.6'], '10.1.2.3'],
    ['127.0.0.1', ['203.0.113.9:4711'], '203.0.113.9'],
    ['127.0.0.1', ['[2001:db9::1]:4711'], '2001:db9::1'],
    ['127.0.0.1', ['::ffff:203.0.113.9'], '203.0.113.9'],
    // What is no address says nothing, and nothing before it either.
    ['127.0.0.1', ['203.0.113.9, unknown'], '127.0.0.1'],
    ['127.0.0.1', ['203.0.113.9, nonsense, 10.1.2.3'], '10.1.2.3'],
    ['127.0.0.1', ['203.0.113.9,'], '127.0.0.1'],
    ['127.0.0.1', [','], '127.0.0.1'],
    ['127.0.0.1', ['010.0.0.1'], '127.0.0.1'],
  ];
  for (const [peer, forwarded, client] of table)
    it(`${peer} that forwards ${JSON.stringify(forwarded)} is ${client}`, () =>
      expect(clientAddress(peer, forwarded, trusted)).toBe(client));

  it('is the peer where no proxy is trusted', () =>
    expect(clientAddress('127.0.0.1', ['203.0.113.9'], undefined)).toBe('127.0.0.1'));

  it('looks at a bounded number of hops', () => {
    const hops = Array<string>(5000).fill('10.0.0.1').join(',');
    expect(clientAddress('127.0.0.1', [`203.0.113.9,${hops}`], trusted)).toBe('10.0.0.1');
  });

  it('has one spelling', () => {
    expect(formatAddress('2001:DB8:0:0:0:0:0:1')).toBe('2001:db8::1');
    expect(formatAddress('::ffff:192.0.2.1')).toBe('192.0.2.1');
    expect(formatAddress('::1')).toBe('::1');
    expect(formatAddress('fe80::1%eth0')).toBeUndefined();
    expect(networkOf('2001:db8:1:2:3:4:5:6')).toBe(networkOf('2001:db8:1:2::1'));
    expect(networkOf('192.0.2.1')).not.toBe(networkOf('192.0.2.2'));
  });
});

import { isWithin, parseAddress, parseRange, type Address, type AddressRange } from '../address.js';

// What is nobody's on the internet, or belongs to the network that the server stands in (IANA special-purpose registries).
const closed = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/3',
  // Of IPv6, everything but global unicast, and what of that carries IPv4 or is set aside.
  '::/3',
  '2001::/23',
  '2001:db8::/32',
  '2002::/16',
  '3fff::/20',
  '4000::/2',
  '8000::/1',
].map((range) => parseRange(range)!);

/** Whether an address is one of the internet. IPv4 inside IPv6 counts as what it leads to. */
export function isPublic(address: string): boolean {
  const parsed = parseAddress(address);
  return parsed !== undefined && !isWithinOne(parsed, closed);
}

/** Whether an address lies in one of the ranges or is one of the addresses that the setting lists. */
export function isListed(address: string, listed: readonly string[]): boolean {
  const parsed = parseAddress(address);
  return parsed !== undefined && isWithinOne(parsed, listed.map(rangeOf));
}

function isWithinOne(address: Address, ranges: readonly AddressRange[]): boolean {
  return ranges.some((range) => isWithin(address, range));
}

function rangeOf(listed: string): AddressRange {
  const address = parseAddress(listed);
  return address ? { network: address, bits: address.length * 32 } : parseRange(listed)!;
}

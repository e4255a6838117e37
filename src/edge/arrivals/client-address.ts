import { formatRange, isWithin, parseAddress, parseRange, withoutPort, type Address } from '../../address.js';

/** Addresses and ranges, ready to be asked. */
export type Addresses = { has(address: string): boolean };

/** Ranges such as `10.0.0.0/8` and single addresses. What is malformed holds nothing. */
export function createAddresses(texts: readonly string[]): Addresses {
  const ranges = texts.flatMap(
    (text) => parseRange(text) ?? parseRange(`${text}/${text.includes(':') ? 128 : 32}`) ?? [],
  );
  return {
    has(address) {
      const parsed = parseAddress(address);
      return parsed !== undefined && ranges.some((range) => isWithin(parsed, range));
    },
  };
}

/** An address in its one spelling: IPv4 mapped into IPv6 as IPv4. Undefined for what is none. */
export function formatAddress(text: string): string | undefined {
  const parsed = parseAddress(text);
  return parsed && spell(parsed);
}

function spell(address: Address): string {
  if (address.length === 1) return formatRange({ network: address, bits: 32 }).slice(0, -3);
  return new URL(`http://[${formatRange({ network: address, bits: 128 }).slice(0, -4)}]/`).hostname.slice(1, -1);
}

/** Whose connections are counted together: an IPv4 address, or the /64 of an IPv6 address. */
export function networkOf(address: string): string {
  const parsed = parseAddress(address);
  return parsed?.length === 4 ? formatRange({ network: parsed, bits: 64 }) : address;
}

const mostHops = 64;

/**
 * Who sent a request: the last address of X-Forwarded-For that is not a trusted proxy, read from the end, as long as
 * every hop before it is trusted. What is no address ends the walk: the hop that passed it on stands for the client.
 */
export function clientAddress(peer: string, forwarded: readonly string[], trusted: Addresses | undefined): string {
  let client = peer;
  if (!trusted?.has(peer)) return client;
  const hops = forwarded.join(',');
  for (let [end, count] = [hops.length, 0]; end > 0 && count < mostHops; count++) {
    const comma = hops.lastIndexOf(',', end - 1);
    const address = formatAddress(withoutPort(hops.slice(comma + 1, end).trim()));
    if (address === undefined) return client;
    client = address;
    if (!trusted.has(address)) return client;
    end = comma;
  }
  return client;
}

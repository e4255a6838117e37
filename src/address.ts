/** An IP address as numbers: one of 32 bits for IPv4, four for IPv6. */
export type Address = readonly number[];

/** A network and the number of its leading bits that count. */
export type AddressRange = { network: Address; bits: number };

/** Reads an address. IPv4 written as IPv6 is IPv4; undefined for what is neither, octal and zones included. */
export function parseAddress(text: string): Address | undefined {
  if (!text.includes(':')) return parseIpv4(text);
  const words = parseIpv6(text);
  return words && isMapped(words) ? [words[3]!] : words;
}

/**
 * An address as proxies and brokers write it, without its port and brackets: `203.0.113.9:51234`,
 * `[2001:db8::1]:4711`, `[2001:db8::1]`. What has another form is given back as it is.
 */
export function withoutPort(text: string): string {
  if (text.startsWith('[')) return /^\[([^\]]{2,64})\](:\d{1,5})?$/.exec(text)?.[1] ?? text;
  const colon = text.indexOf(':');
  // With more than one colon it is IPv6, which takes a port only in brackets.
  if (colon < 0 || colon !== text.lastIndexOf(':')) return text;
  return /^:\d{1,5}$/.test(text.slice(colon)) ? text.slice(0, colon) : text;
}

/** Reads a range such as `10.0.0.0/8`. Undefined for what is none. */
export function parseRange(text: string): AddressRange | undefined {
  const [, address = '', prefix] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? [];
  const written = address.includes(':') ? parseIpv6(address) : parseIpv4(address);
  const bits = Number(prefix);
  if (!written || bits > written.length * 32) return undefined;
  if (written.length === 4 && isMapped(written) && bits >= 96) return { network: [written[3]!], bits: bits - 96 };
  return { network: written, bits };
}

/** True when an address lies in a range. Never across versions. */
export function isWithin(address: Address, { network, bits }: AddressRange): boolean {
  if (address.length !== network.length) return false;
  for (let word = 0, left = bits; left > 0; word++, left -= 32) {
    const shift = left >= 32 ? 0 : 32 - left;
    if (address[word]! >>> shift !== network[word]! >>> shift) return false;
  }
  return true;
}

/**
 * True when an address lies in one of the ranges, all of them texts. IPv4 lies also in the IPv6 ranges that hold it as
 * `::ffff:a.b.c.d`. What is malformed lies in none and holds nothing.
 */
export function isWithinAny(address: string, ranges: readonly string[]): boolean {
  const parsed = parseAddress(address);
  if (!parsed) return false;
  const mapped = parsed.length === 1 ? [0, 0, 0xffff, parsed[0]!] : parsed;
  return ranges.map(parseRange).some((range) => range && (isWithin(parsed, range) || isWithin(mapped, range)));
}

/** The ranges that lie in one of each of two lists, as they are written there. Ranges nest or are apart. */
export function intersectRanges(ones: readonly string[], others: readonly string[]): string[] {
  const found = ones.flatMap((one) => others.flatMap((other) => narrower(one, other) ?? []));
  return [...new Set(found)];
}

function narrower(one: string, other: string): string | undefined {
  const [a, b] = [parseRange(one), parseRange(other)];
  if (!a || !b) return undefined;
  if (a.bits >= b.bits) return isWithin(a.network, b) ? one : undefined;
  return isWithin(b.network, a) ? other : undefined;
}

/** A range, its network without host bits, IPv6 in full. */
export function formatRange({ network, bits }: AddressRange): string {
  const words = network.map((word, index) => {
    const left = Math.min(32, Math.max(0, bits - index * 32));
    return left === 0 ? 0 : (word & (-1 << (32 - left))) >>> 0;
  });
  if (words.length === 1) return `${[24, 16, 8, 0].map((shift) => (words[0]! >>> shift) & 0xff).join('.')}/${bits}`;
  return `${words.flatMap((word) => [word >>> 16, word & 0xffff].map((group) => group.toString(16))).join(':')}/${bits}`;
}

/** What one customer is given, and what is counted together: an IPv4 address as it is, also when written as IPv6; of IPv6 the first 64 bits. */
export function networkOf(address: string): string {
  const plain = address.split('%')[0]!.toLowerCase();
  if (!plain.includes(':') || !parseAddress(plain)) return address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(plain);
  if (mapped) return mapped[1]!;
  const [head, tail] = plain.split('::') as [string, string | undefined];
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  // An IPv4 address at the end stands for two groups.
  const length = before.length + after.length + ((after.at(-1) ?? before.at(-1) ?? '').includes('.') ? 1 : 0);
  const groups = [...before, ...Array.from({ length: Math.max(0, 8 - length) }, () => '0'), ...after];
  const network = groups.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16));
  return `${network.join(':')}::/64`;
}

const ipv4 =
  /^(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)$/;

function parseIpv4(text: string): Address | undefined {
  const match = ipv4.exec(text);
  if (!match) return undefined;
  return [((Number(match[1]) << 24) | (Number(match[2]) << 16) | (Number(match[3]) << 8) | Number(match[4])) >>> 0];
}

/** RFC 4291 §2.2: eight groups, `::` once for any number of zero groups, the last two as IPv4 perhaps. */
function parseIpv6(text: string): Address | undefined {
  const sides = withHexTail(text)?.split('::');
  if (!sides || sides.length > 2) return undefined;
  const [head, tail] = sides.map((side) => (side === '' ? [] : side.split(':')));
  const missing = 8 - head!.length - (tail?.length ?? 0);
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  const groups = [...head!, ...Array<string>(tail === undefined ? 0 : missing).fill('0'), ...(tail ?? [])];
  if (!groups.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return undefined;
  const values = groups.map((group) => parseInt(group, 16));
  return [0, 2, 4, 6].map((index) => ((values[index]! << 16) | values[index + 1]!) >>> 0);
}

function withHexTail(text: string): string | undefined {
  const colon = text.lastIndexOf(':');
  const tail = text.slice(colon + 1);
  if (!tail.includes('.')) return text;
  const [value] = parseIpv4(tail) ?? [];
  if (value === undefined) return undefined;
  return `${text.slice(0, colon + 1)}${(value >>> 16).toString(16)}:${(value & 0xffff).toString(16)}`;
}

function isMapped(words: Address): boolean {
  return words[0] === 0 && words[1] === 0 && words[2] === 0xffff;
}

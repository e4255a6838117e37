import type { CrlHeader } from './crl.js';
import * as der from './der.js';
import { authorityKeyId, distributionPoint, extension, freshestCrl, type Issuer } from './issuer.js';
import { oids } from './oid.js';

/** A list in DER and what must be true of it. */
type LintedCrl = {
  der: Buffer;
  issuer: Issuer;
  header: CrlHeader;
  entries: number;
  now: Date;
  maxSeconds: number;
};

/** What every entry of a list is held to: `latest` is the thisUpdate in DER. */
type EntryRules = { delta: boolean; latest: Buffer };

type Span = { tag: number; start: number; end: number; next: number };

/** What stands in a list: whether it has an entry of the serial number between two offsets of some bytes. */
export type CrlIndex = { has(bytes: Buffer, start: number, end: number): boolean };

// Where the serial number of an entry begins: after the headers of the entry and of the INTEGER.
const serialAt = 4;

const isDelta = ({ baseNumber }: CrlHeader): boolean => baseNumber !== undefined;
const codesAllowed = new Set([1, 3, 4, 5, 6, 9]);
const pauseEvery = 2000;

/**
 * Reads a list back and throws unless it is what RFC 5280 §5 and its header ask for: the rules that are
 * checked before anything is published. It yields now and then, so that a long list can be read in slices.
 * @throws Error that says what is wrong
 */
export function* lintCrl({
  der: bytes,
  issuer,
  header,
  entries,
  now,
  maxSeconds,
}: LintedCrl): Generator<void, CrlIndex> {
  const outer = spanAt(bytes, 0);
  must(outer.tag === der.tags.sequence && outer.next === bytes.length, 'shape');
  const tbs = spanAt(bytes, outer.start);
  const fields = [...spansIn(bytes, tbs)];
  const [version, algorithm, name, thisUpdate, nextUpdate] = fields;
  const outerAlgorithm = spanAt(bytes, tbs.next);
  must(is(bytes, version, der.integer(1)), 'version');
  must(is(bytes, algorithm, issuer.signer.algorithm), 'signature algorithm');
  must(is(bytes, outerAlgorithm, issuer.signer.algorithm), 'signature algorithm outside');
  must(is(bytes, name, issuer.subject), 'issuer name');
  must(is(bytes, thisUpdate, der.time(header.thisUpdate)) && header.thisUpdate <= now, 'thisUpdate');
  const seconds = (header.nextUpdate.getTime() - header.thisUpdate.getTime()) / 1000;
  must(is(bytes, nextUpdate, der.time(header.nextUpdate)) && seconds > 0 && seconds <= maxSeconds, 'nextUpdate');
  const revoked = fields.length === 7 ? fields[5] : undefined;
  must(fields.length === (entries > 0 ? 7 : 6), 'revokedCertificates must be absent when empty, and only then');
  requireExtensions(bytes, fields.at(-1)!, issuer, header);
  const rules = { delta: isDelta(header), latest: der.time(header.thisUpdate) };
  return yield* indexEntries(bytes, revoked, entries, rules);
}

/** Throws when `next` lacks an entry of the list `previous` that `mayBeGone` does not know of. @throws Error */
export function* requireNothingDropped(
  previous: Buffer,
  next: CrlIndex,
  mayBeGone: (serialNumber: string) => boolean,
): Generator<void, void> {
  const fields = [...spansIn(previous, spanAt(previous, spanAt(previous, 0).start))];
  const entries = fields.length === 7 ? fields[5]! : undefined;
  let seen = 0;
  for (let at = entries?.start ?? 0; entries && at < entries.end; at += 2 + previous[at + 1]!) {
    const [start, end] = [at + serialAt, at + serialAt + previous[at + serialAt - 1]!];
    if (!next.has(previous, start, end) && !mayBeGone(previous.toString('hex', start, end)))
      throw new Error(`it drops ${previous.toString('hex', start, end)}, which has not expired and was not released`);
    if (++seen % pauseEvery === 0) yield;
  }
}

function requireExtensions(bytes: Buffer, field: Span, issuer: Issuer, header: CrlHeader): void {
  must(field.tag === der.constructed(0), 'extensions');
  const { number, baseNumber, distributionPoint: url, delta } = header;
  // Said once more on purpose: a lint that asked the writer would always agree with it.
  const expected = [
    authorityKeyId(issuer),
    extension(oids.crlNumber, der.integer(number)),
    ...(baseNumber === undefined ? [] : [extension(oids.deltaCrlIndicator, der.integer(baseNumber), true)]),
    ...(url === undefined
      ? []
      : [extension(oids.issuingDistributionPoint, der.sequence(distributionPoint(url)), true)]),
    ...(delta === undefined ? [] : [freshestCrl(delta)]),
  ];
  must(baseNumber === undefined || delta === undefined, 'a delta that has a delta');
  const found = [...spansIn(bytes, spanAt(bytes, field.start))];
  must(
    found.length === expected.length && found.every((each, n) => is(bytes, each, expected[n]!)),
    'extensions: others, or others than expected',
  );
  must(number > 0n && (baseNumber === undefined || baseNumber <= number), 'number');
}

/** Checks every entry, and that no serial number stands there twice. Makes no object for an entry: there are millions. */
function* indexEntries(
  bytes: Buffer,
  entries: Span | undefined,
  count: number,
  rules: EntryRules,
): Generator<void, CrlIndex> {
  // Open addressing over the offsets of entries, by the last octets of serial numbers, which are random.
  const mask = (1 << Math.ceil(Math.log2(count * 2 + 2))) - 1;
  const table = new Uint32Array(mask + 1);
  const slotOf = (other: Buffer, start: number, end: number): number => {
    let slot = lastOctets(other, start, end) & mask;
    for (; table[slot] !== 0; slot = (slot + 1) & mask) {
      const known = table[slot]! + serialAt;
      if (other.compare(bytes, known, known + bytes[known - 1]!, start, end) === 0) break;
    }
    return slot;
  };
  let seen = 0;
  for (let at = entries?.start ?? 0; entries && at < entries.end; at += 2 + bytes[at + 1]!) {
    requireEntry(bytes, at, entries.end, rules);
    const slot = slotOf(bytes, at + serialAt, at + serialAt + bytes[at + serialAt - 1]!);
    must(table[slot] === 0, 'a serial number twice');
    table[slot] = at;
    if (++seen % pauseEvery === 0) yield;
  }
  must(seen === count, 'number of entries');
  return { has: (other, start, end) => table[slotOf(other, start, end)] !== 0 };
}

function lastOctets(bytes: Buffer, start: number, end: number): number {
  let value = 0;
  for (let at = Math.max(start, end - 4); at < end; at++) value = (value << 8) | bytes[at]!;
  return value >>> 0;
}

/** SEQUENCE { serial number, date, reason? }, the headers of two octets each. */
function requireEntry(bytes: Buffer, at: number, listEnd: number, { delta, latest }: EntryRules): void {
  const end = at + 2 + bytes[at + 1]!;
  const octets = bytes[at + 3]!;
  must(bytes[at] === der.tags.sequence && bytes[at + 1]! < 0x80 && end <= listEnd, 'shape of an entry');
  must(bytes[at + 2] === der.tags.integer && octets >= 1 && octets <= 20, 'serial number of an entry');
  must((bytes[at + serialAt]! & 0x80) === 0, 'sign of a serial number');
  const date = at + serialAt + octets;
  const dateEnd = date + 2 + bytes[date + 1]!;
  const isUtcTime = bytes[date] === der.tags.utcTime && bytes[date + 1] === 13;
  const isGeneralizedTime = bytes[date] === der.tags.generalizedTime && bytes[date + 1] === 15;
  must((isUtcTime || isGeneralizedTime) && bytes[dateEnd - 1] === 0x5a, 'date of an entry');
  // Readers ignore what is revoked in their future, and take thisUpdate for the present.
  must(der.compareTimes(bytes, date, latest, 0) <= 0, 'date of an entry after thisUpdate');
  if (dateEnd === end) return;
  // The only extension is a reason; its code is the last octet.
  must(bytes[dateEnd] === der.tags.sequence && bytes[dateEnd + 1] === 12, 'extensions of an entry');
  must(end === dateEnd + 14, 'extensions of an entry');
  const code = bytes[end - 1]!;
  must(codesAllowed.has(code) || (delta && code === 8), 'reason of an entry');
}

/** Lists grow beyond the lengths that the strict reader takes, and are read here without a copy. */
function spanAt(bytes: Buffer, at: number): Span {
  const first = bytes[at + 1] ?? 0x80;
  const octets = first < 0x80 ? 0 : first & 0x7f;
  must(first !== 0x80 && octets <= 4 && at + 2 + octets <= bytes.length, 'length');
  const length = octets === 0 ? first : bytes.readUIntBE(at + 2, octets);
  const start = at + 2 + octets;
  must(start + length <= bytes.length, 'length');
  return { tag: bytes[at]!, start, end: start + length, next: start + length };
}

function* spansIn(bytes: Buffer, { start, end }: Span): Generator<Span> {
  for (let at = start; at < end;) {
    const span = spanAt(bytes, at);
    must(span.next <= end, 'length');
    yield span;
    at = span.next;
  }
}

function is(bytes: Buffer, span: Span | undefined, expected: Buffer): boolean {
  return span !== undefined && expected.equals(bytes.subarray(span.next - expected.length, span.next));
}

// Not a DomainError: a list that fails its lint is a defect of Thingward and must not look like the caller's.
function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(`lint of the list: ${what}`);
}

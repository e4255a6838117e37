import type { CrlHeader } from './crl.js';
import * as der from './der.js';
import { authorityKeyId, distributionPoint, extension, type Issuer } from './issuer.js';
import { oids } from './oid.js';

/** A list in DER and what must be true of it. */
export type LintedCrl = {
  der: Buffer;
  issuer: Issuer;
  header: CrlHeader;
  entries: number;
  now: Date;
  maxSeconds: number;
};

type Span = { tag: number; start: number; end: number; next: number };

/** What stands in a list: whether it has an entry of a serial number. */
export type CrlIndex = { has(serial: Buffer): boolean };

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
  return yield* indexEntries(bytes, revoked, entries, isDelta(header));
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
  for (const entry of entries ? spansIn(previous, entries) : []) {
    const serial = spanAt(previous, entry.start);
    const value = previous.subarray(serial.start, serial.end);
    if (!next.has(value) && !mayBeGone(value.toString('hex')))
      throw new Error(`it drops ${value.toString('hex')}, which has not expired and was not released`);
    if (++seen % pauseEvery === 0) yield;
  }
}

function requireExtensions(bytes: Buffer, field: Span, issuer: Issuer, header: CrlHeader): void {
  must(field.tag === der.constructed(0), 'extensions');
  const { number, baseNumber, distributionPoint: url } = header;
  const expected = [
    authorityKeyId(issuer),
    extension(oids.crlNumber, der.integer(number)),
    ...(baseNumber === undefined ? [] : [extension(oids.deltaCrlIndicator, der.integer(baseNumber), true)]),
    ...(url === undefined
      ? []
      : [extension(oids.issuingDistributionPoint, der.sequence(distributionPoint(url)), true)]),
  ];
  const found = [...spansIn(bytes, spanAt(bytes, field.start))];
  must(
    found.length === expected.length && found.every((each, n) => is(bytes, each, expected[n]!)),
    'extensions: others, or others than expected',
  );
  must(number > 0n && (baseNumber === undefined || baseNumber <= number), 'number');
}

/** Checks every entry, and that no serial number stands there twice. */
function* indexEntries(
  bytes: Buffer,
  entries: Span | undefined,
  count: number,
  delta: boolean,
): Generator<void, CrlIndex> {
  // Open addressing over the offsets of serial numbers, whose last octets are random.
  const mask = (1 << Math.ceil(Math.log2(count * 2 + 2))) - 1;
  const table = new Uint32Array(mask + 1);
  const slotOf = (serial: Buffer): number => {
    let slot = (serial.length < 4 ? serial[serial.length - 1]! : serial.readUInt32BE(serial.length - 4)) & mask;
    for (; table[slot] !== 0; slot = (slot + 1) & mask) {
      const known = spanAt(bytes, table[slot]!);
      if (serial.equals(bytes.subarray(known.start, known.end))) break;
    }
    return slot;
  };
  let seen = 0;
  for (const entry of entries ? spansIn(bytes, entries) : []) {
    const serial = requireEntry(bytes, entry, delta);
    const slot = slotOf(bytes.subarray(serial.start, serial.end));
    must(table[slot] === 0, 'a serial number twice');
    table[slot] = entry.start;
    if (++seen % pauseEvery === 0) yield;
  }
  must(seen === count, 'number of entries');
  return { has: (serial) => table[slotOf(serial)] !== 0 };
}

function requireEntry(bytes: Buffer, entry: Span, delta: boolean): Span {
  const serial = spanAt(bytes, entry.start);
  const time = spanAt(bytes, serial.next);
  const octets = serial.end - serial.start;
  must(
    entry.tag === der.tags.sequence &&
      serial.tag === der.tags.integer &&
      octets >= 1 &&
      octets <= 20 &&
      (bytes[serial.start]! & 0x80) === 0,
    'serial number of an entry',
  );
  const isUtcTime = time.tag === der.tags.utcTime && time.end - time.start === 13;
  const isGeneralizedTime = time.tag === der.tags.generalizedTime && time.end - time.start === 15;
  must((isUtcTime || isGeneralizedTime) && bytes[time.end - 1] === 0x5a, 'date of an entry');
  if (time.next === entry.end) return serial;
  // The only extension is a reason; its code is the last octet.
  const reason = spanAt(bytes, time.next);
  const code = bytes[reason.end - 1]!;
  must(reason.next === entry.end && reason.end - reason.start === 12, 'extensions of an entry');
  must(codesAllowed.has(code) || (delta && code === 8), 'reason of an entry');
  return serial;
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

// Not a DomainError: a list that fails its lint is our defect and must not look like the caller's.
function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(`lint of the list: ${what}`);
}

import * as der from './der.js';
import { authorityKeyId, distributionPoint, extension, freshestCrl, type Issuer } from './issuer.js';
import { oids } from './oid.js';

/** Why a certificate was revoked, with the codes of RFC 5280 §5.3.1. */
export const reasonCodes = {
  unspecified: 0,
  keyCompromise: 1,
  affiliationChanged: 3,
  superseded: 4,
  cessationOfOperation: 5,
  certificateHold: 6,
  privilegeWithdrawn: 9,
} as const;

/** Why a certificate was revoked, as RFC 5280 §5.3.1 calls it. */
export type RevocationReason = keyof typeof reasonCodes;

/** `removeFromCRL` stands only in delta lists: what the base has is valid again. */
type CrlEntryReason = RevocationReason | 'removeFromCRL';

/** One line of a list. `serialNumber` is lower-case hex. */
export type CrlEntry = { serialNumber: string; revokedAt: Date; reason: CrlEntryReason };

/** Everything in a list but its entries. */
export type CrlHeader = {
  number: bigint;
  thisUpdate: Date;
  nextUpdate: Date;
  /** What the list is limited to: the URL in the certificates that it covers. A complete list has none. */
  distributionPoint?: string | undefined;
  /** Makes it a delta list: the complete list that it goes with (RFC 5280 §5.2.4). */
  baseNumber?: bigint | undefined;
  /** Of a complete list: where its delta is. */
  delta?: string | undefined;
};

/** One entry in DER, at most 64 octets. */
export function encodeCrlEntry({ serialNumber, revokedAt, reason }: CrlEntry): Buffer {
  const serial = der.encode(der.tags.integer, Buffer.from(serialNumber, 'hex'));
  // unspecified is said by leaving the code out (RFC 5280 §5.3.1).
  if (reason === 'unspecified') return der.sequence(serial, der.time(revokedAt));
  return der.sequence(serial, der.time(revokedAt), reasonExtensions[reason]);
}

/** An encoded entry with its date, or with `latest` where that is earlier (a Time in DER). */
export function entryUpTo(entry: Buffer, latest: Buffer): Buffer {
  // SEQUENCE { INTEGER, Time, ... }: the headers have two octets each.
  const date = 4 + entry[3]!;
  if (der.compareTimes(entry, date, latest, 0) <= 0) return entry;
  return der.sequence(entry.subarray(2, date), latest, entry.subarray(date + 2 + entry[date + 1]!));
}

const reasonExtensions = Object.fromEntries(
  Object.entries({ ...reasonCodes, removeFromCRL: 8 }).map(([reason, code]) => [
    reason,
    der.sequence(extension(oids.reasonCode, der.encode(der.tags.enumerated, Buffer.from([code])))),
  ]),
) as Record<CrlEntryReason, Buffer>;

// More than the outer header, and than an algorithm and a signature of any key in use.
const headRoom = 8;
const tailRoom = 1024;

/** A list in the making: its bytes are complete but for its entries and its signature. */
export type CrlDraft = {
  /** To be filled with the encoded entries, `entriesLength` octets in all. */
  entries: Buffer;
  /** What is signed, once the entries are in. */
  tbs: Buffer;
  /** The whole list in DER, in the same memory. */
  finish(signature: Uint8Array): Buffer;
};

/** Lays out a direct CRL of `issuer` (RFC 5280 §5) around entries of a known length, so that even a long one is written once. */
export function draftCrl(issuer: Issuer, header: CrlHeader, entriesLength: number): CrlDraft {
  const { algorithm } = issuer.signer;
  const before = Buffer.concat([
    der.integer(1),
    algorithm,
    issuer.subject,
    der.time(header.thisUpdate),
    der.time(header.nextUpdate),
    // Absent, not empty, when nothing is revoked (RFC 5280 §5.1.2.6).
    ...(entriesLength > 0 ? [der.header(der.tags.sequence, entriesLength)] : []),
  ]);
  const after = der.encode(der.constructed(0), der.sequence(...extensionsOf(issuer, header)));
  const contentLength = before.length + entriesLength + after.length;
  const tbsHeader = der.header(der.tags.sequence, contentLength);
  const tbsLength = tbsHeader.length + contentLength;
  const memory = Buffer.allocUnsafe(headRoom + tbsLength + tailRoom);
  const tbs = memory.subarray(headRoom, headRoom + tbsLength);
  tbs.set(tbsHeader);
  tbs.set(before, tbsHeader.length);
  tbs.set(after, tbsLength - after.length);
  const entriesAt = tbsHeader.length + before.length;

  return {
    entries: tbs.subarray(entriesAt, entriesAt + entriesLength),
    tbs,
    finish(signature) {
      const tail = Buffer.concat([algorithm, der.bitString(signature)]);
      const outer = der.header(der.tags.sequence, tbsLength + tail.length);
      memory.set(outer, headRoom - outer.length);
      memory.set(tail, headRoom + tbsLength);
      return memory.subarray(headRoom - outer.length, headRoom + tbsLength + tail.length);
    },
  };
}

function extensionsOf(issuer: Issuer, { number, distributionPoint: url, baseNumber, delta }: CrlHeader): Buffer[] {
  return [
    authorityKeyId(issuer),
    extension(oids.crlNumber, der.integer(number)),
    ...(baseNumber === undefined ? [] : [extension(oids.deltaCrlIndicator, der.integer(baseNumber), true)]),
    ...(url === undefined
      ? []
      : [extension(oids.issuingDistributionPoint, der.sequence(distributionPoint(url)), true)]),
    ...(delta === undefined ? [] : [freshestCrl(delta)]),
  ];
}

import * as der from './der.js';
import { authorityKeyId, extension, type Issuer } from './issuer.js';
import { oids } from './oid.js';
import { signed } from './signer.js';

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

export type RevocationReason = keyof typeof reasonCodes;

/** One line of a list. `serialNumber` is lower-case hex. */
export type CrlEntry = { serialNumber: string; revokedAt: Date; reason: RevocationReason };

export type CrlContents = { number: bigint; thisUpdate: Date; nextUpdate: Date; entries: CrlEntry[] };

/** A complete, direct CRL of `issuer` in DER (RFC 5280 §5), without an issuing distribution point. */
export function issueCrl(issuer: Issuer, { number, thisUpdate, nextUpdate, entries }: CrlContents): Buffer {
  const extensions = der.sequence(authorityKeyId(issuer), extension(oids.crlNumber, der.integer(number)));
  const tbs = der.sequence(
    der.integer(1),
    issuer.signer.algorithm,
    issuer.subject,
    der.time(thisUpdate),
    der.time(nextUpdate),
    // Absent, not empty, when nothing is revoked (RFC 5280 §5.1.2.6).
    ...(entries.length > 0 ? [der.sequence(...entries.map(encodeEntry))] : []),
    der.encode(der.constructed(0), extensions),
  );
  return signed(tbs, issuer.signer);
}

function encodeEntry({ serialNumber, revokedAt, reason }: CrlEntry): Buffer {
  const serial = der.encode(der.tags.integer, Buffer.from(serialNumber, 'hex'));
  // unspecified is said by leaving the code out (RFC 5280 §5.3.1).
  if (reason === 'unspecified') return der.sequence(serial, der.time(revokedAt));
  const code = der.encode(der.tags.enumerated, Buffer.from([reasonCodes[reason]]));
  return der.sequence(serial, der.time(revokedAt), der.sequence(extension(oids.reasonCode, code)));
}

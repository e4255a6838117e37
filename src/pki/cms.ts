import * as der from './der.js';
import { oids } from './oid.js';

/**
 * Certificates in a SignedData that nobody signed, in DER: "certs-only" (RFC 8551 §3.8, RFC 7030 §4.1.3). They keep their
 * order, which the set of CMS does not have: readers take the first of several.
 */
export function encodeCertsOnly(certificates: readonly Uint8Array[]): Buffer {
  const signedData = der.sequence(
    der.integer(1),
    der.set(),
    der.sequence(oids.data),
    der.encode(der.constructed(0), ...certificates),
    der.set(),
  );
  return der.sequence(oids.signedData, der.encode(der.constructed(0), signedData));
}

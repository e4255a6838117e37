import { rfc3339 } from '../clock.js';
import type { NewLogEntry } from './append.js';

/** What the log has to know of a certificate so that lists can follow it without asking the registry. */
export type LoggedCertificate = {
  serialNumber: string;
  fingerprint: string;
  issuerId: string;
  issuerIndex: bigint;
  crlScope: string;
  notAfter: Date;
  /** When and where in the log it was revoked before; null when it was not. */
  revokedAt: Date | null;
  revokedPosition: bigint | null;
};

type Holder = { account: string; thingName: string };

/** A certificate is revoked, or its reason is another now; the first time of its revocation stays. */
export function revokedEntry(
  { account, thingName }: Holder,
  certificate: LoggedCertificate,
  reason: string,
): NewLogEntry {
  const first = certificate.revokedAt ? { revokedAt: rfc3339(certificate.revokedAt) } : {};
  return { account, type: 'certificate', payload: { ...describe(certificate), thingName, reason, ...first } };
}

/** A hold has ended. */
export function releasedEntry({ account, thingName }: Holder, certificate: LoggedCertificate): NewLogEntry {
  return { account, type: 'release', payload: { ...describe(certificate), thingName } };
}

function describe({ serialNumber, fingerprint, issuerId, crlScope, ...rest }: LoggedCertificate) {
  return {
    serialNumber,
    fingerprint,
    issuer: issuerId,
    index: Number(rest.issuerIndex),
    notAfter: rfc3339(rest.notAfter),
    ...(crlScope === 'complete' ? {} : { scope: crlScope }),
    ...(rest.revokedPosition === null ? {} : { replaces: Number(rest.revokedPosition) }),
  };
}

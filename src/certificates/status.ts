import type { RegisteredCertificate } from '../registry.js';

/** Where a certificate stands, as the API says it. */
export type CertificateStatus = 'active' | 'held' | 'superseded' | 'revoked' | 'expired';

/** Where a certificate stands at an instant. */
export function statusOf(
  { revokedAt, reason, notAfter }: Pick<RegisteredCertificate, 'revokedAt' | 'reason' | 'notAfter'>,
  at: Date,
): CertificateStatus {
  if (!revokedAt) return notAfter <= at ? 'expired' : 'active';
  if (reason === 'superseded') return 'superseded';
  return reason === 'certificateHold' ? 'held' : 'revoked';
}

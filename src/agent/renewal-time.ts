import { createHash, type X509Certificate } from 'node:crypto';

/** Up to this part of a life earlier, so that devices which started together do not renew together. */
const spread = 1 / 20;

/** Whether a certificate has expired at an instant of the server's clock (seconds since 1970). */
export function isExpired({ validTo }: X509Certificate, at: number): boolean {
  return at >= Date.parse(validTo) / 1000;
}

/**
 * Whether a certificate should be renewed at an instant of the server's clock (seconds since 1970): after two thirds of its life, or up
 * to a twentieth earlier. Which instant it is depends on the certificate alone, so a restart does not change it.
 */
export function isRenewalDue(certificate: X509Certificate, at: number): boolean {
  const [from, to] = [Date.parse(certificate.validFrom) / 1000, Date.parse(certificate.validTo) / 1000];
  return at >= from + (to - from) * (2 / 3 - spread * shareOf(certificate));
}

/** A number from 0 to 1 that belongs to the certificate. */
function shareOf({ raw }: X509Certificate): number {
  return createHash('sha256').update(raw).digest().readUInt32BE(0) / 2 ** 32;
}

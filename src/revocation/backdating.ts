import { addSeconds } from '../clock.js';

/**
 * Seconds that lists and OCSP answers are dated back, revocations in them included: a reader whose clock is slow by
 * less believes both that the list has begun and that the certificate is revoked by now.
 */
export const backdatedSeconds = 3600;

/** The thisUpdate of what is signed at an instant: never later than it, and never before that of the list it replaces. */
export function thisUpdateOf(signedAt: Date, replaced?: Date): Date {
  const backdated = addSeconds(signedAt, -backdatedSeconds);
  // A list from the future is one that nobody with a right clock has taken: it holds nothing back.
  return replaced && replaced > backdated && replaced <= signedAt ? replaced : backdated;
}

/** The revocationDate to write for a revocation, which may not be later than thisUpdate. */
export function revocationDateOf(revokedAt: Date, thisUpdate?: Date): Date {
  const backdated = addSeconds(revokedAt, -backdatedSeconds);
  return thisUpdate && backdated > thisUpdate ? thisUpdate : backdated;
}

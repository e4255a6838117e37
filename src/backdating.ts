import { addSeconds } from './clock.js';

/**
 * Seconds that lists and OCSP answers are dated back, revocations in them included: a reader whose clock is slow by
 * less believes both that the list has begun and that the certificate is revoked by now.
 */
export const backdatedSeconds = 3600;

/** Seconds that the clocks of instances may differ. */
export const clockSkewSeconds = 300;

/**
 * The time of a signature: no earlier than that of the list it replaces, because another instance's clock may be ahead
 * and Last-Modified must not go back. A list from further in the future than clocks may differ holds nothing back.
 */
export function signedAtOf(at: Date, replaced: Date): Date {
  return replaced > at && replaced <= addSeconds(at, clockSkewSeconds) ? replaced : at;
}

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

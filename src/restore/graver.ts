import type { RevocationReason } from '../pki/crl.js';

/**
 * Whether a reason that a source tells is graver than the one that is known. Restoring only adds, so it has its own
 * order: what was superseded when the backup was taken may have been revoked for another reason since.
 */
export function isGraver(told: RevocationReason, known: string | null): boolean {
  return gravity(told) > gravity(known);
}

function gravity(reason: string | null): number {
  if (reason === null) return 0;
  const rank = ['certificateHold', 'superseded'].indexOf(reason);
  if (rank >= 0) return 1 + rank;
  return reason === 'keyCompromise' ? 4 : 3;
}

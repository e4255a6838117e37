import type { RevocationReason } from '../pki/crl.js';

/** What becomes of a certificate when it is revoked for a reason. */
type Transition = 'revoke' | 'change' | 'repeat' | 'refuse';

/**
 * The rules of repeated and changed reasons: the same reason returns the original answer; a hold may become anything,
 * and anything a compromised key; nothing else changes.
 */
export function transitionOf(current: string | null, wanted: RevocationReason): Transition {
  if (current === null) return 'revoke';
  if (current === wanted) return 'repeat';
  return current === 'certificateHold' || wanted === 'keyCompromise' ? 'change' : 'refuse';
}

import type { RevocationReason } from '../pki/crl.js';

/** What becomes of a certificate that is to be revoked for a reason. */
export type Transition = 'revoke' | 'change' | 'repeat' | 'refuse';

/**
 * The rules of repeated and changed reasons: the same again is the first answer again; a hold may become anything,
 * and anything a compromised key; nothing else changes.
 */
export function transitionOf(current: string | null, wanted: RevocationReason): Transition {
  if (current === null) return 'revoke';
  if (current === wanted) return 'repeat';
  return current === 'certificateHold' || wanted === 'keyCompromise' ? 'change' : 'refuse';
}

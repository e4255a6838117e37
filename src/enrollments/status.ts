import type { StoredEnrollment } from './store.js';

/** Whether an enrollment admits devices, as the API says it. */
export type EnrollmentStatus = 'active' | 'exhausted' | 'expired' | 'revoked';

type Limits = Pick<StoredEnrollment, 'expiresAt' | 'revokedAt' | 'uses' | 'maxUses'>;

/** Whether an enrollment admits devices at an instant, and if not, why. */
export function statusOf({ expiresAt, revokedAt, uses, maxUses }: Limits, at: Date): EnrollmentStatus {
  if (revokedAt) return 'revoked';
  if (expiresAt && expiresAt <= at) return 'expired';
  return uses >= maxUses ? 'exhausted' : 'active';
}

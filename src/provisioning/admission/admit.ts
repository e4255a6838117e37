import type { StoredEnrollment } from '../../enrollments/store.js';
import type { Admitted } from './check.js';

/**
 * Asks whoever an enrollment names whether a device may have what it asks for, and returns what it may have.
 * @throws DomainError `check-refused`, `check-away`
 */
export type Admit = (asking: Admitted, sourceIp: string | undefined) => Promise<Admitted>;

/** Whether more than the token of an enrollment decides about a device. */
export const isGuarded = ({ checkUrl }: StoredEnrollment): boolean => checkUrl !== null;

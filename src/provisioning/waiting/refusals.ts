import { DomainError } from '../../errors.js';
import { unusableEnrollment } from '../refusals.js';
import type { Unusable } from '../store.js';
import { mostWaiting, type WaitingDevice } from './entries-sql.js';
import type { NoRoom } from './opening-sql.js';

/** A device whose key an operator denied. */
export function denied(reason: string): DomainError {
  return new DomainError(
    'approval-denied',
    `an operator denied this device: ${reason}. Asking again with this key changes nothing; ask the operator`,
    { reason },
  );
}

/** A device that finds no room to wait. */
export function noRoom(why: Exclude<NoRoom, 'known'> | 'busy'): DomainError {
  const { ofEnrollment, ofAddress } = mostWaiting;
  const said = {
    'enrollment-full': `${ofEnrollment} devices wait under this enrollment, which is the limit: have some of them decided, and ask again`,
    'address-full': `${ofAddress} devices wait that came from this address, which is the limit: have some of them decided, and ask again`,
    busy: 'this key asks many times at once: ask again',
  };
  return new DomainError('too-many-requests', said[why], { retryAfter: 300 });
}

/** An entry that does not exist, or no longer. */
export function unknownWaiting(id: string): DomainError {
  return new DomainError(
    'not-found',
    `no device waits as ${id}; entries expire after 7 days: GET /v1/waiting lists them`,
  );
}

/** An entry that somebody decided before. */
export function alreadyDecided({ id, status, decidedBy }: WaitingDevice): DomainError {
  return new DomainError(
    'conflict',
    `${decidedBy ?? 'somebody'} has ${status} this device: GET /v1/waiting/${id} shows what became of it`,
  );
}

/** An enrollment that admits nobody, to the operator who approves. */
export function notUsable(why: Unusable): DomainError {
  if (why === 'account-suspended') return unusableEnrollment(why);
  const said = why === 'revoked' ? 'was revoked' : why === 'expired' ? 'has expired' : 'has been used up';
  return new DomainError(
    'conflict',
    `the enrollment ${said}, so it admits no more devices: give the device a new enrollment`,
  );
}

/** More denied keys than an enrollment remembers. */
export function tooManyDenied(most: number): DomainError {
  return new DomainError(
    'too-many-requests',
    `the enrollment remembers ${most} denied keys, which is the limit: revoke it and create another`,
    { retryAfter: 3600 },
  );
}

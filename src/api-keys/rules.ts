import { rfc3339 } from '../clock.js';
import { DomainError } from '../errors.js';
import { promiseNames, type Grantee, type Promises } from '../access/grantee.js';
import type { Permission } from '../access/permissions.js';
import type { StoredApiKey } from './store.js';

/**
 * Refuses a new key that could do more, or live longer, than its maker's. The flags of a key are the owner's and the
 * admin's to give; another key gives those that it has itself. @throws DomainError `forbidden`
 */
export function requireGrantable(
  caller: Grantee,
  request: Partial<Promises>,
  permissions: Permission[],
  expiresAt: Date | null,
): void {
  const lacking = permissions.filter((permission) => !caller.permissions.has(permission));
  if (lacking.length > 0)
    throw new DomainError('forbidden', `you cannot grant what your key lacks: ${lacking.join(', ')}`);
  const mayFlag = caller.role === 'owner' || caller.role === 'admin';
  const foreign = promiseNames.filter((promise) => request[promise] && !caller.promises[promise]);
  if (!mayFlag && foreign.length > 0)
    throw new DomainError(
      'forbidden',
      `your key does not have ${foreign.join(', ')}: leave it out, or have an owner or admin create the key`,
    );
  if (caller.expiresAt === null || (expiresAt && expiresAt <= caller.expiresAt)) return;
  throw new DomainError(
    'forbidden',
    `your key expires at ${rfc3339(caller.expiresAt)}: the new key needs an expiresAt no later`,
  );
}

/** Refuses to delete or change a key that can do what the caller's cannot. @throws DomainError `forbidden` */
export function requireHeld(caller: Grantee, key: StoredApiKey, verb: 'delete' | 'change'): void {
  const lacking = key.permissions.filter((permission) => !caller.permissions.has(permission));
  if (lacking.length === 0) return;
  throw new DomainError(
    'forbidden',
    `you cannot ${verb} a key that has what yours lacks (${lacking.join(', ')}): use a key that has it`,
  );
}

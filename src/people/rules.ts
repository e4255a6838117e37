import type { Grantee } from '../access/grantee.js';
import type { Permission } from '../access/permissions.js';
import { DomainError } from '../errors.js';

/** Refuses to give a person what the caller lacks. @throws DomainError `forbidden` */
export function requireGrantable(caller: Grantee, permissions: Permission[]): void {
  const lacking = lackingOf(caller, permissions);
  if (lacking.length > 0) throw new DomainError('forbidden', `you cannot grant what you lack: ${lacking.join(', ')}`);
}

/** Refuses to touch a person who can do what the caller cannot: whoever changes them could become them. @throws DomainError `forbidden` */
export function requireManageable(caller: Grantee, permissions: Permission[]): void {
  const lacking = lackingOf(caller, permissions);
  if (lacking.length === 0) return;
  throw new DomainError(
    'forbidden',
    `this person has what you lack (${lacking.join(', ')}): only somebody who has it can change them`,
  );
}

function lackingOf(caller: Grantee, permissions: Permission[]): Permission[] {
  return permissions.filter((permission) => !caller.permissions.has(permission));
}

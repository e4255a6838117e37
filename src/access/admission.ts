import { DomainError } from '../errors.js';
import type { Caller } from './caller.js';
import { requirePermissions } from './grantee.js';
import type { Permission } from './permissions.js';

/** What a route asks of its caller: a permission, one of the devices' credentials, a person who signed in, or nothing. */
export type Access = Permission | 'enrollment' | 'thing' | 'person' | 'public';

const credentials = { enrollment: 'an enrollment token (twe_...)', thing: "a device's access token" };

/** Refuses a caller that a route is not for. `needs` are further permissions. @throws DomainError `forbidden` */
export function admit(caller: Caller, access: Exclude<Access, 'public'>, needs: Permission[]): void {
  if (access === 'enrollment' || access === 'thing') {
    if (caller.kind !== access) throw new DomainError('forbidden', `this needs ${credentials[access]}`);
    return;
  }
  if (access === 'person') {
    if (caller.kind === 'grantee' && caller.session) return;
    throw new DomainError('forbidden', 'this is for people: sign in');
  }
  if (caller.kind !== 'grantee') throw new DomainError('forbidden', `this needs an API key with ${access}`);
  requirePermissions(caller, [access]);
  if (needs.length > 0) requirePermissions(caller, needs);
}

/**
 * URLs are logged by whatever they pass: only credentials that can do little, and were made for it, may stand there.
 * @throws DomainError `forbidden`
 */
export function admitFromUrl(caller: Caller): void {
  const isMade = caller.kind === 'grantee' && caller.promises.inUrl;
  if (isMade && caller.permissions.size === 1 && caller.permissions.has('authorize:query')) return;
  throw new DomainError(
    'forbidden',
    'only a key with inUrl, whose sole permission is authorize:query, may be sent in a URL: send this one in a header',
  );
}

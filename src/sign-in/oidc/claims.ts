import type { Role } from '../../access/permissions.js';
import { DomainError } from '../../errors.js';
import type { ProviderSettings } from './provider-schema.js';

/** What a provider says of somebody. */
export type Claims = Record<string, unknown> & { sub: string };

/** Refuses somebody whom the settings of a provider do not let in; returns the role that they give. @throws DomainError `sign-in-refused` */
export function requireRole(claims: Claims, settings: ProviderSettings): Role {
  requireContext(claims, settings);
  requireDomain(claims, settings);
  const values = textsOf(claims[settings.roleClaim]);
  const mapped = Object.entries(settings.roleMapping).find(([value]) => values.includes(value))?.[1];
  const role = mapped ?? settings.defaultRole;
  if (role === undefined)
    throw refused(
      `no value of ${settings.roleClaim} gives you a role: ask whoever manages people here, or your directory`,
    );
  return role;
}

/** How somebody was authenticated (OpenID Connect Core §2): what is absent was not promised. */
function requireContext({ acr, amr }: Claims, { requiredAcr, requiredAmr }: ProviderSettings): void {
  if (requiredAcr.length > 0 && !requiredAcr.some((each) => each === acr))
    throw refused(
      `the provider did not promise acr ${requiredAcr.join(' or ')}: sign in there with the factors that it asks for`,
    );
  const shown = textsOf(amr);
  if (!requiredAmr.every((each) => shown.includes(each)))
    throw refused(`the provider did not promise amr ${requiredAmr.join(' and ')}: sign in there with these factors`);
}

function requireDomain({ email, email_verified: verified }: Claims, { allowedDomains }: ProviderSettings): void {
  if (allowedDomains.length === 0) return;
  const domain = typeof email === 'string' ? email.slice(email.lastIndexOf('@') + 1).toLowerCase() : undefined;
  if (verified === true && domain !== undefined && allowedDomains.includes(domain)) return;
  throw refused(`only verified addresses of ${allowedDomains.join(', ')} are let in`);
}

/** What to call somebody who comes for the first time. */
export function nameOf({ preferred_username: username, name, email, sub }: Claims): string {
  const given = [username, name, email].find((each) => typeof each === 'string' && isName(each));
  return (given as string | undefined) ?? `person ${sub.replace(/[^ -~]/g, '?').slice(0, 100)}`;
}

/** A verified e-mail address, for people to read: it identifies nobody. */
export function emailOf({ email, email_verified: verified }: Claims): string | null {
  return verified === true && typeof email === 'string' && email.length <= 254 ? email : null;
}

const isName = (text: string): boolean =>
  text.length <= 100 && /^[ -~\u00a0-\uffff]+$/.test(text) && text.trim() !== '';

function textsOf(value: unknown): string[] {
  return [value].flat().filter((each) => typeof each === 'string');
}

function refused(detail: string): DomainError {
  return new DomainError('sign-in-refused', detail);
}

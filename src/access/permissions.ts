/** The closed list of what an API key or a person may be allowed to do. */
export const permissions = [
  'things:read',
  'things:write',
  'certificates:read',
  'certificates:revoke',
  'certificates:release',
  'policies:read',
  'policies:write',
  'policies:attach',
  'pipelines:read',
  'pipelines:write',
  'enrollments:read',
  'enrollments:write',
  'segments:read',
  'segments:write',
  'authorize:query',
  'revocations:read',
  'audit:read',
  'keys:read',
  'keys:write',
  'issuers:write',
  'aws:write',
  'accounts:write',
  'proxies:write',
  'edge:follow',
  'people:read',
  'people:write',
  'metrics:read',
  'alerts:read',
  'alerts:write',
  'webhooks:read',
  'webhooks:write',
  'commands:write',
] as const;

/** What a caller may do, such as `things:read`. */
export type Permission = (typeof permissions)[number];

/** The roles that an API key or a person can have. `permissionsOfRole` says what each permits. */
export const roles = ['owner', 'admin', 'operator', 'auditor', 'proxy', 'edge'] as const;

/** One of {@link roles}. */
export type Role = (typeof roles)[number];

const reading = permissions.filter((permission) => permission.endsWith(':read'));
const withinAccount = permissions.filter((permission) => permission !== 'accounts:write');

const proxying: Permission[] = ['authorize:query', 'revocations:read', 'proxies:write'];

/**
 * What each built-in role may do at present: a key with a role has what the role has in the version that runs.
 * `accounts:write` crosses accounts, so only the owner of `default` has it.
 */
export function permissionsOfRole(role: Role, account: string): Permission[] {
  switch (role) {
    case 'owner':
      return account === 'default' ? [...permissions] : withinAccount;
    case 'admin':
      return withinAccount.filter((permission) => permission !== 'issuers:write');
    case 'operator':
      return [
        'things:read',
        'things:write',
        'certificates:read',
        'certificates:revoke',
        'policies:read',
        'policies:attach',
        'pipelines:read',
        'enrollments:read',
        'enrollments:write',
        'segments:read',
        'revocations:read',
        'metrics:read',
        'alerts:read',
        'commands:write',
      ];
    case 'auditor':
      return reading;
    case 'proxy':
      return [...proxying];
    case 'edge':
      return [...proxying, 'edge:follow'];
  }
}

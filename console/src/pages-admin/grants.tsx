import { useQuery } from '@tanstack/react-query';
import type { Schemas } from '../api.js';
import { Choices, Field } from '../parts/shown.js';
import { meQuery } from '../queries.js';

type Role = Schemas['Role'];
type Permission = Schemas['Permission'];

/** What somebody or a key may do: a role, or a list of permissions. */
export type Grant = { role: Role; permissions?: never } | { role?: never; permissions: Permission[] };

const roles: Record<Role, string> = {
  owner: 'owner: everything in the account',
  admin: 'admin: everything but the authorities',
  operator: 'operator: things, enrollments, revocations',
  auditor: 'auditor: reads everything',
  proxy: 'proxy: asks for decisions',
  edge: 'edge: decides near the devices',
};

type Props = { grant: Grant; onChange(grant: Grant): void; roles?: readonly Role[] };

/** Chooses a role or a list of permissions, of those that whoever chooses has. Nobody grants what they lack. */
export function GrantFields({ grant, onChange, roles: offered = Object.keys(roles) as Role[] }: Props) {
  const { data: me } = useQuery(meQuery);
  const mine = me?.permissions ?? [];
  return (
    <>
      <Field label="Role">
        <select
          value={grant.role ?? ''}
          onChange={({ target }) =>
            onChange(target.value === '' ? { permissions: [] } : { role: target.value as Role })
          }
        >
          {offered.map((role) => (
            <option key={role} value={role}>
              {roles[role]}
            </option>
          ))}
          <option value="">permissions by list</option>
        </select>
      </Field>
      {grant.permissions === undefined ? null : (
        <Choices
          title="Permissions"
          offered={mine.map((permission) => [permission, permission])}
          chosen={grant.permissions}
          onChange={(chosen) => onChange({ permissions: chosen as Permission[] })}
        />
      )}
    </>
  );
}

/** A role in a word, or how many permissions there are. */
export const grantOf = ({ role, permissions }: { role?: Role; permissions: Permission[] }): string =>
  role ?? `${permissions.length} permissions`;

import { z } from 'zod';
import { named } from '../api/named.js';
import { page } from '../api/paging.js';
import { permission, person, personName, role, timestamp, uuid } from '../shapes.js';

const email = z
  .string()
  .max(254)
  .regex(/^[^\s@]+@[^\s@]+$/, 'must be an e-mail address')
  .meta({ description: 'An e-mail address', examples: ['ada@example.com'] });

const grants = {
  role: role.optional(),
  permissions: z.array(permission).min(1).max(50).optional().describe('In place of a role: what the person may do'),
};

export const newPerson = named(
  'NewPerson',
  'A person to invite, with a role or with permissions',
  z
    .strictObject({ name: personName, email: email.optional(), ...grants })
    .refine(
      (person) => (person.role === undefined) !== (person.permissions === undefined),
      'name a role or permissions, not both',
    ),
).meta({ examples: [{ name: 'Ada', role: 'operator' }] });

export const personChange = named(
  'PersonChange',
  'What to change of a person',
  z
    .strictObject({
      name: personName.optional(),
      email: email.nullable().optional().describe('An e-mail address; null takes it away'),
      ...grants,
      status: z.enum(['active', 'suspended']).optional().describe('A suspended person has no session'),
    })
    .refine(
      (change) => change.role === undefined || change.permissions === undefined,
      'name a role or permissions, not both',
    ),
).meta({ examples: [{ status: 'suspended' }] });

export { person };
export const link = {
  link: z.string().describe('Opens the console once, within 24 hours: give it to nobody but the person'),
  expiresAt: timestamp.describe('When the link ends'),
  mailed: z
    .boolean()
    .optional()
    .describe('Whether the mail server took a mail with the link; absent without a mail server or an address'),
};
export const invited = named('InvitedPerson', 'A new person, with the link to sign in', z.object({ person, ...link }));
export const newLink = named('PersonLink', 'Another link for a person', z.object(link));
export const personPage = page(person);
export const personParams = z.strictObject({ id: uuid.describe('The id of the person') });

export type NewPerson = z.output<typeof newPerson>;
export type PersonChange = z.output<typeof personChange>;

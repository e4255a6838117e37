import { z } from 'zod';
import { page, permission, person, personName, role, timestamp } from '../shapes.js';

const email = z
  .string()
  .max(254)
  .regex(/^[^\s@]+@[^\s@]+$/, 'must be an e-mail address');

const grants = { role: role.optional(), permissions: z.array(permission).min(1).max(50).optional() };

export const newPerson = z
  .strictObject({ name: personName, email: email.optional(), ...grants })
  .refine(
    (person) => (person.role === undefined) !== (person.permissions === undefined),
    'name a role or permissions, not both',
  );

export const personChange = z
  .strictObject({
    name: personName.optional(),
    email: email.nullable().optional(),
    ...grants,
    status: z.enum(['active', 'suspended']).optional(),
  })
  .refine(
    (change) => change.role === undefined || change.permissions === undefined,
    'name a role or permissions, not both',
  );

export { person };
export const link = {
  link: z.string().describe('Opens the console once, within 24 hours: give it to nobody but the person'),
  expiresAt: timestamp,
};
export const invited = z.object({ person, ...link });
export const newLink = z.object(link);
export const personPage = page(person);
export const personParams = z.strictObject({ id: z.uuid() });

export type NewPerson = z.output<typeof newPerson>;
export type PersonChange = z.output<typeof personChange>;

import { z } from 'zod';
import { accountName, page, permission, role, timestamp } from '../shapes.js';

/** How people are named: they type it to sign in. */
export const personName = z
  .string()
  .trim()
  .regex(/^[ -~\u00a0-\uffff]{1,128}$/, 'must be 1 to 128 characters, none of them a control character');

const email = z.string().max(254).regex(/^[^\s@]+@[^\s@]+$/, 'must be an e-mail address');

const grants = { role: role.optional(), permissions: z.array(permission).min(1).max(50).optional() };

export const newPerson = z
  .strictObject({ name: personName, email: email.optional(), ...grants })
  .refine((person) => (person.role === undefined) !== (person.permissions === undefined), 'name a role or permissions, not both');

export const personChange = z
  .strictObject({
    name: personName.optional(),
    email: email.nullable().optional(),
    ...grants,
    status: z.enum(['active', 'suspended']).optional(),
  })
  .refine((change) => change.role === undefined || change.permissions === undefined, 'name a role or permissions, not both');

export const person = z.object({
  id: z.uuid(),
  account: accountName,
  name: z.string(),
  email: z.string().optional(),
  role: role.optional(),
  permissions: z.array(permission),
  status: z.enum(['invited', 'active', 'suspended']),
  methods: z.array(z.enum(['passkey', 'password', 'sso'])).describe('The ways in that the person has set up'),
  lastSignInAt: timestamp.optional(),
  createdAt: timestamp,
  createdBy: z.string(),
});
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

import { z } from 'zod';
import { eachPromise } from '../access/grantee.js';
import { instant, page, permission, role, timestamp } from '../shapes.js';

const keyName = z
  .string()
  .regex(/^[ -~\u00a0-\uffff]{1,128}$/, 'must be 1 to 128 characters, none of them a control character');

export const newApiKey = z
  .strictObject({
    name: keyName.optional(),
    role: role.optional(),
    permissions: z.array(permission).min(1).max(50).optional(),
    ...eachPromise(z.boolean().default(false)),
    expiresAt: instant.optional(),
  })
  .refine((key) => (key.role === undefined) !== (key.permissions === undefined), 'name a role or permissions, not both')
  .refine(
    (key) => !key.inUrl || (key.permissions?.length === 1 && key.permissions[0] === 'authorize:query'),
    'inUrl needs authorize:query as the only permission',
  );
export const createdApiKey = z.object({ id: z.uuid(), key: z.string() });
export const apiKey = z.object({
  id: z.uuid(),
  name: keyName.optional(),
  role: role.optional(),
  permissions: z.array(permission),
  ...eachPromise(z.boolean()),
  expiresAt: timestamp.optional(),
  createdAt: timestamp,
  createdBy: z.string(),
});
export const apiKeyPage = page(apiKey);
export const apiKeyParams = z.strictObject({ id: z.uuid() });

export type NewApiKey = z.output<typeof newApiKey>;

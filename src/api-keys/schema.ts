import { z } from 'zod';
import { named } from '../api/named.js';
import { page, pageQuery, sortQuery, totalQuery } from '../api/paging.js';
import { instant, permission, role, timestamp, uuid } from '../shapes.js';

const keyName = z
  .string()
  .regex(/^[ -~\u00a0-\uffff]{1,128}$/, 'must be 1 to 128 characters, none of them a control character')
  .meta({ description: 'What the key is for, in your words', examples: ['dashboard'] });

/** The promises of a key, each described. */
const promises = <Flag extends z.ZodType>(flag: Flag) => ({
  bearer: flag.describe('Its user sees no client certificates: an access token alone counts'),
  enforcesCrl: flag.describe('Its user refuses revoked certificates itself: the name of a thing alone counts'),
  followsFeed: flag.describe('Its user drops what a feed entry names: answers to it may be cached longer'),
  inUrl: flag.describe('It may be sent as `?key=` to /integrations; needs authorize:query as the only permission'),
});
const permissions = z.array(permission);
const keyDescription = z
  .string()
  .min(1)
  .max(1000)
  .regex(/^[ -~\u00a0-\uffff]+$/, 'must have no control characters')
  .meta({ description: 'More about the key, in your words', examples: ['Reads the fleet for the dashboard'] });

export const newApiKey = named(
  'NewApiKey',
  'An API key to create: name a role or permissions, not both',
  z
    .strictObject({
      name: keyName.optional(),
      description: keyDescription.optional(),
      role: role.optional(),
      permissions: permissions.min(1).max(50).optional().describe('Single permissions instead of a role'),
      ...promises(z.boolean().default(false)),
      expiresAt: instant.optional().describe('When the key ends; it never does by default'),
    })
    .refine(
      (key) => (key.role === undefined) !== (key.permissions === undefined),
      'name a role or permissions, not both',
    )
    .refine(
      (key) => !key.inUrl || (key.permissions?.length === 1 && key.permissions[0] === 'authorize:query'),
      'inUrl needs authorize:query as the only permission',
    ),
).meta({ examples: [{ name: 'dashboard', role: 'auditor' }] });
export const createdApiKey = named(
  'CreatedApiKey',
  'A new API key',
  z.object({
    id: uuid.describe('The id of the key'),
    key: z.string().describe('The key itself, twk_...; it is shown once'),
  }),
);
export const apiKey = named(
  'ApiKey',
  'An API key, without the key itself',
  z.object({
    id: uuid.describe('The id of the key'),
    name: keyName.optional(),
    description: keyDescription.optional(),
    role: role.optional(),
    permissions: permissions.describe('What the key may do at present'),
    ...promises(z.boolean()),
    expiresAt: timestamp.optional().describe('When the key ends'),
    createdAt: timestamp.describe('When the key was created'),
    createdBy: z.string().describe('Who created the key'),
    person: uuid.optional().describe('Whose command line it is for: it ends with that person'),
  }),
);
/** A merge patch (RFC 7396): null takes a member away. */
export const apiKeyPatch = named(
  'ApiKeyPatch',
  'A merge patch (RFC 7396) of a key; null takes a member away',
  z.strictObject({
    name: keyName.nullable().optional().describe('What the key is for'),
    description: keyDescription.nullable().optional().describe('More about the key'),
    expiresAt: instant
      .nullable()
      .optional()
      .describe('When the key ends, not later than the key of whoever changes it'),
  }),
).meta({ examples: [{ name: 'wallboard', description: 'Reads the fleet for the hall' }] });
export const apiKeyPage = page(apiKey);
export const apiKeyQuery = pageQuery.extend({
  ...sortQuery(['id']),
  ...totalQuery,
  role: role.optional().describe('Keys of this role'),
});
export const apiKeyParams = z.strictObject({ id: uuid.describe('The id of the key') });

export type ApiKeyPatch = z.output<typeof apiKeyPatch>;
export type NewApiKey = z.output<typeof newApiKey>;

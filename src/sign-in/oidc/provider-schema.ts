import { z } from 'zod';
import { named } from '../../api/named.js';
import { accountName, role, timestamp, uuid } from '../../shapes.js';

const httpUrl = z
  .url({ protocol: /^https?$/ })
  .max(2048)
  .describe('The issuer, as its discovery document names it');
const word = z
  .string()
  .regex(/^[!-~]{1,256}$/, 'must be 1 to 256 printable characters without spaces')
  .meta({ examples: ['thingward'] });
const shown = z
  .string()
  .regex(/^[ -~\u00a0-\uffff]{1,64}$/, 'must be 1 to 64 characters, none of them a control character')
  .meta({ description: 'What people see', examples: ['Example Inc.'] });
const domain = z
  .string()
  .regex(/^[a-z0-9.-]{1,253}$/, 'must be a domain in lower case')
  .meta({ examples: ['example.com'] });

const clientId = word.describe('The client id at the provider');
const clientSecret = word.describe('The client secret at the provider; it is never shown');
const roleClaim = word.describe('The claim whose values give roles');
const roleMapping = z
  .record(z.string().min(1).max(256), role)
  .refine((mapping) => Object.keys(mapping).length <= 100, 'must have at most 100 values')
  .describe('Values of that claim, each with the role that it gives; of several, the first listed here counts');
const requiredAcr = z.array(word).max(20).describe('One of these must be the acr of the ID token');
const requiredAmr = z.array(word).max(20).describe('All of these must be in the amr of the ID token');
const allowedDomains = z
  .array(domain)
  .max(100)
  .describe('Where there are some, the verified e-mail address must be in one of them');
const scopes = z.array(word).max(20).describe('The scopes that are asked for');
const withoutValue = 'The role of whoever has none of these values; without it they are not let in';

export const newProvider = named(
  'NewSignInProvider',
  'An OpenID Connect provider that lets people in',
  z.strictObject({
    name: shown,
    issuer: httpUrl,
    clientId,
    clientSecret,
    roleClaim: roleClaim.default('groups'),
    roleMapping: roleMapping.default({}),
    defaultRole: role.optional().describe(withoutValue),
    requiredAcr: requiredAcr.default([]),
    requiredAmr: requiredAmr.default([]),
    allowedDomains: allowedDomains.default([]),
    scopes: scopes.default(['openid', 'profile', 'email']),
  }),
).meta({
  examples: [{ name: 'Example Inc.', issuer: 'https://id.example.com', clientId: 'thingward', clientSecret: '...' }],
});

export const providerChange = named(
  'SignInProviderChange',
  'What to change of a sign-in provider',
  z.strictObject({
    name: shown.optional(),
    issuer: httpUrl.optional(),
    clientId: clientId.optional(),
    clientSecret: clientSecret.optional(),
    roleClaim: roleClaim.optional(),
    roleMapping: roleMapping.optional(),
    defaultRole: role.nullable().optional().describe(withoutValue),
    requiredAcr: requiredAcr.optional(),
    requiredAmr: requiredAmr.optional(),
    allowedDomains: allowedDomains.optional(),
    scopes: scopes.optional(),
  }),
).meta({ examples: [{ defaultRole: 'auditor' }] });

export const provider = named(
  'SignInProvider',
  'An OpenID Connect provider that lets people in',
  z.object({
    id: uuid.describe('The id of the provider'),
    account: accountName,
    name: z.string().describe('What people see'),
    issuer: z.string().describe('The issuer'),
    clientId: z.string().describe('The client id at the provider'),
    roleClaim: z.string().describe('The claim whose values give roles'),
    roleMapping: z.record(z.string(), role).describe('Values of that claim, each with the role that it gives'),
    defaultRole: role.optional().describe(withoutValue),
    requiredAcr: z.array(z.string()).describe('One of these must be the acr of the ID token'),
    requiredAmr: z.array(z.string()).describe('All of these must be in the amr of the ID token'),
    allowedDomains: z.array(z.string()).describe('The verified e-mail address must be in one of them'),
    scopes: z.array(z.string()).describe('The scopes that are asked for'),
    redirectUri: z.string().describe('To be registered at the provider'),
    backchannelLogoutUri: z.string().describe('To be registered at the provider'),
    createdAt: timestamp.describe('When it was added'),
    createdBy: z.string().describe('Who added it'),
  }),
);
export const providers = named(
  'SignInProviders',
  'The sign-in providers of an account',
  z.object({ items: z.array(provider).describe('The providers') }),
);
export const providerParams = z.strictObject({ id: uuid.describe('The id of the provider') });
export const signInParams = z.strictObject({ provider: uuid.describe('The id of the provider') });
export const signInQuery = z.strictObject({
  stepUp: z.enum(['true', 'false']).optional().describe('Show a factor again in the session that you have'),
});
const sent = z.string().max(8192).optional();
export const callbackQuery = z
  .object({
    code: sent.describe('What the provider gives for a token'),
    state: sent.describe('What the browser was sent with'),
    iss: sent.describe('The issuer (RFC 9207)'),
    error: sent.describe('Why the provider lets nobody in'),
  })
  .catchall(z.string().max(8192));
export const logoutBody = named(
  'LogoutRequest',
  'Somebody has left (OpenID Connect Back-Channel Logout 1.0)',
  z.object({ logout_token: z.string().max(16_384).describe('The logout token, a JWT') }),
).meta({ examples: [{ logout_token: 'eyJ...' }] });

export type NewProvider = z.output<typeof newProvider>;
export type ProviderChange = z.output<typeof providerChange>;
/** What an account sets about a provider, beside who it is. */
export type ProviderSettings = Pick<
  NewProvider,
  'roleClaim' | 'roleMapping' | 'defaultRole' | 'requiredAcr' | 'requiredAmr' | 'allowedDomains' | 'scopes'
>;

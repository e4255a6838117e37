import { z } from 'zod';
import { accountName, role, timestamp } from '../../shapes.js';

const httpUrl = z.url({ protocol: /^https?$/ }).max(2048);
const word = z.string().regex(/^[!-~]{1,256}$/, 'must be 1 to 256 printable characters without spaces');
const shown = z
  .string()
  .regex(/^[ -~\u00a0-\uffff]{1,64}$/, 'must be 1 to 64 characters, none of them a control character');
const domain = z.string().regex(/^[a-z0-9.-]{1,253}$/, 'must be a domain in lower case');

const settings = {
  roleClaim: word.default('groups').describe('The claim whose values give roles'),
  roleMapping: z
    .record(z.string().min(1).max(256), role)
    .refine((mapping) => Object.keys(mapping).length <= 100, 'must have at most 100 values')
    .default({})
    .describe('Values of that claim, each with the role that it gives; of several, the first listed here counts'),
  defaultRole: role.optional().describe('The role of whoever has none of these values; without it they are not let in'),
  requiredAcr: z.array(word).max(20).default([]).describe('One of these must be the acr of the ID token'),
  requiredAmr: z.array(word).max(20).default([]).describe('All of these must be in the amr of the ID token'),
  allowedDomains: z
    .array(domain)
    .max(100)
    .default([])
    .describe('Where there are some, the verified e-mail address must be in one of them'),
  scopes: z.array(word).max(20).default(['openid', 'profile', 'email']),
};

export const newProvider = z.strictObject({
  name: shown,
  issuer: httpUrl,
  clientId: word,
  clientSecret: word,
  ...settings,
});

export const providerChange = z.strictObject({
  name: shown.optional(),
  issuer: httpUrl.optional(),
  clientId: word.optional(),
  clientSecret: word.optional(),
  roleClaim: word.optional(),
  roleMapping: settings.roleMapping.unwrap().optional(),
  defaultRole: role.nullable().optional(),
  requiredAcr: settings.requiredAcr.unwrap().optional(),
  requiredAmr: settings.requiredAmr.unwrap().optional(),
  allowedDomains: settings.allowedDomains.unwrap().optional(),
  scopes: settings.scopes.unwrap().optional(),
});

export const provider = z.object({
  id: z.uuid(),
  account: accountName,
  name: z.string(),
  issuer: z.string(),
  clientId: z.string(),
  roleClaim: z.string(),
  roleMapping: z.record(z.string(), role),
  defaultRole: role.optional(),
  requiredAcr: z.array(z.string()),
  requiredAmr: z.array(z.string()),
  allowedDomains: z.array(z.string()),
  scopes: z.array(z.string()),
  redirectUri: z.string().describe('To be registered at the provider'),
  backchannelLogoutUri: z.string().describe('To be registered at the provider'),
  createdAt: timestamp,
  createdBy: z.string(),
});
export const providers = z.object({ items: z.array(provider) });
export const providerParams = z.strictObject({ id: z.uuid() });
export const signInParams = z.strictObject({ provider: z.uuid() });
export const signInQuery = z.strictObject({
  stepUp: z.enum(['true', 'false']).optional().describe('Show a factor again in the session that you have'),
});
export const callbackQuery = z.record(z.string(), z.string().max(8192));
export const logoutBody = z.object({ logout_token: z.string().max(16_384) });

export type NewProvider = z.output<typeof newProvider>;
export type ProviderChange = z.output<typeof providerChange>;
/** What an account sets about a provider, beside who it is. */
export type ProviderSettings = Pick<
  NewProvider,
  'roleClaim' | 'roleMapping' | 'defaultRole' | 'requiredAcr' | 'requiredAmr' | 'allowedDomains' | 'scopes'
>;

import { z } from 'zod';
import { named } from '../api/named.js';
import { page, pageQuery, sortQuery, totalQuery } from '../api/paging.js';
import { accountName, maxCertificateSeconds, renewGraceSeconds, timestamp } from '../shapes.js';

const timeZone = z
  .string()
  .max(64)
  .refine(isTimeZone, 'must be an IANA time zone')
  .describe('The IANA time zone in which people of the account read times');
const clientIdForm = z.enum(['thing', 'account:thing']);
const asClientId = 'What devices call themselves in MQTT: their name, or account:name';

export const newAccount = named(
  'NewAccount',
  'An account to create',
  z.strictObject({
    name: accountName,
    timeZone: timeZone.optional(),
    clientIdForm: clientIdForm.optional().describe(asClientId),
    renewGraceSeconds: renewGraceSeconds.optional(),
    maxCertificateSeconds: maxCertificateSeconds.optional(),
  }),
).meta({ examples: [{ name: 'acme', timeZone: 'Europe/Oslo' }] });
/** What may change of an account. */
export const accountPatch = named(
  'AccountPatch',
  'What to change of an account',
  z
    .strictObject({
      renewGraceSeconds: renewGraceSeconds.optional(),
      maxCertificateSeconds: maxCertificateSeconds.optional(),
    })
    .refine((patch) => Object.keys(patch).length > 0, 'name what to change'),
).meta({ examples: [{ renewGraceSeconds: 2_592_000 }] });
export const createdAccount = named(
  'CreatedAccount',
  'A new account with its owner key',
  z.object({ name: accountName, ownerKey: z.string().describe('An API key with the role owner; it is shown once') }),
);
export const account = named(
  'Account',
  'A tenant, which has its own certificate authorities',
  z.object({
    name: accountName,
    status: z.enum(['active', 'suspended']).describe('Nobody gets anything from a suspended account'),
    timeZone: z.string().describe('The IANA time zone in which people of the account read times'),
    clientIdForm: z.string().describe(asClientId),
    renewGraceSeconds,
    maxCertificateSeconds,
    createdAt: timestamp.describe('When the account was created'),
  }),
);
export const accountPage = page(account);
export const accountQuery = pageQuery.extend({
  ...sortQuery(['name']),
  ...totalQuery,
  status: z.enum(['active', 'suspended']).optional().describe('Accounts of this status'),
});
export const accountParams = z.strictObject({ name: accountName });

export type AccountPatch = z.output<typeof accountPatch>;
export type NewAccount = z.output<typeof newAccount>;

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone.length > 0;
  } catch {
    return false;
  }
}

import { z } from 'zod';
import { accountName, page, renewGraceSeconds, timestamp } from '../shapes.js';

const timeZone = z.string().max(64).refine(isTimeZone, 'must be an IANA time zone');

export const newAccount = z.strictObject({
  name: accountName,
  timeZone: timeZone.optional(),
  clientIdForm: z.enum(['thing', 'account:thing']).optional(),
  renewGraceSeconds: renewGraceSeconds.optional(),
});
/** What may change of an account. */
export const accountPatch = z.strictObject({ renewGraceSeconds });
export const createdAccount = z.object({ name: accountName, ownerKey: z.string() });
export const account = z.object({
  name: accountName,
  status: z.enum(['active', 'suspended']),
  timeZone: z.string(),
  clientIdForm: z.string(),
  renewGraceSeconds,
  createdAt: timestamp,
});
export const accountPage = page(account);
export const accountParams = z.strictObject({ name: accountName });

export type NewAccount = z.output<typeof newAccount>;

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone.length > 0;
  } catch {
    return false;
  }
}

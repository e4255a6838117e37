import { z } from 'zod';
import { accountName, person, personName, timestamp } from '../shapes.js';

const password = z.string().min(12, 'must have at least 12 characters').max(256);
const typedPassword = z.string().min(1).max(256);
const totpCode = z.string().regex(/^\d{6}$/, 'must be the six digits that the app shows');
const recoveryCode = z.string().min(1).max(64);
const passkeyName = z
  .string()
  .regex(/^[ -~\u00a0-\uffff]{1,64}$/, 'must be 1 to 64 characters, none of them a control character');
const response = z
  .record(z.string(), z.unknown())
  .describe('What navigator.credentials returned, as JSON (PublicKeyCredential.toJSON)');
const options = z.record(z.string(), z.unknown()).describe('For navigator.credentials, as JSON');

export const waysQuery = z.strictObject({ account: accountName.default('default') });
const passkeyWay = z.object({
  available: z.boolean(),
  why: z.string().optional().describe('Why passkeys cannot be used here, and what to do'),
});
const provider = z.object({ id: z.uuid(), name: z.string() });
export const ways = z.object({
  account: accountName,
  passkeys: passkeyWay,
  passwords: z.boolean(),
  providers: z.array(provider),
});

export const passwordLogin = z.strictObject({ account: accountName, name: personName, password: typedPassword });
export const next = z.object({ next: z.array(z.enum(['totp', 'recovery'])) });
export const totpLogin = z.strictObject({ code: totpCode });
export const recoveryLogin = z.strictObject({ code: recoveryCode });

export const passkeyLoginOptions = z
  .strictObject({ account: accountName.optional(), name: personName.optional() })
  .nullish();
export const passkeyOptions = options;
export const passkeyLogin = z.strictObject({
  account: accountName.optional(),
  name: personName.optional(),
  response,
});

export const linkToOpen = z.strictObject({
  token: z.string().regex(/^twl_[A-Za-z0-9_-]{43}$/, 'must be what stands after # in the link'),
  name: personName.optional().describe('The first person of an account chooses a name'),
});
const totp = z.object({ secret: z.string(), uri: z.string() });
const passkeySetup = passkeyWay.extend({ options: options.optional() });
export const openedLink = z.object({
  account: accountName,
  name: z.string().optional().describe('Absent where it is for its person to choose'),
  role: z.string().optional(),
  passkey: passkeySetup,
  password: z.object({ available: z.boolean(), totp }),
  providers: z.array(provider),
});
export const linkByPasskey = z.strictObject({
  name: personName.optional(),
  label: passkeyName.default('passkey'),
  response,
});
export const linkByPassword = z.strictObject({ name: personName.optional(), password, code: totpCode });

const sessionMembers = {
  id: z.uuid(),
  methods: z.array(z.string()),
  createdAt: timestamp,
  lastSeenAt: timestamp,
  expiresAt: timestamp.describe('When it ends, however busy it is'),
  idleExpiresAt: timestamp.describe('When it ends unless you do something'),
  sourceIp: z.string().optional(),
  userAgent: z.string().optional(),
};
export const mySession = z.object({ ...sessionMembers, current: z.boolean() });
export const mySessions = z.object({ items: z.array(mySession) });
export const me = person.extend({
  session: z.object({ ...sessionMembers, steppedUpUntil: timestamp }),
  passkeys: z.array(
    z.object({ id: z.uuid(), name: z.string(), createdAt: timestamp, lastUsedAt: timestamp.optional() }),
  ),
  recoveryCodesLeft: z.int(),
});
export const recoveryCodes = z.object({
  recoveryCodes: z.array(z.string()).describe('Each stands in once for the app: keep them apart from it'),
});
export const signedIn = me.extend({ recoveryCodes: z.array(z.string()).optional() });

export const sessionParams = z.strictObject({ id: z.union([z.uuid(), z.literal('current')]) });
export const passkeyParams = z.strictObject({ id: z.uuid() });
export const stepUp = z.union([z.strictObject({ code: totpCode }), z.strictObject({ response })]);
export const steppedUp = z.object({ steppedUpUntil: timestamp });
export const setup = z.object({ passkey: passkeySetup, totp });
export const newPasskey = z.strictObject({ name: passkeyName.default('passkey'), response });
export const newPassword = z.strictObject({ password, code: totpCode });

export const settings = z.object({ passwords: z.boolean().describe('Whether passwords are taken at all') });
export const settingsChange = z.strictObject({ passwords: z.boolean() });

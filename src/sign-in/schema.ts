import { z } from 'zod';
import { named } from '../api/named.js';
import { accountName, openObject, person, personName, timestamp, uuid } from '../shapes.js';

const password = z
  .string()
  .min(12, 'must have at least 12 characters')
  .max(256)
  .describe('At least 12 characters; a sentence is best');
const typedPassword = z.string().min(1).max(256).describe('The password');
const totpCode = z
  .string()
  .regex(/^\d{6}$/, 'must be the six digits that the app shows')
  .meta({ description: 'The six digits that the app shows', examples: ['123456'] });
const recoveryCode = z.string().min(1).max(64).describe('A recovery code, which counts once');
const passkeyName = z
  .string()
  .regex(/^[ -~\u00a0-\uffff]{1,64}$/, 'must be 1 to 64 characters, none of them a control character')
  .meta({ description: 'What the passkey is called', examples: ['laptop'] });
const response = openObject.describe('What navigator.credentials returned, as JSON (PublicKeyCredential.toJSON)');
const options = openObject.describe('For navigator.credentials, as JSON');

export const waysQuery = z.strictObject({ account: accountName.default('default') });
const ofPasskeyWay = {
  available: z.boolean().describe('Whether passkeys can be used at this address'),
  why: z.string().optional().describe('Why passkeys cannot be used here, and what to do'),
};
const provider = named(
  'SignInWay',
  'A sign-in provider to choose',
  z.object({ id: uuid.describe('The id of the provider'), name: z.string().describe('What the button says') }),
);
const providers = z.array(provider).describe('The sign-in providers of the account');
export const ways = named(
  'WaysIn',
  'Which ways in an account has',
  z.object({
    account: accountName,
    passkeys: named('PasskeyWay', 'Whether passkeys can be used', z.object(ofPasskeyWay)),
    passwords: z.boolean().describe('Whether passwords are taken at all'),
    providers,
  }),
);

export const passwordLogin = named(
  'PasswordSignIn',
  'The first half of signing in with a password',
  z.strictObject({ account: accountName, name: personName, password: typedPassword }),
).meta({ examples: [{ account: 'default', name: 'Ada', password: 'correct horse battery staple' }] });
export const next = named(
  'SecondHalf',
  'What may be shown next',
  z.object({ next: z.array(z.enum(['totp', 'recovery'])).describe('Show one of these') }),
);
export const totpLogin = named('TotpSignIn', 'A code of the app', z.strictObject({ code: totpCode })).meta({
  examples: [{ code: '123456' }],
});
export const recoveryLogin = named('RecoverySignIn', 'A recovery code', z.strictObject({ code: recoveryCode })).meta({
  examples: [{ code: 'abcde-fghij-klmno-pqrst' }],
});

export const passkeyLoginOptions = named(
  'PasskeyOptionsRequest',
  'Whose passkey is asked for; it changes nothing about the answer',
  z.strictObject({ account: accountName.optional(), name: personName.optional() }),
)
  .nullish()
  .meta({ examples: [{ account: 'default' }] });
export const passkeyOptions = named('PasskeyOptions', 'For navigator.credentials.get, as JSON', openObject);
export const passkeyLogin = named(
  'PasskeySignIn',
  'What the passkey said',
  z.strictObject({ account: accountName.optional(), name: personName.optional(), response }),
).meta({ examples: [{ response: { id: 'AQID', type: 'public-key' } }] });

export const linkToOpen = named(
  'LinkToOpen',
  'A link for a person',
  z.strictObject({
    token: z
      .string()
      .regex(/^twl_[A-Za-z0-9_-]{43}$/, 'must be what stands after # in the link')
      .meta({
        description: 'What stands after # in the link',
        examples: ['twl_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'],
      }),
    name: personName.optional().describe('The first person of an account chooses a name'),
  }),
).meta({ examples: [{ token: 'twl_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' }] });
const totp = named(
  'TotpSetup',
  'What an authenticator app needs',
  z.object({
    secret: z.string().describe('The secret, in base32'),
    uri: z.string().describe('The same as an otpauth: URI, for a QR code'),
  }),
);
const passkeySetup = named(
  'PasskeySetup',
  'What a new passkey needs',
  z.object({ ...ofPasskeyWay, options: options.optional() }),
);
export const openedLink = named(
  'OpenedLink',
  'Whom a link is for, and what a way in needs',
  z.object({
    account: accountName,
    name: z.string().optional().describe('Absent where it is for its person to choose'),
    role: z.string().optional().describe('The role of the person'),
    passkey: passkeySetup,
    password: named(
      'PasswordSetup',
      'What a new password needs',
      z.object({ available: z.boolean().describe('Whether passwords are taken at all'), totp }),
    ),
    providers,
  }),
);
export const linkByPasskey = named(
  'LinkByPasskey',
  'A link is accepted with a new passkey',
  z.strictObject({ name: personName.optional(), label: passkeyName.default('passkey'), response }),
).meta({ examples: [{ label: 'laptop', response: { id: 'AQID', type: 'public-key' } }] });
export const linkByPassword = named(
  'LinkByPassword',
  'A link is accepted with a password and an authenticator app',
  z.strictObject({ name: personName.optional(), password, code: totpCode }),
).meta({ examples: [{ password: 'correct horse battery staple', code: '123456' }] });

const ofSession = {
  id: uuid.describe('The id of the session'),
  methods: z.array(z.string()).describe('What was shown to sign in'),
  createdAt: timestamp.describe('When it began'),
  lastSeenAt: timestamp.describe('When it was last used'),
  expiresAt: timestamp.describe('When it ends, however busy it is'),
  idleExpiresAt: timestamp.describe('When it ends unless you do something'),
  sourceIp: z.string().optional().describe('The address from which it began'),
  userAgent: z.string().optional().describe('The browser in which it began'),
};
export const mySession = named(
  'MySession',
  'Where you are signed in',
  z.object({ ...ofSession, current: z.boolean().describe('Whether it is this one') }),
);
export const mySessions = named(
  'MySessions',
  'Where you are signed in',
  z.object({ items: z.array(mySession).describe('Your sessions') }),
);
const ofMe = {
  ...person.shape,
  session: named(
    'CurrentSession',
    'The session of this request',
    z.object({ ...ofSession, steppedUpUntil: timestamp.describe('Until then no factor has to be shown again') }),
  ),
  passkeys: z
    .array(
      named(
        'Passkey',
        'A passkey of yours',
        z.object({
          id: uuid.describe('The id of the passkey'),
          name: z.string().describe('What it is called'),
          createdAt: timestamp.describe('When it was added'),
          lastUsedAt: timestamp.optional().describe('When it was last used'),
        }),
      ),
    )
    .describe('Your passkeys'),
  recoveryCodesLeft: z.int().describe('How many recovery codes are left'),
};
const codes = z.array(z.string()).describe('Each stands in once for the app: keep them apart from it');
export const me = named('Me', 'Who is signed in', z.object(ofMe));
export const recoveryCodes = named('RecoveryCodes', 'New recovery codes', z.object({ recoveryCodes: codes }));
export const signedIn = named('SignedIn', 'Who has signed in', z.object({ ...ofMe, recoveryCodes: codes.optional() }));

export const sessionParams = z.strictObject({
  id: z.union([uuid, z.literal('current')]).describe('The id of the session, or `current`'),
});
export const passkeyParams = z.strictObject({ id: uuid.describe('The id of the passkey') });
export const stepUp = named(
  'StepUp',
  'A factor that is shown again',
  z.union([
    named('StepUpByCode', 'A code of the app', z.strictObject({ code: totpCode })),
    named('StepUpByPasskey', 'A passkey', z.strictObject({ response })),
  ]),
).meta({ examples: [{ code: '123456' }] });
export const steppedUp = named(
  'SteppedUp',
  'Until when no factor has to be shown again',
  z.object({ steppedUpUntil: timestamp.describe('Until then no factor has to be shown again') }),
);
export const setup = named('Setup', 'What a new passkey or password needs', z.object({ passkey: passkeySetup, totp }));
export const newPasskey = named(
  'NewPasskey',
  'A passkey to add',
  z.strictObject({ name: passkeyName.default('passkey'), response }),
).meta({ examples: [{ name: 'laptop', response: { id: 'AQID', type: 'public-key' } }] });
export const newPassword = named(
  'NewPassword',
  'A password and a code of a new authenticator app',
  z.strictObject({ password, code: totpCode }),
).meta({ examples: [{ password: 'correct horse battery staple', code: '123456' }] });

export const settings = named(
  'SignInSettings',
  'What an account sets about signing in',
  z.object({ passwords: z.boolean().describe('Whether passwords are taken at all') }),
);
export const settingsChange = named(
  'SignInSettingsChange',
  'What to change about signing in',
  z.strictObject({ passwords: z.boolean().describe('Whether passwords are taken at all') }),
).meta({ examples: [{ passwords: false }] });

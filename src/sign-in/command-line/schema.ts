import { z } from 'zod';
import { named } from '../../api/named.js';
import { accountName, personName, timestamp, uuid } from '../../shapes.js';

export const codeRequest = named(
  'CommandLineRequest',
  'What the command line asks with',
  z.strictObject({
    codeChallenge: z
      .string()
      .regex(/^[A-Za-z0-9_-]{43}$/, 'must be a challenge of the method S256 (RFC 7636)')
      .meta({
        description: 'A challenge of the method S256 (RFC 7636)',
        examples: ['E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'],
      }),
  }),
).meta({ examples: [{ codeChallenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM' }] });
export const code = named(
  'CommandLineCode',
  'For the command line on this machine, once',
  z.object({
    code: z.string().describe('The code; POST /v1/sign-in/command-line takes it'),
    expiresAt: timestamp.describe('When the code ends'),
  }),
);
export const exchange = named(
  'CommandLineExchange',
  'A code, and what its challenge was made of',
  z.strictObject({
    code: z.string().min(1).max(4096).describe('The code that the browser brought'),
    codeVerifier: z
      .string()
      .regex(/^[A-Za-z0-9._~-]{43,128}$/, 'must be a verifier (RFC 7636)')
      .meta({
        description: 'What the challenge was made of',
        examples: ['dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'],
      }),
  }),
).meta({ examples: [{ code: 'a-code', codeVerifier: 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk' }] });
export const key = named(
  'CommandLineKey',
  'An API key of a person, for their command line',
  z.object({
    key: z.string().describe('The key itself, twk_...; it is shown once'),
    expiresAt: timestamp.describe('When the key ends'),
    account: accountName,
    person: named(
      'CommandLinePerson',
      'Whose key it is',
      z.object({ id: uuid.describe('The id of the person'), name: personName }),
    ),
  }),
);

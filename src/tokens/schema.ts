import { z } from 'zod';

const assertionType = z.literal('urn:ietf:params:oauth:client-assertion-type:jwt-bearer');

/** RFC 6749 §4.4 and §6 with RFC 7523 §2.2. Other members are ignored, as OAuth asks. */
export const tokenRequest = z.object({
  grant_type: z.string().max(100),
  refresh_token: z.string().max(1024).optional(),
  client_assertion_type: assertionType.optional(),
  client_assertion: z.string().max(8192).optional(),
});

export const tokenAnswer = z.object({
  access_token: z.string(),
  token_type: z.literal('Bearer'),
  expires_in: z.int(),
  refresh_token: z.string().optional(),
});

export const jwks = z.object({
  keys: z.array(
    z.object({
      kty: z.string(),
      kid: z.string(),
      alg: z.string(),
      use: z.string(),
      crv: z.string().optional(),
      x: z.string().optional(),
      y: z.string().optional(),
      n: z.string().optional(),
      e: z.string().optional(),
    }),
  ),
});

export type TokenRequest = z.output<typeof tokenRequest>;

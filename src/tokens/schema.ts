import { z } from 'zod';

const assertionType = z.literal('urn:ietf:params:oauth:client-assertion-type:jwt-bearer');

/** RFC 6749 §4.4 and §6 with RFC 7523 §2.2. Other members are ignored, as OAuth asks. */
export const tokenRequest = z.object({
  grant_type: z.string().max(100),
  refresh_token: z.string().max(1024).optional(),
  client_id: z.string().max(256).optional(),
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

/** RFC 7009 §2.1, RFC 7662 §2.1: parameters that are not known are ignored. */
export const tokenParameter = z.looseObject({ token: z.string().min(1).max(16_384) });
/** A client that sends its secret in the body (RFC 6749 §2.3.1) sends an API key. */
export const introspectionRequest = tokenParameter.extend({ client_secret: z.string().max(1024).optional() });
export const revokedToken = z.strictObject({});

export const introspection = z.union([
  z.strictObject({ active: z.literal(false) }),
  z.object({
    active: z.literal(true),
    iss: z.string(),
    sub: z.string(),
    aud: z.string(),
    iat: z.number(),
    exp: z.number(),
    jti: z.string(),
    token_type: z.literal('Bearer'),
    client_id: z.string(),
    account: z.string(),
    policies: z.array(z.string()),
    cnf: z.object({ 'x5t#S256': z.string() }),
  }),
]);

/** RFC 8414 §2. */
export const metadata = z.object({
  issuer: z.string(),
  token_endpoint: z.url(),
  jwks_uri: z.url(),
  introspection_endpoint: z.url(),
  revocation_endpoint: z.url(),
  grant_types_supported: z.array(z.string()),
  response_types_supported: z.array(z.string()),
  token_endpoint_auth_methods_supported: z.array(z.string()),
  token_endpoint_auth_signing_alg_values_supported: z.array(z.string()),
  introspection_endpoint_auth_methods_supported: z.array(z.string()),
  revocation_endpoint_auth_methods_supported: z.array(z.string()),
  tls_client_certificate_bound_access_tokens: z.boolean(),
  subject_types_supported: z.array(z.string()),
  id_token_signing_alg_values_supported: z.array(z.string()),
});

export type TokenRequest = z.output<typeof tokenRequest>;

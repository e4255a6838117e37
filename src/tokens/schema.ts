import { z } from 'zod';
import { named } from '../api/named.js';

const assertionType = z.literal('urn:ietf:params:oauth:client-assertion-type:jwt-bearer');

/** RFC 6749 §4.4 and §6 with RFC 7523 §2.2. Other members are ignored, as OAuth asks. */
export const tokenRequest = named(
  'TokenRequest',
  'What a device asks for: refresh_token, or client_credentials with private_key_jwt',
  z.object({
    grant_type: z.string().max(100).describe('`refresh_token` or `client_credentials`'),
    refresh_token: z.string().max(1024).optional().describe('Of the grant refresh_token: the token, twr_...'),
    client_id: z.string().max(256).optional().describe('If it is sent, it equals `sub` of the assertion'),
    client_assertion_type: assertionType.optional().describe('Goes with client_assertion'),
    client_assertion: z.string().max(8192).optional().describe('A JWT signed by the device key (RFC 7523)'),
  }),
).meta({ examples: [{ grant_type: 'refresh_token', refresh_token: 'twr_...' }] });

export const tokenAnswer = named(
  'TokenAnswer',
  'An access token (RFC 6749)',
  z.object({
    access_token: z.string().describe('The access token, a JWT'),
    token_type: z.literal('Bearer').describe('How the token is sent'),
    expires_in: z.int().describe('Seconds until the token expires'),
    refresh_token: z.string().optional().describe('The next refresh token; the one that was sent is used up'),
  }),
);

export const jwks = named(
  'KeySet',
  'The keys that verify access tokens (RFC 7517)',
  z.object({
    keys: z
      .array(
        named(
          'Key',
          'A public key (RFC 7517)',
          z.object({
            kty: z.string().describe('The kind of key'),
            kid: z.string().describe('The id of the key, as in the header of a token'),
            alg: z.string().describe('The algorithm of its signatures'),
            use: z.string().describe('`sig`'),
            crv: z.string().optional().describe('The curve'),
            x: z.string().optional().describe('The x coordinate, or the public key of Ed25519'),
            y: z.string().optional().describe('The y coordinate'),
            n: z.string().optional().describe('The modulus of an RSA key'),
            e: z.string().optional().describe('The exponent of an RSA key'),
          }),
        ),
      )
      .describe('The keys'),
  }),
);

/** RFC 7009 §2.1, RFC 7662 §2.1: parameters that are not known are ignored. */
const parameters = z.looseObject({ token: z.string().min(1).max(16_384).describe('The token') });
export const tokenParameter = named('TokenRevocation', 'A refresh token to end (RFC 7009)', parameters).meta({
  examples: [{ token: 'twr_...' }],
});
/** A client that sends its secret in the body (RFC 6749 §2.3.1) sends an API key. */
export const introspectionRequest = named(
  'IntrospectionRequest',
  'An access token to look at (RFC 7662)',
  parameters.extend({
    client_secret: z.string().max(1024).optional().describe('The API key, if it is in no header'),
  }),
).meta({ examples: [{ token: 'eyJ...' }] });
export const revokedToken = named('RevokedToken', 'Nothing: the token is ended', z.strictObject({}));

export const introspection = named(
  'Introspection',
  'What a token says, if it is valid now (RFC 7662)',
  z.union([
    named(
      'InactiveToken',
      'The token is not valid now',
      z.strictObject({ active: z.literal(false).describe('The token is not valid now') }),
    ),
    named(
      'ActiveToken',
      'The token is valid now',
      z.object({
        active: z.literal(true).describe('The token is valid now'),
        iss: z.string().describe('Who issued the token'),
        sub: z.string().describe('The name of the thing'),
        aud: z.string().describe('For whom the token was issued'),
        iat: z.number().describe('When the token was issued, in seconds since 1970'),
        exp: z.number().describe('When to ask again, in seconds since 1970: not later than the token expires'),
        jti: z.string().describe('The id of the token'),
        token_type: z.literal('Bearer').describe('How the token is sent'),
        client_id: z.string().describe('The name of the thing'),
        account: z.string().describe('The account of the thing'),
        policies: z.array(z.string()).describe('The names of its policies'),
        cnf: named(
          'TokenBinding',
          'The certificate that a token is bound to (RFC 8705)',
          z.object({ 'x5t#S256': z.string().describe('SHA-256 of the certificate, in base64url') }),
        ),
      }),
    ),
  ]),
);

const names = z.array(z.string());

/** RFC 8414 §2. */
export const metadata = named(
  'AuthorizationServer',
  'What OAuth clients need to know (RFC 8414)',
  z.object({
    issuer: z.string().describe('The issuer, `iss` of access tokens'),
    token_endpoint: z.url().describe('Where tokens are issued'),
    jwks_uri: z.url().describe('Where the keys are'),
    introspection_endpoint: z.url().describe('Where tokens are looked at'),
    revocation_endpoint: z.url().describe('Where refresh tokens are ended'),
    grant_types_supported: names.describe('The grants'),
    response_types_supported: names.describe('None: there is no authorization endpoint'),
    token_endpoint_auth_methods_supported: names.describe('How devices authenticate'),
    token_endpoint_auth_signing_alg_values_supported: names.describe('The algorithms of assertions'),
    introspection_endpoint_auth_methods_supported: names.describe('How API keys are sent for introspection'),
    revocation_endpoint_auth_methods_supported: names.describe('None: who has the token may end it'),
    tls_client_certificate_bound_access_tokens: z.boolean().describe('Tokens are bound to certificates (RFC 8705)'),
    subject_types_supported: names.describe('As OpenID Connect Discovery asks'),
    id_token_signing_alg_values_supported: names.describe('As OpenID Connect Discovery asks'),
  }),
);

export type TokenRequest = z.output<typeof tokenRequest>;

import type { KeyAlgorithm } from '../settings/settings.js';

/**
 * What OAuth clients and readers of tokens look up (RFC 8414 §2). Readers that were made for OpenID Connect find the
 * members that they insist on, though nobody logs in here.
 */
export function createMetadata(issuer: string, algorithm: KeyAlgorithm) {
  return {
    issuer,
    token_endpoint: `${issuer}/v1/token`,
    jwks_uri: `${issuer}/.well-known/jwks.json`,
    introspection_endpoint: `${issuer}/v1/introspect`,
    revocation_endpoint: `${issuer}/v1/token/revoke`,
    grant_types_supported: ['client_credentials', 'refresh_token'],
    response_types_supported: ['none'],
    token_endpoint_auth_methods_supported: ['private_key_jwt', 'none'],
    token_endpoint_auth_signing_alg_values_supported: ['ES256', 'ES384', 'EdDSA', 'Ed25519', 'RS256', 'PS256'],
    introspection_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
    revocation_endpoint_auth_methods_supported: ['none', 'private_key_jwt'],
    tls_client_certificate_bound_access_tokens: true,
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: [algorithm],
  };
}

export type Metadata = ReturnType<typeof createMetadata>;

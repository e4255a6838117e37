/** Everything that can go wrong on purpose. A closed list, without HTTP in it. */
export type ErrorCode =
  | 'account-exists'
  | 'account-suspended'
  | 'approval-denied'
  | 'bad-chain'
  | 'bad-crl'
  | 'bad-csr'
  | 'bad-key'
  | 'ca-unproved'
  | 'certificate-revoked'
  | 'check-away'
  | 'check-refused'
  | 'conflict'
  | 'cross-site'
  | 'count-changed'
  | 'cursor-pruned'
  | 'forbidden'
  | 'invalid-client'
  | 'invalid-credential'
  | 'invalid-grant'
  | 'invalid-policy'
  | 'invalid-pipeline'
  | 'invalid-request'
  | 'group-exists'
  | 'group-in-use'
  | 'key-in-use'
  | 'list-expired'
  | 'list-refused'
  | 'manufacturer-list-stale'
  | 'manufacturer-refused'
  | 'method-not-allowed'
  | 'missing-credential'
  | 'not-found'
  | 'not-ready'
  | 'not-settled'
  | 'passkeys-off'
  | 'person-exists'
  | 'provider-away'
  | 'outside-enrollment'
  | 'payload-too-large'
  | 'epoch-changed'
  | 'policy-exists'
  | 'pipeline-exists'
  | 'segment-exists'
  | 'segment-full'
  | 'site-capacity'
  | 'sign-in-refused'
  | 'step-up-required'
  | 'thing-exists'
  | 'thing-not-active'
  | 'too-many-requests'
  | 'upgrade-required'
  | 'unknown-group'
  | 'unknown-policy'
  | 'unknown-segment'
  | 'unsupported-grant-type'
  | 'unsupported-media-type'
  | 'unsupported-token-type'
  | 'upstream-away'
  | 'idempotency-answer-lost'
  | 'idempotency-in-progress'
  | 'idempotency-mismatch'
  | 'policy-in-use'
  | 'precondition-failed'
  | 'internal';

/** Members that a problem document may carry besides the standard ones. */
export type ErrorExtras = {
  retryAfter?: number;
  serverTime?: string;
  error?: string;
  errors?: object[];
  count?: number;
  reason?: string;
  /** What the key of an authority has to sign. */
  verificationCode?: string;
  /** Machines that have no room. */
  sites?: object[];
  /** What uses an object. */
  users?: string[];
  links?: Record<string, string>;
  /** How ACME says it (RFC 8555 §6.7). */
  acme?: AcmeError;
};

/** An error in the words of ACME; `type` comes after `urn:ietf:params:acme:error:`. */
export type AcmeError = {
  type: string;
  status: number;
  subproblems?: object[];
  /** Signature algorithms that would do. */
  algorithms?: readonly string[];
  /** A URL for the header `Location`. */
  location?: string;
};

/** The one error that features throw. `message` is shown to the caller and says what to do next; a `cause` is for the log alone. */
export class DomainError extends Error {
  override readonly name = 'DomainError';

  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly extras: ErrorExtras = {},
    options: ErrorOptions = {},
  ) {
    super(message, options);
  }
}

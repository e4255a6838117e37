/** Everything that can go wrong on purpose. A closed list, without HTTP in it. */
export type ErrorCode =
  | 'account-exists'
  | 'account-suspended'
  | 'approval-denied'
  | 'bad-chain'
  | 'bad-csr'
  | 'bad-key'
  | 'certificate-revoked'
  | 'conflict'
  | 'cross-site'
  | 'count-changed'
  | 'cursor-pruned'
  | 'forbidden'
  | 'invalid-client'
  | 'invalid-credential'
  | 'invalid-grant'
  | 'invalid-policy'
  | 'invalid-request'
  | 'key-in-use'
  | 'list-expired'
  | 'list-refused'
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
  | 'segment-exists'
  | 'segment-full'
  | 'sign-in-refused'
  | 'step-up-required'
  | 'thing-exists'
  | 'thing-not-active'
  | 'too-many-requests'
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
  /** What uses an object. */
  users?: string[];
  links?: Record<string, string>;
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

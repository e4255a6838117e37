/**
 * What went wrong with a call, in the way that the saga acts on it. `transient` and `throttled` pass by themselves.
 * `not-found` may be a read that was too early. `exists` has to be compared. `conflict` waits until something else is
 * gone. `limit` needs room made. `account` is wrong for every
 * call until somebody mends the credentials, the permission or the region; `permanent` is wrong for this one permanently.
 */
type AwsFailureKind =
  'transient' | 'throttled' | 'not-found' | 'exists' | 'conflict' | 'limit' | 'account' | 'permanent';

/** A call that AWS did not do, or did without an answer. The message says what to do about it. */
export class AwsFailure extends Error {
  override readonly name = 'AwsFailure';

  constructor(
    readonly kind: AwsFailureKind,
    readonly call: string,
    message: string,
    /** What `exists` names. */
    readonly resourceId?: string,
  ) {
    super(message);
  }
}

type SdkError = {
  name?: string;
  code?: string;
  message?: string;
  resourceId?: string;
  $metadata?: { httpStatusCode?: number };
};

// By name, never by status alone: throttling is a 400 in this API.
const kinds: Record<string, AwsFailureKind> = {
  ThrottlingException: 'throttled',
  Throttling: 'throttled',
  TooManyRequestsException: 'throttled',
  ServiceUnavailableException: 'transient',
  ServiceUnavailable: 'transient',
  InternalFailureException: 'transient',
  InternalException: 'transient',
  InternalServerException: 'transient',
  RequestTimeout: 'transient',
  TimeoutError: 'transient',
  AbortError: 'transient',
  ResourceNotFoundException: 'not-found',
  ResourceAlreadyExistsException: 'exists',
  DeleteConflictException: 'conflict',
  VersionConflictException: 'conflict',
  ConflictException: 'conflict',
  ConflictingResourceUpdateException: 'conflict',
  VersionsLimitExceededException: 'limit',
};

const missingPermission = new Set(['AccessDeniedException', 'AccessDenied', 'UnauthorizedException', 'NotAuthorized']);

const badCredentials = new Set([
  'CredentialsProviderError',
  'ExpiredToken',
  'ExpiredTokenException',
  'IncompleteSignature',
  'InvalidClientTokenId',
  'InvalidSignatureException',
  'MissingAuthenticationToken',
  'MissingAuthenticationTokenException',
  'SignatureDoesNotMatch',
  'TokenRefreshRequired',
  'UnrecognizedClientException',
]);

const connection = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
]);

/** What an error of the SDK means. `service` is `iot` or `sts`. */
export function toAwsFailure(service: string, call: string, region: string, error: unknown): AwsFailure {
  const { name = '', code = '', message = '', resourceId, $metadata } = error as SdkError;
  const said = [name, message]
    .filter(Boolean)
    .join(': ')
    .replace(/\p{Cc}/gu, ' ')
    .slice(0, 500);
  const permission = `${service}:${call}`;
  if (missingPermission.has(name))
    return new AwsFailure(
      'account',
      call,
      `${call} was refused: the credentials lack the permission ${permission}; allow it in IAM, then POST /v1/aws/retry (${said})`,
    );
  if (badCredentials.has(name))
    return new AwsFailure(
      'account',
      call,
      `${call} was refused because of the credentials: check the role, its ExternalId and the region ${region}, then POST /v1/aws/retry (${said})`,
    );
  if (code === 'ENOTFOUND')
    return new AwsFailure(
      'account',
      call,
      `${call} found no host for the region ${region}: check the region and the endpoint with PUT /v1/aws (${said})`,
    );
  const status = $metadata?.httpStatusCode ?? 0;
  const kind =
    kinds[name] ??
    (connection.has(code) || status >= 500 || status === 429 || status === 0 ? 'transient' : 'permanent');
  return new AwsFailure(kind, call, `${call}: ${said}`, resourceId);
}

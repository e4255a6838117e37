import { DomainError, type AcmeError, type ErrorCode } from '../errors.js';
import { problems } from '../problem-kinds.js';

/** Errors of ACME (RFC 8555 §6.7, RFC 9773 §7.4): their status, and what Thingward calls such an error. */
const kinds = {
  accountDoesNotExist: { status: 400, code: 'invalid-credential' },
  alreadyReplaced: { status: 409, code: 'conflict' },
  alreadyRevoked: { status: 400, code: 'conflict' },
  badCSR: { status: 400, code: 'bad-csr' },
  badNonce: { status: 400, code: 'invalid-request' },
  badPublicKey: { status: 400, code: 'bad-key' },
  badRevocationReason: { status: 400, code: 'invalid-request' },
  badSignatureAlgorithm: { status: 400, code: 'invalid-request' },
  conflict: { status: 409, code: 'conflict' },
  externalAccountRequired: { status: 403, code: 'missing-credential' },
  invalidContact: { status: 400, code: 'invalid-request' },
  malformed: { status: 400, code: 'invalid-request' },
  notFound: { status: 404, code: 'not-found' },
  orderNotReady: { status: 403, code: 'conflict' },
  rateLimited: { status: 429, code: 'too-many-requests' },
  rejectedIdentifier: { status: 400, code: 'outside-enrollment' },
  unauthorized: { status: 403, code: 'forbidden' },
  unknownCredential: { status: 403, code: 'invalid-credential' },
  unsupportedContact: { status: 400, code: 'invalid-request' },
  unsupportedIdentifier: { status: 400, code: 'invalid-request' },
} satisfies Record<string, { status: number; code: ErrorCode }>;

type Kind = keyof typeof kinds;

// What RFC 8555 has no type for is said with the nearest.
const types: Partial<Record<Kind, string>> = {
  conflict: 'malformed',
  notFound: 'malformed',
  unknownCredential: 'unauthorized',
};

type Details = Omit<AcmeError, 'type' | 'status'> & { retryAfter?: number };

/** An error with a type of ACME. `detail` is for the caller, and says what to do next. */
export function refusal(kind: Kind, detail: string, { retryAfter, ...more }: Details = {}): DomainError {
  const { status, code } = kinds[kind];
  const acme: AcmeError = { type: types[kind] ?? kind, status, ...more };
  return new DomainError(code, detail, { acme, ...(retryAfter === undefined ? {} : { retryAfter }) });
}

/** What errors of the other rooms are to ACME; whatever is missing here is `serverInternal`. */
const typeOf: Partial<Record<ErrorCode, string>> = {
  'account-suspended': 'unauthorized',
  'approval-denied': 'unauthorized',
  'bad-csr': 'badCSR',
  'bad-key': 'badPublicKey',
  'certificate-revoked': 'unauthorized',
  conflict: 'rejectedIdentifier',
  forbidden: 'unauthorized',
  'invalid-client': 'unauthorized',
  'invalid-credential': 'unauthorized',
  'invalid-request': 'malformed',
  'key-in-use': 'badPublicKey',
  'method-not-allowed': 'malformed',
  'not-found': 'malformed',
  'outside-enrollment': 'rejectedIdentifier',
  'payload-too-large': 'malformed',
  'segment-full': 'rejectedIdentifier',
  'thing-exists': 'rejectedIdentifier',
  'thing-not-active': 'unauthorized',
  'too-many-requests': 'rateLimited',
  'unsupported-media-type': 'malformed',
};

// A challenge belongs to 401, and no header would answer it; clients of ACME know no 422.
const statuses: Record<number, number> = { 401: 403, 422: 400 };

/** An error as ACME says it. */
export function acmeErrorOf({ code, extras }: DomainError): AcmeError {
  if (extras.acme) return extras.acme;
  const { status } = problems[code];
  return { type: typeOf[code] ?? 'serverInternal', status: statuses[status] ?? status };
}

/** A problem document of ACME (RFC 8555 §6.7, RFC 9457). */
export function acmeProblem(error: DomainError) {
  const { type, status, subproblems, algorithms } = acmeErrorOf(error);
  return {
    type: `urn:ietf:params:acme:error:${type}`,
    detail: error.message,
    status,
    ...(subproblems ? { subproblems } : {}),
    ...(algorithms ? { algorithms } : {}),
  };
}

/** Whether asking again changes nothing: then an order that failed so is over. */
export function isFinal(error: unknown): error is DomainError {
  return error instanceof DomainError && error.code !== 'too-many-requests' && typeOf[error.code] !== undefined;
}

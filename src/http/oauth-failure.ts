import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import type { DomainError, ErrorCode } from '../errors.js';
import { problems, problemType } from '../problem-kinds.js';
import { readFailure } from './problems.js';

// RFC 6749 §5.2, RFC 7009 §2.2.1, RFC 6750 §3.1. What is not here is a request that is not as it should be.
const oauthErrors: Partial<Record<ErrorCode, string>> = {
  'account-suspended': 'unauthorized_client',
  forbidden: 'insufficient_scope',
  'invalid-client': 'invalid_client',
  'invalid-grant': 'invalid_grant',
  internal: 'server_error',
  'not-ready': 'temporarily_unavailable',
  'too-many-requests': 'temporarily_unavailable',
  'unsupported-grant-type': 'unsupported_grant_type',
  'unsupported-token-type': 'unsupported_token_type',
};

/**
 * Answers a failure of an OAuth endpoint as OAuth clients read it (RFC 6749 §5.2), with the problem's `type` beside: the problem
 * documents of other routes have neither `error` nor this media type.
 */
export function sendOAuthFailure(failure: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  const known = readFailure(failure, request);
  const { code, extras } = known;
  const { status } = problems[code];
  const error = errorOf(known, request);
  const { retryAfter, error: _, ...members } = extras;
  if (retryAfter !== undefined) void reply.header('retry-after', String(retryAfter));
  if (status === 401) void reply.header('www-authenticate', challengeOf(request, error));
  const body = {
    error,
    error_description: describe(known.message),
    type: problemType(code),
    requestId: request.id,
    ...members,
  };
  void reply
    .code(status)
    .header('cache-control', 'no-store')
    .type('application/json')
    .serializer(JSON.stringify)
    .send(body);
}

function errorOf({ code }: DomainError, request: FastifyRequest): string {
  if (problems[code].status !== 401) return oauthErrors[code] ?? 'invalid_request';
  return isBearer(request) ? 'invalid_token' : 'invalid_client';
}

/** RFC 6749 §5.2: in the scheme that the client used. A bearer token is refused in the words of RFC 6750. */
function challengeOf(request: FastifyRequest, error: string): string {
  return isBearer(request) ? `Bearer realm="thingward", error="${error}"` : 'Basic realm="thingward"';
}

const isBearer = ({ headers }: FastifyRequest): boolean => /^bearer /i.test(headers.authorization ?? '');

/** RFC 6749 §5.2 allows printable ASCII without quotation marks and backslashes. */
function describe(text: string): string {
  return text.replace(/["\\]/g, "'").replace(/[^ -~]/g, '?');
}

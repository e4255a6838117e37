import type { FastifyRequest } from 'fastify';

/**
 * The id that the answer to a request carries: Thingward's, as in logs and problem documents. AuthZEN wants the one that the
 * request came with (Authorization API 1.0, Request Identification), whatever the answer is.
 */
export function answeredId({ id, url, headers }: FastifyRequest): string {
  const theirs = headers['x-request-id'];
  return isAuthzen.test(url) && typeof theirs === 'string' && isPlain.test(theirs) ? theirs : id;
}

const isAuthzen = /^\/(access\/v1\/|\.well-known\/authzen-configuration)/;
// Anything beyond ASCII would come back in other bytes.
const isPlain = /^[\t -~]+$/;

import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { acmeErrorOf, acmeProblem } from '../../acme/problem.js';
import { problemOf, readFailure } from '../problems.js';

/** Answers a failure as a problem document of ACME (RFC 8555 §6.7). */
export function sendAcmeFailure(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  const known = readFailure(error, request);
  const { headers, body } = problemOf(known, request);
  const { location } = acmeErrorOf(known);
  const problem = { ...acmeProblem(known), detail: body.detail, requestId: body.requestId };
  void reply
    .code(problem.status)
    .headers({
      'content-type': headers['content-type'],
      'cache-control': 'no-store',
      ...(headers['retry-after'] === undefined ? {} : { 'retry-after': headers['retry-after'] }),
      ...(location === undefined ? {} : { location }),
    })
    .serializer(JSON.stringify)
    .send(problem);
}

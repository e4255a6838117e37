import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { problemOf, readFailure } from '../problems.js';

/**
 * Answers a failure as EST clients show it: its status, and one line of text (RFC 7030 §4.2.3). Nothing follows the challenge of
 * who showed no credential: clients that answer it do not read what does.
 */
export function sendText(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  const { status, headers, body } = problemOf(readFailure(error, request), request);
  const challenge = status === 401 ? { 'www-authenticate': 'Basic realm="thingward", charset="UTF-8"' } : {};
  void reply
    .code(status)
    .headers({ ...headers, ...challenge, 'content-type': 'text/plain; charset=utf-8' })
    .serializer((text: string) => text)
    .send(
      request.refusal === 'missing-credential' ? '' : `${body.title}: ${body.detail} (request ${body.requestId})\n`,
    );
}

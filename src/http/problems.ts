import type { Duplex } from 'node:stream';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { AllowedMethods } from './allowed-methods.js';
import { isDatabaseTrouble } from '../db/trouble.js';
import { DomainError, type ErrorCode, type ErrorExtras } from '../errors.js';
import { problems, problemType } from '../problem-kinds.js';
import { isDoubtful } from './framing.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Why it was refused, for the log and the metrics; null while nothing went wrong. */
    refusal: ErrorCode | null;
    /** The same in words, as the asker got them. */
    why: string | null;
  }
}

/** Answers a failure as a problem document (RFC 9457), and shows nothing of the server's own. */
export function sendFailure(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  void sendProblem(request, reply, readFailure(error, request));
}

/**
 * Answers a URL that leads to no route because it cannot be read. Below the routes of proxies it is one of their clients,
 * and Envoy has only 403 for a no.
 */
export function sendUnroutable(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  const { status, headers, body } = problemOf(readFailure(error, request), request);
  const code = request.url.startsWith('/integrations/') ? problems.forbidden.status : status;
  void reply
    .code(code)
    .headers(headers)
    .serializer(JSON.stringify)
    .send({ ...body, status: code });
}

/** A failure as a DomainError, and in the log where it is nobody else's. */
export function readFailure(error: FastifyError, request: FastifyRequest): DomainError {
  const known = toDomainError(error);
  noteRefusal(request, known);
  if (known.code === 'internal') request.log.error({ err: error, reqId: request.id }, 'request failed');
  return known;
}

function noteRefusal(request: FastifyRequest, { code, message }: DomainError): void {
  request.refusal = code;
  request.why = message;
}

/** Makes every failure of `app` a problem document. `elsewhere` says where to look for what does not exist. */
export function installProblems(app: FastifyInstance, allowedMethods: AllowedMethods, elsewhere: string): void {
  app.decorateRequest('refusal', null);
  app.decorateRequest('why', null);
  app.setErrorHandler(sendFailure);
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?')[0]!;
    const allowed = allowedMethods(path);
    // A route that takes the method and comes here has found nothing: a file of /docs, say.
    if (allowed.length === 0 || allowed.includes(request.method)) {
      const detail = `${request.method} ${path} does not exist; ${elsewhere}`;
      return sendProblem(request, reply, new DomainError('not-found', detail));
    }
    const allow = allowed.join(', ');
    void reply.header('allow', allow);
    return sendProblem(request, reply, new DomainError('method-not-allowed', `${path} supports ${allow}`));
  });
}

type BrokenRequest = { code?: string | undefined; rawPacket?: unknown };

/** What is written to a connection that did not speak HTTP, before any request exists. */
export function answerBrokenRequest(error: BrokenRequest, socket: Duplex): void {
  // It has its answer already, after which the connection closes.
  if (isDoubtful(socket)) return;
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const { status, title } = problems['invalid-request'];
  const detail = 'the request is not valid HTTP for this server, or it arrived too slowly';
  const body = JSON.stringify({ type: problemType('invalid-request'), title, status, detail });
  const head = `HTTP/1.1 ${status} Bad Request\r\ncontent-type: application/problem+json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n`;
  // What follows the head of an answer to HEAD would be read as the next answer (RFC 9110 §9.3.2).
  const { rawPacket } = error;
  const asksHead = Buffer.isBuffer(rawPacket) && rawPacket.subarray(0, 5).equals(Buffer.from('HEAD '));
  socket.end(asksHead ? head : head + body);
}

/** A failure as a problem document: the status, headers and body of an answer. */
export function problemOf({ code, message, extras }: DomainError, { id }: FastifyRequest) {
  const { status, title } = problems[code];
  const { retryAfter, ...members } = extras;
  const headers: Record<string, string> = {
    ...(retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) }),
    ...(status === 401 ? { 'www-authenticate': 'Bearer realm="thingward"' } : {}),
    'content-type': 'application/problem+json',
  };
  const detail = status === 503 ? withoutSerials(message) : message;
  return { status, headers, body: { type: problemType(code), title, status, detail, requestId: id, ...members } };
}

function sendProblem(request: FastifyRequest, reply: FastifyReply, failure: DomainError): FastifyReply {
  noteRefusal(request, failure);
  const { status, headers, body } = problemOf(failure, request);
  return reply.code(status).headers(headers).serializer(JSON.stringify).send(body);
}

/** Anybody may ask whether the server is ready, and which certificate keeps it from that is for its log. */
function withoutSerials(text: string): string {
  return text.replace(/\b[0-9a-f]{32,}\b/gi, '(a serial number, see the log)');
}

const frameworkCodes: Record<string, ErrorCode> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'payload-too-large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported-media-type',
};

/** `internal` for what nobody meant to throw. */
function toDomainError(error: FastifyError): DomainError {
  if (error instanceof DomainError) return error;
  if (error.validation) return new DomainError('invalid-request', validationDetail(error), validationExtras(error));
  // zlib's words for a body that is not packed as it says.
  if (error.code?.startsWith('Z_'))
    return new DomainError('invalid-request', 'content-encoding: the body has another encoding, or is cut off');
  if (isDatabaseTrouble(error))
    return new DomainError('not-ready', 'the database does not answer: try again', { retryAfter: 1 });
  const code = frameworkCodes[error.code] ?? (isClientError(error) ? 'invalid-request' : 'internal');
  const detail = code === 'internal' ? 'try again; the log has the reason under this requestId' : error.message;
  return new DomainError(code, detail);
}

// Only Fastify's own complaints about a request are shown; a status on any other error proves nothing.
function isClientError(error: FastifyError): boolean {
  return /^FST_/.test(error.code ?? '') && error.statusCode !== undefined && error.statusCode < 500;
}

// A short body can break a schema in thousands of places, and get a long path for each.
const [mostErrors, mostCharacters] = [50, 500];

function validationDetail(error: FastifyError): string {
  const errors = error.validation ?? [];
  const last = errors.at(-1);
  // Of several forms, each says what it lacks; what matters is that it is none of them.
  const first = last?.keyword === 'anyOf' ? { ...last, message: 'has none of the documented forms' } : errors[0];
  const where = `${error.validationContext ?? 'request'}${first?.instancePath ?? ''}`;
  return `${where}: ${first?.message ?? 'is not valid'}; /docs shows the shape`;
}

function validationExtras(error: FastifyError): ErrorExtras {
  const shown = (error.validation ?? []).slice(0, mostErrors);
  return {
    errors: shown.map(({ instancePath, message }) => ({
      path: instancePath.slice(0, mostCharacters),
      message: message?.slice(0, mostCharacters),
    })),
  };
}

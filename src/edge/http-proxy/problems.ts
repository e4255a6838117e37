import { STATUS_CODES, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Refusal } from '../../authorize/judge.js';
import type { ErrorCode } from '../../errors.js';
import type { Barred } from '../gate.js';
import type { Ending } from '../proxy/sessions.js';

/** A failure as a device sees it: RFC 9457. The codes are those of docs/problems.md. */
export type Problem = {
  code: keyof typeof kinds;
  detail: string;
  reasons?: string[];
};

const kinds = {
  'invalid-request': { status: 400, title: 'The request does not have the documented shape' },
  'missing-credential': { status: 401, title: 'A credential is needed' },
  'invalid-credential': { status: 401, title: 'The credential is unknown, expired or used up' },
  forbidden: { status: 403, title: 'The credential does not allow this' },
  'thing-not-active': { status: 403, title: 'The thing is suspended or revoked' },
  'not-found': { status: 404, title: 'The object does not exist' },
  'payload-too-large': { status: 413, title: 'The request is too large' },
  'too-many-requests': { status: 429, title: 'Too many requests' },
  'upstream-away': { status: 502, title: 'The service behind the edge does not answer' },
  'not-ready': { status: 503, title: 'The server cannot answer yet' },
} as const satisfies Partial<Record<ErrorCode, { status: number; title: string }>>;

/** The status of a problem. */
export const statusOf = ({ code }: Problem): number => kinds[code].status;

type Written = { status: number; headers: Record<string, string>; body: string };

function write(problem: Problem): Written {
  const { code, detail, reasons } = problem;
  const { status, title } = kinds[code];
  const body = JSON.stringify({
    type: `urn:thingward:problem:${code}`,
    title,
    status,
    detail,
    ...(reasons && { reasons }),
  });
  return {
    status,
    body,
    headers: {
      'content-type': 'application/problem+json',
      'cache-control': 'no-store',
      'content-length': String(Buffer.byteLength(body)),
      ...(status === 401 ? { 'www-authenticate': 'Bearer' } : {}),
      ...(status === 503 || status === 429 ? { 'retry-after': '5' } : {}),
    },
  };
}

/** Answers a request. `last` closes the connection after it: what follows on it may be the rest of a body. */
export function sendProblem(response: ServerResponse, problem: Problem, last: boolean): void {
  if (response.headersSent || response.destroyed) return void response.destroy();
  const { status, headers, body } = write(problem);
  response.writeHead(status, { ...headers, ...(last ? { connection: 'close' } : {}) });
  response.end(body);
}

/** Answers on a connection that no longer belongs to Node's HTTP, and closes it. */
export function sendRawProblem(socket: Duplex, problem: Problem): void {
  const { status, headers, body } = write(problem);
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}connection: close\r\n\r\n${body}`);
  socket.once('finish', () => socket.destroy());
}

const ofThing: ReadonlySet<string> = new Set<Refusal>(['thing-suspended', 'thing-revoked']);
const undecided: ReadonlySet<string> = new Set<Barred['barred']>(['away', 'refused', 'cannot-decide']);

/** Why somebody was not identified, in words that say what to do. */
export function problemOf({ barred, detail }: Barred): Problem {
  const reasons = [barred];
  if (undecided.has(barred))
    return { code: 'not-ready', detail: `this edge cannot decide now: ${detail}; try again`, reasons };
  if (ofThing.has(barred))
    return { code: 'thing-not-active', detail: `${detail}; ask an operator to resume or re-enroll the thing`, reasons };
  return { code: 'invalid-credential', detail: `${detail}; ${nextStep(barred)}`, reasons };
}

const quotaExceeded = 0x97;

/** Why a request may not be open, although it was let in. */
export function problemOfEnding({ code, text }: Ending): Problem {
  return { code: code === quotaExceeded ? 'too-many-requests' : 'forbidden', detail: text };
}

const newToken = 'get a new access token: POST /v1/token';

const nextSteps: Readonly<Record<string, string>> = {
  'token-invalid': newToken,
  'token-expired': newToken,
  'token-revoked': newToken,
  'binding-mismatch': 'show the client certificate that the token is bound to',
};

const nextStep = (barred: Barred['barred']): string =>
  nextSteps[barred] ?? 'use the current certificate of the thing, or enroll it again';

import { STATUS_CODES, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Refusal } from '../../authorize/judge.js';
import type { ErrorCode } from '../../errors.js';
import { problems, problemType } from '../../problem-kinds.js';
import type { Barred } from '../gate.js';
import type { Ending } from '../proxy/sessions.js';

/** A failure as a device sees it: RFC 9457. The codes are those of docs/problems.md. */
export type Problem = {
  code: ErrorCode;
  detail: string;
  reasons?: string[];
};

type Written = { status: number; headers: Record<string, string>; body: string };

function write(problem: Problem): Written {
  const { code, detail, reasons } = problem;
  const { status, title } = problems[code];
  const body = JSON.stringify({
    type: problemType(code),
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

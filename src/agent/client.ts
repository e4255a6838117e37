import { setTimeout as sleep } from 'node:timers/promises';
import { send, type Request, type Trust } from './connection.js';
import { AgentError, LaterError } from './errors.js';

const delaysMs = [500, 1000, 2000, 4000, 8000];

/** Sends a request and reads the JSON answer, trying again while the server or the network fails. A function makes
 * each request. @throws AgentError */
export async function call<Answer>(url: string, request: Request | (() => Request), trust: Trust): Promise<Answer> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await callOnce<Answer>(url, typeof request === 'function' ? request() : request, trust);
    } catch (error) {
      const delay = delaysMs[attempt];
      if (!isPassing(error)) throw asAgentError(error, url);
      if (delay === undefined) throw awayFrom(error, url);
      await sleep(delay);
    }
  }
}

const passingErrors = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
  'ENOTFOUND',
  'ENETDOWN',
  'EHOSTDOWN',
]);

/** Whether a failure is of the network or the server, and may be over later. */
export function isPassing(error: unknown): boolean {
  return error instanceof LaterError || passingErrors.has((error as NodeJS.ErrnoException).code ?? '');
}

async function callOnce<Answer>(url: string, request: Request, trust: Trust): Promise<Answer> {
  const { status, body } = await send(new URL(url), request, trust);
  if (status >= 200 && status < 300) return JSON.parse(body) as Answer;
  const problem = readProblem(body);
  const message = `${url} answered ${status}: ${problem.detail ?? problem.error_description ?? problem.title ?? 'no reason given'}`;
  const code = problem.type?.split(':').at(-1);
  if (status >= 500 || status === 429) throw new LaterError(message, code);
  throw new AgentError(message, code, problem.serverTime);
}

function awayFrom(error: unknown, url: string): unknown {
  if (error instanceof AgentError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  return new LaterError(
    `${new URL(url).origin} cannot be reached (${code ?? message}): check the address and the network, then run it again`,
  );
}

/** What is wrong with the server's certificate, in one line. */
function asAgentError(error: unknown, url: string): unknown {
  const { code = '', message } = error as NodeJS.ErrnoException;
  if (error instanceof AgentError || !/^(ERR_TLS|ERR_SSL|CERT_|UNABLE_|SELF_SIGNED|DEPTH_ZERO|EPROTO)/.test(code))
    return error;
  const { origin } = new URL(url);
  return new AgentError(
    `the TLS of ${origin} is refused (${code}: ${message}): check the address, or pin its CA with --ca FILE`,
  );
}

type Problem = { type?: string; title?: string; detail?: string; error_description?: string; serverTime?: string };

/** A problem document, or what OAuth routes say in its place. */
function readProblem(body: string): Problem {
  try {
    return JSON.parse(body) as object;
  } catch {
    return {};
  }
}

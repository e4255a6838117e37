import { setTimeout as sleep } from 'node:timers/promises';
import { send, type Request, type Trust } from './connection.js';
import { AgentError } from './errors.js';

const delaysMs = [500, 1000, 2000, 4000, 8000];

/** Sends a request and reads the JSON answer, trying again while the server or the network fails. @throws AgentError */
export async function call<Answer>(url: string, request: Request, trust: Trust): Promise<Answer> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await callOnce<Answer>(url, request, trust);
    } catch (error) {
      const delay = delaysMs[attempt];
      if (delay === undefined || !isPassing(error)) throw error;
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
  'UND_ERR_SOCKET',
]);

class ServerBusy extends AgentError {}

/** Whether a failure is of the network or the server, and may be over later. */
export function isPassing(error: unknown): boolean {
  return error instanceof ServerBusy || passingErrors.has((error as NodeJS.ErrnoException).code ?? '');
}

async function callOnce<Answer>(url: string, request: Request, trust: Trust): Promise<Answer> {
  const { status, body } = await send(new URL(url), request, trust);
  if (status >= 200 && status < 300) return JSON.parse(body) as Answer;
  const problem = readProblem(body);
  const message = `${url} answered ${status}: ${problem.detail ?? problem.error_description ?? problem.title ?? 'no reason given'}`;
  const code = problem.type?.split(':').at(-1);
  if (status >= 500 || status === 429) throw new ServerBusy(message, code);
  throw new AgentError(message, code, problem.serverTime);
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

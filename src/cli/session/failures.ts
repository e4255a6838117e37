import { ProblemError } from '../../client/client.js';
import { exitCodes, OperatorError } from './errors.js';
import { plain } from '../output/cells.js';

const later = [429, 502, 503, 504];
const nextSteps: Record<number, string> = {
  401: 'log in with a key that is valid: thingward login URL',
  403: 'use a key that has the permission: thingward contexts use NAME',
};

/** A failure as the one line that a person reads, with its exit code. Errors that are no failure of a call stay. */
export function asOperatorError(error: unknown, url: string): unknown {
  if (error instanceof ProblemError) return refusal(error);
  if (!isUnanswered(error)) return error;
  const cause = plain(causeOf(error as Error));
  return new OperatorError(
    `${url} cannot be reached (${cause}): check the address, then try again`,
    exitCodes.unreachable,
  );
}

function refusal({ problem, status, code, retryAfter }: ProblemError): OperatorError {
  const said = plain(`${problem.title}: ${problem.detail}`);
  if (later.includes(status)) {
    const wait = retryAfter === undefined ? 'try again later' : `try again in ${retryAfter} s`;
    return new OperatorError(`${said} (${status} ${plain(code)}): ${wait}`, exitCodes.unreachable);
  }
  const next = nextSteps[status];
  return new OperatorError(`${said} (${status} ${plain(code)})${next ? `; ${next}` : ''}`, exitCodes.refused);
}

/** `fetch` throws a TypeError when nobody answers, and a DOMException after the time limit. */
const isUnanswered = (error: unknown): boolean =>
  (error instanceof TypeError && error.message === 'fetch failed') ||
  (error instanceof Error && ['TimeoutError', 'AbortError'].includes(error.name));

function causeOf(error: Error): string {
  const { cause } = error;
  if (!(cause instanceof Error)) return error.message;
  const { code } = cause as { code?: unknown };
  return typeof code === 'string' ? code : cause.message;
}

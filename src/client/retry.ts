import { ProblemError } from './problem.js';

/** One request, however often it is sent. */
export type Attempt = {
  method: string;
  template: string;
  path: string;
  headers: Record<string, string>;
  body: string | undefined;
  /** It carries a certificate request, by which the server knows a repeat. */
  hasCsr: boolean;
  /** It is held to an ETag: after an answer that was lost, a repeat would be refused. */
  isConditional: boolean;
  signal: AbortSignal | undefined;
};

const [firstWaitMs, longestWaitMs] = [200, 30_000];
const bySelf = ['/v1/provision', '/v1/renew'];
const once = ['/v1/sign-in/command-line', '/v1/token', '/v1/token/revoke', '/v1/self/revoke'];

/** Whether a POST may carry an `Idempotency-Key`. Routes that make nothing ignore it. */
export const isRepeatable = (template: string): boolean => ![...bySelf, ...once].includes(template);

/** How many milliseconds to wait before a request is sent again; undefined if it must not be. */
export function waitBefore(attempt: Attempt, error: unknown, failed: number): number | undefined {
  if (!isPassing(error)) return undefined;
  if (!mayRepeat(attempt) && !isUntouched(error)) return undefined;
  const asked = error instanceof ProblemError ? error.retryAfter : undefined;
  if (asked !== undefined) return asked * 1000 <= longestWaitMs ? asked * 1000 : undefined;
  return Math.min(firstWaitMs * 2 ** failed, longestWaitMs);
}

/** A failure that may be gone the next time: no answer, or one that says so. */
function isPassing(error: unknown): boolean {
  if (!(error instanceof ProblemError)) return true;
  return [429, 502, 503, 504].includes(error.status) || error.code === 'idempotency-in-progress';
}

/** The server refused before it did anything. */
const isUntouched = (error: unknown): boolean =>
  error instanceof ProblemError && ['too-many-requests', 'not-ready'].includes(error.code);

function mayRepeat({ method, template, hasCsr, isConditional }: Attempt): boolean {
  if (method !== 'POST') return !isConditional;
  return bySelf.includes(template) ? hasCsr : isRepeatable(template);
}

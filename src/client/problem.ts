const prefix = 'urn:thingward:problem:';

/** What a problem document says (RFC 9457). */
export type Problem = {
  type: string;
  title: string;
  status: number;
  detail: string;
  requestId?: string;
  [member: string]: unknown;
};

/** A refusal by the server. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';

  constructor(
    /** The whole document. */
    readonly problem: Problem,
    /** The status of the answer. */
    readonly status: number,
    /** The stable name of the kind of problem, such as `not-found`; docs/problems.md lists them. */
    readonly code: string,
    /** Seconds after which the server wants to be asked again. */
    readonly retryAfter?: number,
  ) {
    super(`${status} ${problem.title}: ${problem.detail}`);
  }
}

/** The problem of an answer that is no success, also where something in between answered. */
export async function problemIn(answer: Response): Promise<ProblemError> {
  const { status, statusText } = answer;
  const after = Number(answer.headers.get('retry-after') ?? Number.NaN);
  const said = await answer.json().catch(() => ({}));
  const {
    detail,
    error_description: described,
    ...rest
  } = (said ?? {}) as Partial<Problem> & {
    error_description?: string;
  };
  const problem: Problem = {
    type: 'about:blank',
    title: statusText || `Status ${status}`,
    ...rest,
    status,
    detail: detail ?? described ?? 'the answer has no problem document',
  };
  const code = problem.type.startsWith(prefix) ? problem.type.slice(prefix.length) : problem.type;
  return new ProblemError(problem, status, code, Number.isFinite(after) ? after : undefined);
}

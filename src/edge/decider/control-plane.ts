import { textOf } from '../body.js';

/** Why the control plane gave no answer that can be used. */
export type Failure =
  /** No answer, 429, or 5xx: it may answer later. */
  | 'away'
  /** 401 or 403: this edge may not ask. */
  | 'refused'
  /** The place in the log is gone, or of another history: everything is read again. */
  | 'start-anew'
  /** Any other 4xx: asking again the same way is of no use. */
  | 'rejected';

/** An answer that cannot be used. */
export class ControlPlaneError extends Error {
  constructor(
    readonly failure: Failure,
    message: string,
    /** Of the answer; 0 when there was none. */
    readonly status = 0,
  ) {
    super(message);
  }
}

/** What carries a request; by default that of Node. */
export type Fetch = typeof fetch;

/** Resolves when a time is over: until the next attempt, or the longest for the first word. Rejects when the signal ends it. */
export type Wait = (ms: number, signal: AbortSignal, until: 'next attempt' | 'first word') => Promise<void>;

type Options = { server: string; key: string; fetch?: Fetch | undefined; ended: AbortSignal };

export type ControlPlane = ReturnType<typeof createControlPlane>;

const answerMs = 15_000;
const mostProblemOctets = 16_384;

/** Requests to the control plane, with the key of this edge. */
export function createControlPlane({ server, key, fetch: send = fetch, ended }: Options) {
  const base = server.replace(/\/$/, '');

  const active = new Set<AbortController>();
  ended.addEventListener('abort', () => active.forEach((each) => each.abort()), { once: true });

  /** @throws ControlPlaneError */
  const ask = async (path: string, init: RequestInit & { signal: AbortSignal }): Promise<Response> => {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    const response = await send(`${base}${path}`, { redirect: 'error', ...init, headers }).catch((error: Error) => {
      const why = (error.cause as Error | undefined)?.message ?? error.message;
      throw new ControlPlaneError('away', `${path} had no answer: ${why}`);
    });
    if (response.ok) return response;
    const { type = '', detail = 'no detail' } = await problemOf(response, init.signal);
    const failure = failureOf(path, response.status, type);
    throw new ControlPlaneError(failure, `${path} answered ${response.status}: ${detail}`, response.status);
  };

  /** The whole answer has a time limit. */
  const within = async <Result>(
    path: string,
    init: RequestInit,
    use: (response: Response, signal: AbortSignal) => Promise<Result>,
  ): Promise<Result> => {
    const limit = new AbortController();
    active.add(limit);
    if (ended.aborted) limit.abort();
    const timer = setTimeout(() => limit.abort(), answerMs);
    try {
      const { signal } = limit;
      return await use(await ask(path, { ...init, signal }), signal);
    } finally {
      clearTimeout(timer);
      active.delete(limit);
    }
  };

  const read = <Body>(path: string, init: RequestInit = {}): Promise<Body> =>
    within(path, init, async (response, signal) => {
      try {
        return JSON.parse(await textOf(response, signal)) as Body;
      } catch (error) {
        throw new ControlPlaneError('away', `${path} broke off: ${(error as Error).message}`);
      }
    });

  return {
    get: <Body>(path: string): Promise<Body> => read(path),
    post: <Body>(path: string, body: object): Promise<Body> =>
      read(path, { method: 'POST', body: JSON.stringify(body) }),
    /** For answers of which only the status counts. */
    tell: (path: string, body: object): Promise<number> =>
      within(path, { method: 'POST', body: JSON.stringify(body) }, async (response, signal) => {
        await textOf(response, signal).catch(() => {});
        return response.status;
      }),
    /** An answer that continues until it breaks off. Read it with `piecesOf`, so that the signal ends it. */
    stream: (path: string, signal: AbortSignal): Promise<Response> => ask(path, { signal }),
  };
}

/** A 403 says that this edge may not follow, or that its account is suspended; of another route, only that the key lacks something. */
function failureOf(path: string, status: number, type: string): Failure {
  if (status === 401) return 'refused';
  if (status === 403 && (path.startsWith('/v1/edge/') || type.endsWith(':account-suspended'))) return 'refused';
  if (status === 429 || status >= 500) return 'away';
  if (status === 410 || (status === 409 && type.endsWith(':epoch-changed'))) return 'start-anew';
  return 'rejected';
}

async function problemOf(response: Response, signal: AbortSignal): Promise<{ type?: string; detail?: string }> {
  const text = await textOf(response, signal).catch(() => '');
  try {
    return JSON.parse(text.slice(0, mostProblemOctets)) as { type?: string; detail?: string };
  } catch {
    return {};
  }
}

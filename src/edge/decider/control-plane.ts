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

export type Fetch = typeof fetch;

type Options = { server: string; key: string; fetch?: Fetch | undefined; ended: AbortSignal };

export type ControlPlane = ReturnType<typeof createControlPlane>;

const answerMs = 15_000;
const mostProblemOctets = 16_384;

/** Requests to the control plane, with the key of this edge. */
export function createControlPlane({ server, key, fetch: send = fetch, ended }: Options) {
  const base = server.replace(/\/$/, '');

  const ask = async (path: string, init: RequestInit = {}): Promise<Response> => {
    const signal = AbortSignal.any([ended, init.signal ?? AbortSignal.timeout(answerMs)]);
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    const response = await send(`${base}${path}`, { redirect: 'error', ...init, headers, signal }).catch(
      (error: Error) => {
        throw new ControlPlaneError(
          'away',
          `${path} had no answer: ${(error.cause as Error | undefined)?.message ?? error.message}`,
        );
      },
    );
    if (response.ok) return response;
    const { type = '', detail = 'no detail' } = await problemOf(response);
    throw new ControlPlaneError(
      failureOf(response.status, type),
      `${path} answered ${response.status}: ${detail}`,
      response.status,
    );
  };

  const read = async <Body>(path: string, init?: RequestInit): Promise<Body> => {
    const response = await ask(path, init);
    return (await response.json().catch((error: Error) => {
      throw new ControlPlaneError('away', `${path} broke off: ${error.message}`);
    })) as Body;
  };

  return {
    get: <Body>(path: string): Promise<Body> => read(path),
    post: <Body>(path: string, body: object): Promise<Body> =>
      read(path, { method: 'POST', body: JSON.stringify(body) }),
    /** For answers without a body. Returns the status. */
    async tell(path: string, body: object): Promise<number> {
      const response = await ask(path, { method: 'POST', body: JSON.stringify(body) });
      await response.body?.cancel();
      return response.status;
    },
    /** An answer that goes on until it breaks off or the signal ends it. */
    stream: (path: string, signal: AbortSignal): Promise<Response> => ask(path, { signal }),
  };
}

function failureOf(status: number, type: string): Failure {
  if (status === 401 || status === 403) return 'refused';
  if (status === 429 || status >= 500) return 'away';
  if (status === 410 || (status === 409 && type.endsWith(':epoch-changed'))) return 'start-anew';
  return 'rejected';
}

async function problemOf(response: Response): Promise<{ type?: string; detail?: string }> {
  const text = await response.text().catch(() => '');
  try {
    return JSON.parse(text.slice(0, mostProblemOctets)) as { type?: string; detail?: string };
  } catch {
    return {};
  }
}

import { expect } from 'vitest';

export type Answer = { status: number; headers: Headers; body: any; text: string };

/** Speaks JSON to a server with one credential. Every refusal it gets must be a problem document. */
export type Client = {
  send(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  get(path: string): Promise<Answer>;
  post(path: string, body?: unknown): Promise<Answer>;
};

/** What carries a request to the server. */
export type Ask = (
  url: string,
  request: { method: string; headers: Record<string, string>; body?: string },
) => Promise<Response>;

/** How often a client asks again that was told to. `impatient` ones never do. */
export type Patience = 'patient' | 'impatient';
const mostRepeats = 30;

/** As a well-made client it does what Retry-After says where the server is not ready, so that a slow machine fails no test. */
export function createClient(
  url: string,
  token: string | undefined,
  patience: Patience = 'patient',
  ask: Ask = fetch,
): Client {
  const send: Client['send'] = async (...call) => {
    for (let repeats = patience === 'patient' ? mostRepeats : 0; ; repeats--) {
      const answer = await sendOnce(...call);
      if (repeats <= 0 || answer.status !== 503 || !mayRepeat(call[1], answer)) return answer;
      await new Promise((resolve) => setTimeout(resolve, 1000 * Number(answer.headers.get('retry-after'))));
    }
  };
  const sendOnce: Client['send'] = async (method, path, body, headers = {}) => {
    const raw = typeof body === 'string' || body instanceof Uint8Array;
    const type = body === undefined ? {} : { 'content-type': 'application/json' };
    const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const response = await ask(`${url}${path}`, {
      method,
      headers: { ...type, ...authorization, ...headers },
      ...(body === undefined ? {} : { body: raw ? (body as string) : JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = /[/+]json/.test(response.headers.get('content-type') ?? '');
    const answer = {
      status: response.status,
      headers: response.headers,
      body: isJson && text ? JSON.parse(text) : undefined,
      text,
    };
    if (answer.status >= 400) (isOAuth(path) ? expectOAuthFailure : expectProblem)(answer, `${method} ${path}`);
    return answer;
  };
  return { send, get: (path) => send('GET', path), post: (path, body) => send('POST', path, body) };
}

// What is committed and not read everywhere may be asked again where that changes nothing.
const mayRepeat = (path: string, answer: Answer): boolean =>
  problemOf(answer) === 'not-ready' || (problemOf(answer) === 'not-settled' && path.endsWith('/revoke'));

const isOAuth = (path: string): boolean => /^\/v1\/(token|token\/revoke|introspect)$/.test(path.split('?')[0]!);

/** RFC 6749 §5.2, with our type. */
function expectOAuthFailure({ headers, body }: Answer, what = ''): void {
  expect(headers.get('content-type'), what).toMatch(/^application\/json/);
  expect(headers.get('cache-control'), what).toBe('no-store');
  expect(body, what).toMatchObject({
    error: expect.stringMatching(/^[a-z_]+$/),
    error_description: expect.stringMatching(/^[ !#-[\]-~]+$/),
    type: expect.stringMatching(/^urn:thingward:problem:[a-z-]+$/),
  });
}

/** RFC 9457, with our type, and nothing about our insides. */
export function expectProblem({ status, headers, body }: Answer, what = ''): void {
  expect(headers.get('content-type'), what).toContain('application/problem+json');
  expect(body, what).toMatchObject({
    status,
    type: expect.stringMatching(/^urn:thingward:problem:[a-z-]+$/),
    title: expect.any(String),
    detail: expect.any(String),
  });
}

/** The last word of a problem's type. */
export const problemOf = ({ body }: Answer): string | undefined => body?.type?.split(':').at(-1);

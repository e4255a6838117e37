import { problemIn } from './problem.js';
import { isRepeatable, waitBefore, type Attempt } from './retry.js';
import type { AnswerOf, Input, ItemOf, Method, OptionalIf, PathWith, Paged } from './operations.js';

export { ProblemError } from './problem.js';

/** Where a server is, and who asks it. */
export type ClientOptions = {
  /** The address of the server; a path in it stays. */
  url: string;
  /** An API key, an enrollment token or an access token; none for public routes. */
  token?: string;
  /** How often a request is sent again, at most. 4 by default. */
  retries?: number;
  /** After so many milliseconds an attempt has failed. 30,000 by default. */
  timeoutMs?: number;
  /** What sends requests; the `fetch` of the platform by default. */
  fetch?: typeof fetch;
  /** What waits between attempts, in milliseconds. */
  pause?: (ms: number) => Promise<void>;
};

type Ask<M extends Method> = <Path extends PathWith<M>>(
  path: Path,
  ...input: OptionalIf<Input<Path, M>>
) => Promise<AnswerOf<Path, M>>;

/** A server's operations, typed by openapi.yaml. Each resolves with the JSON of a 2xx answer, undefined for 204. */
export type Client = {
  get: Ask<'get'>;
  post: Ask<'post'>;
  put: Ask<'put'>;
  patch: Ask<'patch'>;
  delete: Ask<'delete'>;
  /** Every item of a list, page by page as they are read. */
  each<Path extends Paged>(path: Path, ...input: OptionalIf<Input<Path, 'get'>>): AsyncGenerator<ItemOf<Path>, void>;
};

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * A client of the API. It repeats what may be repeated: every POST that makes something carries an `Idempotency-Key`, so it
 * takes effect once. `Retry-After` is heeded. Every operation throws {@link ProblemError} for a refusal, and the error of
 * `fetch` if no server answers.
 *
 * @example
 * const client = createClient({ url: 'https://thingward.example', token: 'twk_...' });
 * for await (const { name, status } of client.each('/v1/things', { query: { namePrefix: 'pump-' } })) console.log(name, status);
 */
export function createClient({
  url,
  token,
  retries = 4,
  timeoutMs = 30_000,
  fetch: send = fetch,
  pause = sleep,
}: ClientOptions): Client {
  const base = url.endsWith('/') ? url.slice(0, -1) : url;

  const once = async (attempt: Attempt): Promise<unknown> => {
    const { method, path, body, headers, signal } = attempt;
    const timeout = AbortSignal.timeout(timeoutMs);
    const answer = await send(`${base}${path}`, {
      method,
      headers,
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      ...(body === undefined ? {} : { body }),
    });
    if (!answer.ok) throw await problemIn(answer);
    return answer.status === 204 ? undefined : readAnswer(answer);
  };

  const ask = async (method: Method, template: string, input: Loose = {}): Promise<unknown> => {
    const attempt = attemptOf(method, template, input, token);
    for (let failed = 0; ; failed++) {
      try {
        return await once(attempt);
      } catch (error) {
        const wait = failed < retries && !attempt.signal?.aborted ? waitBefore(attempt, error, failed) : undefined;
        if (wait === undefined) throw error;
        await pause(wait);
      }
    }
  };

  const asking = (method: Method) => (template: string, input?: Loose) => ask(method, template, input);

  async function* each(template: string, input: Loose = {}): AsyncGenerator<unknown, void> {
    for (let cursor = input.query?.['cursor']; ;) {
      const query = { ...input.query, ...(cursor === undefined ? {} : { cursor }) };
      const page = (await ask('get', template, { ...input, query })) as { items: unknown[]; nextCursor?: string };
      yield* page.items;
      cursor = page.nextCursor;
      if (cursor === undefined) return;
    }
  }

  return {
    get: asking('get'),
    post: asking('post'),
    put: asking('put'),
    patch: asking('patch'),
    delete: asking('delete'),
    each,
  } as unknown as Client;
}

type Loose = {
  path?: Record<string, unknown>;
  query?: Record<string, unknown>;
  body?: unknown;
  ifMatch?: string;
  idempotencyKey?: string;
  signal?: AbortSignal;
};

const forms = new Set(['/v1/token', '/v1/token/revoke', '/v1/introspect']);

function attemptOf(method: Method, template: string, input: Loose, token: string | undefined): Attempt {
  const { body, ifMatch, idempotencyKey = crypto.randomUUID(), signal } = input;
  const { type, text } = written(template, body);
  const isRepeated = method === 'post' && isRepeatable(template);
  return {
    method: method.toUpperCase(),
    template,
    path: targetOf(template, input),
    body: text,
    headers: present({
      accept: 'application/json',
      authorization: token === undefined ? undefined : `Bearer ${token}`,
      'if-match': ifMatch,
      'content-type': type,
      'idempotency-key': isRepeated ? idempotencyKey : undefined,
    }),
    hasCsr: (body as { csr?: unknown } | undefined)?.csr !== undefined,
    isConditional: ifMatch !== undefined,
    signal,
  };
}

function targetOf(template: string, { path = {}, query = {} }: Loose): string {
  const filled = template.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(textOf(path[name])));
  const asked = new URLSearchParams(present(query)).toString();
  return asked === '' ? filled : `${filled}?${asked}`;
}

/** A body, as the route of a template reads it. */
function written(template: string, body: unknown): { type?: string; text?: string } {
  if (body === undefined) return {};
  if (!forms.has(template)) return { type: 'application/json', text: JSON.stringify(body) };
  const text = new URLSearchParams(body as Record<string, string>).toString();
  return { type: 'application/x-www-form-urlencoded', text };
}

/** What there is of an object, as text. */
function present(values: Record<string, unknown>): Record<string, string> {
  const there = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(there.map(([name, value]) => [name, textOf(value)]));
}

const textOf = (value: unknown): string => String(value);

async function readAnswer(answer: Response): Promise<unknown> {
  const text = await answer.text();
  return /[/+]json/.test(answer.headers.get('content-type') ?? '') ? (JSON.parse(text) as unknown) : text;
}

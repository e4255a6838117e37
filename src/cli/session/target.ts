import { readContexts, type Context } from './contexts.js';
import { OperatorError } from './errors.js';

/** What the environment says of a server and of what is stored. */
export type Surroundings = { url?: string | undefined; apiKey?: string | undefined; folder: string; now?: Date };

const keyForm = /^twk_[\x21-\x7e]{16,200}$/;

/**
 * Returns a key that is an API key. THINGWARD_KEY seals the authorities of a server: whoever gives it by mistake must not
 * have sent it anywhere. So nothing else than `twk_` is ever sent. @throws OperatorError
 */
export function requireKey(key: string, from: string): string {
  if (keyForm.test(key)) return key;
  throw new OperatorError(
    `${from} is no API key, which begins with twk_, and was not sent: make one with POST /v1/api-keys`,
  );
}

/** Returns the address of a server without the slash at its end. @throws OperatorError */
export function requireUrl(text: string, from: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !['http:', 'https:'].includes(url.protocol) || url.username || url.password || url.search || url.hash)
    throw new OperatorError(`${from} is no address of a server: write it as https://thingward.example.com`);
  return url.href.endsWith('/') ? url.href.slice(0, -1) : url.href;
}

/**
 * The server to ask and the key for it: THINGWARD_URL and THINGWARD_API_KEY, else the named or current context. The key of a
 * context is sent to the server of that context alone. @throws OperatorError
 */
export function targetOf({ url, apiKey, folder, now }: Surroundings, name: string | undefined): Context {
  const key = apiKey === undefined ? undefined : requireKey(apiKey, 'THINGWARD_API_KEY');
  const asked = url === undefined ? undefined : requireUrl(url, 'THINGWARD_URL');
  if (asked !== undefined && key !== undefined && name === undefined) return { url: asked, key };
  const { expiresAt, ...context } = contextOf(folder, name);
  if (name !== undefined || key === undefined) requireLogin(context.url, expiresAt, now);
  if (name !== undefined) return context;
  if (asked !== undefined && asked !== context.url)
    throw new OperatorError(
      `THINGWARD_URL is ${asked}, but the key of the context in use is for ${context.url}: set THINGWARD_API_KEY too`,
    );
  return { url: context.url, key: key ?? context.key };
}

function requireLogin(url: string, expiresAt: string | undefined, now: Date | undefined): void {
  if (now && expiresAt !== undefined && Date.parse(expiresAt) <= now.getTime())
    throw new OperatorError(`your login to ${url} ended at ${expiresAt}: thingward login ${url}`);
}

function contextOf(folder: string, name: string | undefined): Context {
  const { current, contexts } = readContexts(folder);
  const asked = name ?? current;
  if (asked === undefined)
    throw new OperatorError(
      'no server is known: log in with thingward login URL, or set THINGWARD_URL and THINGWARD_API_KEY',
    );
  const found = Object.hasOwn(contexts, asked) ? contexts[asked] : undefined;
  if (!found) throw new OperatorError(`there is no context ${asked}: thingward contexts list shows those there are`);
  return {
    ...found,
    url: requireUrl(found.url, `the address of the context ${asked}`),
    key: requireKey(found.key, `the key of the context ${asked}`),
  };
}

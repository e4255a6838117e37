import { createClient, ProblemError } from '../../src/client/client.js';
import type { components } from '../../src/client/generated/api.js';
import { now } from './clock.js';

/** The shapes of openapi.yaml. */
export type Schemas = components['schemas'];

const url = location.origin;

const fetchByItself: typeof fetch = (target, init) => {
  const headers = new Headers(init?.headers);
  headers.set('thingward-background', '1');
  return fetch(target, { ...init, headers });
};

// What is read long after somebody last touched the page is read because it became stale.
const touchMs = 10_000;
let touchedAt = now().getTime();
for (const event of ['pointerdown', 'keydown'])
  addEventListener(event, () => (touchedAt = now().getTime()), { capture: true, passive: true });

/** The public API, as the person who is signed in. */
export const api = createClient({
  url,
  retries: 1,
  fetch: (target, init) => {
    const isByItself = (init?.method ?? 'GET') === 'GET' && now().getTime() - touchedAt > touchMs;
    return isByItself ? fetchByItself(target, init) : fetch(target, init);
  },
});

/** The same for what a page asks by itself: it keeps nobody signed in. */
export const background = createClient({ url, retries: 1, fetch: fetchByItself });

/** Whether a failure is this kind of problem. */
export const isProblem = (error: unknown, code: string): boolean =>
  error instanceof ProblemError && error.code === code;

/** Whether nobody is signed in any more. */
export const isSignedOut = (error: unknown): boolean => error instanceof ProblemError && error.status === 401;

/** What went wrong and what to do next, in words for the reader. */
export function wordsOf(error: unknown): { title: string; detail: string } {
  if (error instanceof ProblemError) return { title: error.problem.title, detail: error.problem.detail };
  if (error instanceof Error && error.name === 'NotAllowedError')
    return { title: 'No passkey was shown', detail: 'The browser was closed, or it waited too long. Try again.' };
  if (error instanceof Error && error.name === 'InvalidStateError')
    return { title: 'This passkey is there already', detail: 'Use another device or browser profile.' };
  if (error instanceof TypeError)
    return { title: 'The server does not answer', detail: 'Check the connection, then try again.' };
  return { title: 'That did not work', detail: error instanceof Error ? error.message : String(error) };
}

import { TOTP, Secret } from 'otpauth';
import { expect } from 'vitest';
import type { Answer } from '../client.js';
import type { TestServer } from '../server.js';
import { createAuthenticator, type Authenticator } from './authenticator.js';

type Server = Pick<TestServer, 'as' | 'url' | 'now'>;

/** A browser on the pages of a server: it keeps cookies, and says where its requests come from. */
export function openBrowser(server: Server, headers: Record<string, string> = { 'sec-fetch-site': 'same-origin' }) {
  const cookies = new Map<string, string>();
  let last: string[] = [];

  const send = async (method: string, path: string, body?: unknown, more: Record<string, string> = {}) => {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const client = server.as(undefined);
    const answer = await client.send(method, path, body, { ...headers, ...(cookie ? { cookie } : {}), ...more });
    last = answer.headers.getSetCookie();
    for (const set of last) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(set)!;
      if (value === '') cookies.delete(name!);
      else cookies.set(name!, value!);
    }
    return answer;
  };
  return {
    cookies,
    /** Of the last answer. */
    setCookies: () => last,
    send,
    get: (path: string, more?: Record<string, string>) => send('GET', path, undefined, more),
    post: (path: string, body?: unknown, more?: Record<string, string>) => send('POST', path, body, more),
  };
}

export type Browser = ReturnType<typeof openBrowser>;

export const tokenOf = (link: string): string => link.split('#')[1]!;

/** Where passkeys of a test server belong. */
export const siteOfTest = ({ url }: Pick<TestServer, 'url'>): string => url.replace('127.0.0.1', 'localhost');

export const codeOf = (secret: string, at: Date): string =>
  new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: at.getTime() });

export type Person = { id: string; name: string; browser: Browser };

/** Accepts a link with a new passkey. */
export async function acceptByPasskey(
  server: Server,
  link: string,
  name?: string,
): Promise<Person & { authenticator: Authenticator }> {
  const browser = openBrowser(server);
  const authenticator = createAuthenticator(siteOfTest(server));
  const opened = await browser.post('/v1/sign-in/link', {
    token: tokenOf(link),
    ...(name === undefined ? {} : { name }),
  });
  expect(opened.status, opened.text).toBe(200);
  const response = authenticator.create(opened.body.passkey.options);
  const chosen = name === undefined ? {} : { name };
  const accepted = await browser.post('/v1/sign-in/link/passkey', { response, ...chosen });
  expect(accepted.status, accepted.text).toBe(200);
  return { id: accepted.body.id, name: accepted.body.name, browser, authenticator };
}

export type WithPassword = Person & { secret: string; password: string; recoveryCodes: string[] };

/** Accepts a link with a password and an authenticator app. */
export async function acceptByPassword(server: Server, link: string, name?: string): Promise<WithPassword> {
  const browser = openBrowser(server);
  const opened = await browser.post('/v1/sign-in/link', { token: tokenOf(link) });
  expect(opened.status, opened.text).toBe(200);
  const { secret } = opened.body.password.totp as { secret: string };
  const password = 'correct horse battery staple';
  const chosen = name === undefined ? {} : { name };
  const body = { ...chosen, password, code: codeOf(secret, server.now()) };
  const accepted = await browser.post('/v1/sign-in/link/password', body);
  expect(accepted.status, accepted.text).toBe(200);
  const { id, recoveryCodes } = accepted.body as { id: string; recoveryCodes: string[] };
  return { id, name: accepted.body.name, browser, secret, password, recoveryCodes };
}

/** Signs in with a passkey, in a browser of its own. */
export async function signInByPasskey(server: Server, authenticator: Authenticator): Promise<Browser> {
  const browser = openBrowser(server);
  const { body: options } = await browser.post('/v1/sign-in/passkey/options', {});
  const answer = await browser.post('/v1/sign-in/passkey', { response: authenticator.get(options) });
  expect(answer.status, answer.text).toBe(200);
  return browser;
}

/** Shows a passkey again. */
export async function stepUpByPasskey(browser: Browser, authenticator: Authenticator): Promise<Answer> {
  const { body: options } = await browser.post('/v1/sign-in/passkey/options', {});
  return browser.post('/v1/me/step-up', { response: authenticator.get(options) });
}

/** Follows revocations as a page does, until the first head is there: what ends a stream comes after it. Returns what waits for the end. */
export async function followStream({ url }: Server, { cookies }: Browser): Promise<() => Promise<void>> {
  const headers = { cookie: `thingward=${cookies.get('thingward')}`, accept: 'text/event-stream' };
  const response = await fetch(`${url}/v1/revocations/stream`, { headers });
  expect(response.status).toBe(200);
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let heard = '';
  while (!heard.includes('event: head')) {
    const { done, value } = await reader.read();
    if (done) throw new Error(`the stream ended: ${heard}`);
    heard += value;
  }
  return async () => {
    for (;;) if ((await reader.read()).done) return;
  };
}

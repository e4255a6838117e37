import { createHash, randomBytes } from 'node:crypto';
import { expect } from 'vitest';
import type { Answer } from '../client.js';
import type { TestServer } from '../server.js';
import type { Browser } from './browser.js';

/** What a command line keeps to itself, and what it shows of it (RFC 7636). */
export function newVerifier(): { codeVerifier: string; codeChallenge: string } {
  const codeVerifier = randomBytes(32).toString('base64url');
  return { codeVerifier, codeChallenge: createHash('sha256').update(codeVerifier).digest('base64url') };
}

/** The code that somebody's browser gets for a command line. */
export async function codeIn(browser: Browser, codeChallenge: string): Promise<string> {
  const { status, body, text } = await browser.post('/v1/me/command-line', { codeChallenge });
  expect(status, text).toBe(200);
  return body.code as string;
}

/** What a command line gets for a code. */
export const exchange = (server: Pick<TestServer, 'as'>, code: string, codeVerifier: string): Promise<Answer> =>
  server.as(undefined).post('/v1/sign-in/command-line', { code, codeVerifier });

/** A key for the command line of whoever is signed in in a browser. */
export async function keyOf(
  server: Pick<TestServer, 'as'>,
  browser: Browser,
): Promise<{ key: string; expiresAt: string }> {
  const { codeVerifier, codeChallenge } = newVerifier();
  const { status, body, text } = await exchange(server, await codeIn(browser, codeChallenge), codeVerifier);
  expect(status, text).toBe(200);
  return body as { key: string; expiresAt: string };
}

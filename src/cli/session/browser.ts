import { spawn } from 'node:child_process';
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createClient } from '../../client/client.js';
import { exitCodes, OperatorError } from './errors.js';

/** A key that somebody's browser brought, when it ends, and whose it is. */
export type BroughtKey = { key: string; expiresAt: string; account: string; person: { name: string } };

const waitMs = 10 * 60_000;
const done = 'You are logged in. You may close this page.\n';
const wrong = 'This page belongs to no login that waits here: run thingward login again.\n';

const secret = (): string => randomBytes(32).toString('base64url');
const digestOf = (verifier: string): string => createHash('sha256').update(verifier).digest('base64url');

/**
 * Gets a key from somebody who is signed in to the console, in a browser on this machine: RFC 8252 with a loopback address, RFC 7636.
 * Only this process knows the verifier, so a code that others see is of no use to them. @throws OperatorError
 */
export async function keyFromBrowser(url: string, say: (text: string) => void): Promise<BroughtKey> {
  const [verifier, state] = [secret(), secret()];
  const waiting = await waitForCode(state);
  try {
    const asked = new URLSearchParams({ port: String(waiting.port), state, challenge: digestOf(verifier) });
    const page = `${siteOf(url)}/console/command-line?${asked.toString()}`;
    say(
      `Open this page in a browser on this machine:\n\n  ${page}\n\nWithout a browser here, give a key: thingward login ${url} --key\n`,
    );
    open(page);
    const code = await waiting.code;
    return await createClient({ url }).post('/v1/sign-in/command-line', { body: { code, codeVerifier: verifier } });
  } finally {
    waiting.close();
  }
}

/** Where people sign in: this machine has a name there, because passkeys belong to names. */
function siteOf(url: string): string {
  const site = new URL(url);
  if (['127.0.0.1', '[::1]'].includes(site.hostname)) site.hostname = 'localhost';
  return site.href.replace(/\/$/, '');
}

/** Listens on an address of this machine alone for the browser that comes back. */
async function waitForCode(state: string): Promise<{ port: number; code: Promise<string>; close(): void }> {
  let settle: { resolve(code: string): void; reject(error: Error): void };
  const code = new Promise<string>((resolve, reject) => (settle = { resolve, reject }));
  const server = createServer((request, response) => {
    const found = readAnswer(request, state);
    answer(response, found === undefined ? 400 : 200);
    if (typeof found === 'string') settle.resolve(found);
    else if (found) settle.reject(found);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const late = new OperatorError('nobody confirmed the login in ten minutes: run it again', exitCodes.refused);
  const timer = setTimeout(() => settle.reject(late), waitMs);
  return {
    port: (server.address() as AddressInfo).port,
    code,
    close(): void {
      clearTimeout(timer);
      server.close();
      server.closeAllConnections();
    },
  };
}

/** The code that a browser brings, or that its person refused; undefined for whatever else comes. */
function readAnswer(
  { url = '/', method, headers }: IncomingMessage,
  state: string,
): string | OperatorError | undefined {
  // HAZARD: pages of other sites can make a browser ask here too, under other names. They do not know the state.
  if (method !== 'GET' || !/^127\.0\.0\.1:\d+$/.test(headers.host ?? '')) return undefined;
  const { pathname, searchParams } = new URL(url, 'http://127.0.0.1');
  if (pathname !== '/callback' || !isSame(searchParams.get('state') ?? '', state)) return undefined;
  const code = searchParams.get('code');
  if (code !== null) return code;
  return new OperatorError('the login was refused in the browser: no key was made', exitCodes.refused);
}

function isSame(given: string, expected: string): boolean {
  const [one, other] = [Buffer.from(given), Buffer.from(expected)];
  return one.length === other.length && timingSafeEqual(one, other);
}

function answer(response: ServerResponse, status: 200 | 400): void {
  response.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    connection: 'close',
  });
  response.end(status === 200 ? done : wrong);
}

const openers: Partial<Record<NodeJS.Platform, string>> = { darwin: 'open', linux: 'xdg-open' };

/** Opens a page where that is possible; it stands on the terminal in any case. */
function open(page: string): void {
  const opener = openers[process.platform];
  if (opener === undefined) return;
  const child = spawn(opener, [page], { stdio: 'ignore', detached: true });
  child.on('error', () => {});
  child.unref();
}

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { UsageError } from '../errors.js';
import { refusalOf, tooLarge, type Accept } from './local-socket.js';
import { mostMessageOctets } from './message.js';
import { problemOf, Refusal } from './refusal.js';

/** What is answered to whom. */
export type LocalHttp = { accept: Accept; counts(): object };

const mostConnections = 128;
const requestMs = 30_000;

/** Takes messages by `POST /publish` from this machine alone, and shows the queue at `GET /queue`. Resolves with its port. @throws AgentError */
export async function openLocalHttp(port: number, handlers: LocalHttp): Promise<{ port: number; servers: Server[] }> {
  const first = await listen('127.0.0.1', port, handlers);
  const { port: actual } = first.address() as AddressInfo;
  // A machine without IPv6 has no ::1.
  const second = await listen('::1', actual, handlers).catch((error: unknown) => {
    if (!['EADDRNOTAVAIL', 'EAFNOSUPPORT'].includes((error as NodeJS.ErrnoException).code ?? '')) {
      first.close();
      throw unusable(actual, error);
    }
    return undefined;
  });
  return { port: actual, servers: second ? [first, second] : [first] };
}

async function listen(host: string, port: number, handlers: LocalHttp): Promise<Server> {
  const server = createServer({ requestTimeout: requestMs, headersTimeout: requestMs }, (request, response) => {
    void respond(request, handlers).then((answer) => send(response, answer));
  });
  server.maxConnections = mostConnections;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  }).catch((error: unknown) => {
    throw host === '127.0.0.1' ? unusable(port, error) : error;
  });
  server.on('error', () => {});
  return server;
}

const unusable = (port: number, error: unknown): UsageError =>
  new UsageError(`port ${port} cannot be opened (${(error as Error).message}): give another with --http`);

type Answer = { status: number; body: object };

async function respond(request: IncomingMessage, { accept, counts }: LocalHttp): Promise<Answer> {
  try {
    refuseBrowsers(request);
    if (request.url === '/queue' && request.method === 'GET') return { status: 200, body: counts() };
    if (request.url !== '/publish' || request.method !== 'POST')
      throw new Refusal('not-found', 'send POST /publish, or GET /queue');
    if (!/^application\/json\s*(;|$)/i.test(request.headers['content-type'] ?? ''))
      throw new Refusal('not-json', 'send content-type: application/json');
    return { status: 202, body: { id: await accept(await bodyOf(request)) } };
  } catch (error) {
    const body = problemOf(refusalOf(error));
    return { status: body.status, body };
  }
}

/** A page in a browser can send requests to this machine, under another name that leads here. */
function refuseBrowsers({ headers, socket }: IncomingMessage): void {
  const port = socket.localPort!;
  const names = ['localhost', '127.0.0.1', '[::1]'].map((name) => `${name}:${port}`);
  const host = headers.host?.toLowerCase() ?? '';
  if (!names.includes(host)) throw new Refusal('forbidden', `the host must be one of ${names.join(', ')}`);
  if (headers.origin !== undefined || headers['sec-fetch-site'] !== undefined)
    throw new Refusal('forbidden', 'a request of a web page is not taken: leave origin and sec-fetch-site out');
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request) {
    size += (part as Buffer).length;
    if (size > mostMessageOctets) throw tooLarge();
    parts.push(part as Buffer);
  }
  return Buffer.concat(parts);
}

function send(response: ServerResponse, { status, body }: Answer): void {
  const text = JSON.stringify(body);
  const type = status < 300 ? 'application/json' : 'application/problem+json';
  // A body that is not read any further would be taken for the next request.
  const isOver = response.req.complete ? {} : { connection: 'close' };
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text), ...isOver });
  response.end(text);
}

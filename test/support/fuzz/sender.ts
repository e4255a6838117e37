import { Agent, request as open, type IncomingMessage } from 'node:http';
import type { Request } from './requests.js';

export type Outcome = { status: number; octets: number; fault?: string };

// A machine that is too slow for its database or for an answer within a minute is no fault of a request, one that it happens to every time is.
const mostRepeats = 5;
const isOfMachine = ({ status, fault = '' }: Outcome): boolean =>
  (status === 503 && fault.includes(':not-ready"')) || /^connection: (socket hang up|read ECONNRESET)/.test(fault);

const hangMs = 120_000;
const mostOctets = 1024 * 1024;
// Pages, and what readers of certificates fetch whole.
const mayBeLarge = /^GET (\/v1\/(?!policies\/lint)|\/crl\/|\/status\/|\/ca\/|\/docs|\/openapi)/;
// RFC 6749 §5.2 has a form of its own for errors.
const oauth = /^\/v1\/(token|introspect)/;

export function createSender(url: string, connections: number) {
  const { hostname, port } = new URL(url);
  const agent = new Agent({ keepAlive: true, maxSockets: connections, scheduling: 'fifo' });

  const send = async (request: Request): Promise<Outcome> => {
    for (let repeats = 0; ; repeats++) {
      const outcome = await sendOnce(request);
      if (repeats === mostRepeats || !isOfMachine(outcome)) return outcome;
      await new Promise((resolve) => setTimeout(resolve, 2000));
    }
  };

  const sendOnce = (request: Request): Promise<Outcome> =>
    new Promise((resolve) => {
      const { method, path, headers, body } = request;
      const length = body === undefined ? {} : { 'content-length': String(body.length) };
      const options = {
        agent,
        hostname,
        port,
        method,
        path: safePath(path),
        headers: { ...headers, ...length },
        timeout: hangMs,
      };
      let call;
      try {
        call = open(options);
      } catch {
        // The client itself refuses to write it.
        return resolve({ status: 0, octets: 0 });
      }
      call.on('response', (response) => void read(request, response).then(resolve));
      call.on('timeout', () => call.destroy(new Error('no answer')));
      call.on('error', (error) => resolve({ status: 0, octets: 0, fault: `connection: ${error.message}` }));
      call.end(body);
    });
  return { send, end: () => agent.destroy() };
}

async function read(request: Request, response: IncomingMessage): Promise<Outcome> {
  const { statusCode: status = 0, headers } = response;
  const type = headers['content-type'] ?? '';
  if (type.startsWith('text/event-stream')) {
    // A stream never ends by itself.
    response.destroy();
    return { status, octets: 0 };
  }
  const chunks: Buffer[] = [];
  let octets = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      octets += chunk.length;
      if (octets < 65_536) chunks.push(chunk);
    }
  } catch (error) {
    return { status, octets, fault: `cut off: ${(error as Error).message}` };
  }
  const fault = faultOf(request, status, type, Buffer.concat(chunks).toString(), octets);
  return { status, octets, ...(fault === undefined ? {} : { fault }) };
}

/** The providers of the pools are at addresses that the server does not ask. An answer to HEAD does not say so. */
const isElsewhere = ({ method, path }: Request, text: string): boolean =>
  text.includes('urn:thingward:problem:provider-away') || (method === 'HEAD' && path.startsWith('/v1/sign-in/oidc/'));

function faultOf(request: Request, status: number, type: string, text: string, octets: number): string | undefined {
  const { method, path } = request;
  if (status >= 500 && !(status === 503 && isElsewhere(request, text))) return `${status} ${text.slice(0, 300)}`;
  if (octets > mostOctets && !mayBeLarge.test(`${method} ${path}`)) return `an answer of ${octets} octets`;
  if (status < 400 || method === 'HEAD') return undefined;
  if (octets > 65_536) return `a problem of ${octets} octets`;
  return faultOfProblem(path, status, type, text);
}

function faultOfProblem(path: string, status: number, type: string, text: string): string | undefined {
  if (!/^application\/(problem\+)?json/.test(type)) return `${status} as ${type}: ${text.slice(0, 200)}`;
  const body = JSON.parse(text) as { type?: unknown; status?: unknown; detail?: unknown; error?: unknown };
  if (oauth.test(path) && typeof body.error === 'string') return undefined;
  const isProblem =
    type.startsWith('application/problem+json') && body.status === status && typeof body.detail === 'string';
  return isProblem && /^urn:thingward:problem:[a-z-]+$/.test(String(body.type))
    ? undefined
    : `no problem document: ${text.slice(0, 200)}`;
}

// What node:http does not write into a request line.
const safePath = (path: string): string => path.replace(/[\0- \u0100-\uffff]/g, encodeURIComponent);

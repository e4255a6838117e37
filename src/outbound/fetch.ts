import { lookup as lookUp } from 'node:dns/promises';
import { request as requestPlain, type ClientRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as requestTls } from 'node:https';
import { isIP } from 'node:net';
import { isListed, isPublic } from './reachable.js';

/** A URL was not asked, because it leads where no tenant may send the server, or its answer was too long. */
export class OutboundRefusal extends Error {
  override readonly name = 'OutboundRefusal';
}

type Found = { address: string; family: number };

type Deps = {
  /** Addresses and ranges that are reached although they are private; there, plain http is fine too. */
  listed: readonly string[];
  /** All addresses of a name. */
  resolve?: (host: string) => Promise<Found[]>;
  mostMs?: number;
  mostOctets?: number;
};

/** What is sent. */
export type Outgoing = {
  method?: string;
  headers?: Record<string, string>;
  body?: string | Uint8Array | undefined;
  signal?: AbortSignal | undefined;
};

/** Asks a URL that a tenant gave. @throws OutboundRefusal, or Error when nobody answers in time */
export type GuardedFetch = (url: string, outgoing?: Outgoing) => Promise<Response>;

const resolveAll = (host: string): Promise<Found[]> => lookUp(host, { all: true, verbatim: true });

/**
 * The one way to URLs that tenants give. A name is resolved once, every address that it has must be one of the internet or listed, and the
 * connection goes to an address that was checked: what the name says a moment later changes nothing. Redirects are answers like others,
 * and followed by nobody. Over plain http only listed addresses are reached.
 */
export function createGuardedFetch({
  listed,
  resolve = resolveAll,
  mostMs = 10_000,
  mostOctets = 262_144,
}: Deps): GuardedFetch {
  const isAllowed = (address: string, secure: boolean): boolean =>
    isListed(address, listed) || (secure && isPublic(address));

  const addressesOf = async (url: URL): Promise<Found[]> => {
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const family = isIP(host);
    const found = family === 0 ? await resolve(host) : [{ address: host, family }];
    if (found.length === 0) throw new Error(`${host} has no address`);
    const forbidden = found.some(({ address }) => !isAllowed(address, url.protocol === 'https:'));
    if (!forbidden) return found;
    const why = 'leads to a private address, or is not https';
    throw new OutboundRefusal(
      `${url.host} ${why}: use a public https URL, or have the operator list it in THINGWARD_OUTBOUND_ALLOW`,
    );
  };

  return async (text, { method = 'GET', headers = {}, body, signal } = {}) => {
    const url = new URL(text);
    if (!/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '')
      throw new OutboundRefusal('the URL needs http or https, and has no user name and no password in it');
    const limit = AbortSignal.timeout(mostMs);
    const ends = signal ? AbortSignal.any([signal, limit]) : limit;
    const found = await addressesOf(url);
    const options = {
      method,
      headers: { ...headers, ...lengthOf(body) },
      signal: ends,
      agent: false,
      lookup: fixed(found),
    };
    return ask(url, options as RequestOptions, body, mostOctets);
  };
}

const lengthOf = (body: Outgoing['body']) =>
  body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };

type Callback = (error: Error | null, address: string | Found[], family?: number) => void;

/** Answers every question for a name with the addresses that were checked. */
function fixed(found: Found[]) {
  return (_host: string, options: { all?: boolean }, done: Callback): void => {
    if (options.all) done(null, found);
    else done(null, found[0]!.address, found[0]!.family);
  };
}

function ask(url: URL, options: RequestOptions, body: Outgoing['body'], mostOctets: number): Promise<Response> {
  return new Promise((resolve, reject) => {
    const take = (answer: IncomingMessage): void => {
      read(answer, mostOctets).then((bytes) => resolve(toResponse(answer, bytes)), reject);
    };
    const sent: ClientRequest =
      url.protocol === 'https:' ? requestTls(url, options, take) : requestPlain(url, options, take);
    sent.once('error', reject);
    sent.end(body);
  });
}

async function read(answer: IncomingMessage, mostOctets: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let octets = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    octets += chunk.length;
    if (octets > mostOctets) {
      answer.destroy();
      throw new OutboundRefusal(`the answer has more than ${mostOctets} octets`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function toResponse({ statusCode = 502, headers }: IncomingMessage, bytes: Buffer): Response {
  const shown = Object.entries(headers).flatMap(([name, value]) =>
    [value ?? []].flat().map((each): [string, string] => [name, each]),
  );
  const isEmpty = [204, 205, 304].includes(statusCode);
  return new Response(isEmpty ? null : new Uint8Array(bytes), { status: statusCode, headers: shown });
}

import type { IncomingMessage } from 'node:http';
import type { Guest } from '../gate.js';

/** Names and values in turn, as Node reads and writes them. */
export type RawHeaders = string[];

const hopByHop = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
];

/** What a client may not say to the upstream: who it is, where it comes from, and what else the request should mean. */
const neverFromClients = new Set([
  ...hopByHop,
  'authorization',
  'content-length',
  'expect',
  'forwarded',
  'host',
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
  'x-original-method',
  'x-original-url',
  'x-original-uri',
  'x-original-host',
  'x-rewrite-url',
  'x-forwarded',
  'x-real-ip',
  'x-client-ip',
  'true-client-ip',
]);
const bodiless = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE']);
const neverFromServers = new Set(hopByHop);

/** A name as the most careless reader behind the edge would read it: CGI makes `_` of `-`. */
const canonical = (name: string): string => name.toLowerCase().replaceAll('_', '-');

function isFromEdge(name: string): boolean {
  return name.startsWith('x-thingward-') || name.startsWith('x-forwarded-');
}

/** What is wrong with how a request is framed or addressed: whoever reads it differently would see another request. */
export function framingFault({ url, headers, rawHeaders, httpVersionMinor }: IncomingMessage): string | undefined {
  // Of `http://host/path` and `*`, readers take different parts for the path (RFC 9112 §3.2).
  if (!url?.startsWith('/')) return 'the target has to be a path that begins with /';
  const count = (wanted: string): number =>
    rawHeaders.filter((name, at) => at % 2 === 0 && name.toLowerCase() === wanted).length;
  const coding = headers['transfer-encoding'];
  if (coding !== undefined && headers['content-length'] !== undefined)
    return 'it has Content-Length and Transfer-Encoding: send one of them';
  if (coding !== undefined && (coding.trim().toLowerCase() !== 'chunked' || count('transfer-encoding') > 1))
    return 'Transfer-Encoding: only chunked is read';
  if (coding !== undefined && httpVersionMinor === 0) return 'HTTP/1.0 has no Transfer-Encoding';
  if (count('content-length') > 1) return 'it has Content-Length twice';
  if (count('host') > 1) return 'it has Host twice';
  return undefined;
}

/** Whether a request has a body. */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? '0') > 0;
}

/** What the upstream gets of a request: what the client may say, with framing of the edge, and who the client is. */
export function toUpstream(message: IncomingMessage, guest: Guest, sourceIp: string, host: string): RawHeaders {
  const { headers } = message;
  const listed = listedIn(headers.connection);
  const kept = keep(
    message.rawHeaders,
    (name) => !neverFromClients.has(name) && !isFromEdge(name) && !listed.has(name),
  );
  // Node would send the empty body of a POST in chunks.
  const length = headers['content-length'] ?? (bodiless.has(message.method!) ? undefined : '0');
  const isChunked = headers['transfer-encoding'] !== undefined;
  return [
    ...['host', host],
    ...kept,
    ...(length === undefined || isChunked ? [] : ['content-length', length]),
    ...(isChunked ? ['transfer-encoding', 'chunked'] : []),
    ...['x-thingward-account', guest.account, 'x-thingward-thing', guest.thingName],
    ...['x-thingward-fingerprint', guest.fingerprint, 'x-forwarded-for', sourceIp],
  ];
}

/** What the client gets of an answer. Node sets the framing where the length is not said. */
export function toClient({ headers, rawHeaders }: IncomingMessage): RawHeaders {
  const listed = listedIn(headers.connection);
  return keep(rawHeaders, (name) => !neverFromServers.has(name) && !listed.has(name));
}

function keep(raw: RawHeaders, isKept: (name: string) => boolean): RawHeaders {
  return raw.filter((_, at) => isKept(canonical(raw[at - (at % 2)]!)));
}

function listedIn(connection: string | undefined): Set<string> {
  return new Set((connection ?? '').split(',').map((name) => canonical(name.trim())));
}

import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { hasBody, toClient, toUpstream } from './headers.js';
import { abandoned, destroyed, type Admitted } from './http-sessions.js';
import { problemOfEnding, sendRawProblem, type Problem } from './problems.js';
import type { Pace } from './pace.js';
import type { Ending } from '../proxy/sessions.js';
import type { HttpUpstream } from '../proxy/upstream.js';

/** What is wrong with a request for another protocol. Inside HTTP/2 or TLS there would be requests that nobody judges. */
export function upgradeFault(message: IncomingMessage): string | undefined {
  if (message.method !== 'GET' || hasBody(message)) return 'an upgrade is a GET without a body';
  if (message.httpVersion !== '1.1') return 'an upgrade needs HTTP/1.1';
  const wanted = (message.headers.upgrade ?? '').split(',').map((name) => name.trim().toLowerCase());
  if (wanted.length !== 1 || !/^[a-z0-9._/-]{1,64}$/.test(wanted[0]!))
    return 'Upgrade: name one protocol, such as websocket';
  if (/^(?:h2|http|tls|spdy)/.test(wanted[0]!))
    return `Upgrade: ${wanted[0]} is not passed on, because requests inside it cannot be judged`;
  return undefined;
}

type Brakes = ReturnType<Pace['brakes']>;

type Upgrade = {
  message: IncomingMessage;
  socket: Duplex;
  head: Buffer;
  admitted: Admitted;
  upstream: HttpUpstream;
  /** What octets go through in each direction. */
  brakes: Brakes;
  hold(abort: () => Promise<void>): (() => void) | Ending;
  failed(error: Error): void;
};

const away: Problem = {
  code: 'upstream-away',
  detail: 'the service behind this edge does not answer: try again later',
};

/** Asks the upstream for another protocol, and joins both sides when it agrees. Any other answer is passed on, and ends the connection. */
export function passUpgrade({ message, socket, head, admitted, upstream, brakes, hold, failed }: Upgrade): void {
  const headers = toUpstream(message, admitted.guest, admitted.sourceIp, upstream.host);
  const upgrade = ['connection', 'Upgrade', 'upgrade', message.headers.upgrade!];
  const request = upstream.request('GET', message.url!, [...headers, ...upgrade], true);
  let other: Duplex | undefined;
  const leave = hold(async () => void (await Promise.all([abandoned(request), other && destroyed(other)])));
  if (typeof leave !== 'function') {
    request.destroy();
    return sendRawProblem(socket, problemOfEnding(leave));
  }
  socket.once('close', () => {
    request.destroy();
    other?.destroy();
    brakes.up.destroy();
    brakes.down.destroy();
    leave();
  });
  request.once('error', (error) => {
    if (!socket.destroyed) failed(error);
    if (!other) sendRawProblem(socket, away);
  });
  request.once('response', (answer) => {
    writeHead(socket, answer, 'close');
    answer.once('error', () => socket.destroy());
    answer.pipe(socket);
  });
  request.once('upgrade', (answer, upstreamSocket: Duplex, upstreamHead: Buffer) => {
    other = upstreamSocket;
    if (socket.destroyed) return void other.destroy();
    writeHead(socket, answer, 'Upgrade');
    join(socket, other, brakes, head, upstreamHead);
  });
  request.end();
}

/** What comes from one goes to the other, until one of them ends. */
function join(client: Duplex, upstream: Duplex, { up, down }: Brakes, head: Buffer, upstreamHead: Buffer): void {
  upstream.on('error', () => {});
  upstream.once('close', () => client.destroy());
  if (upstreamHead.length > 0) down.write(upstreamHead);
  if (head.length > 0) up.write(head);
  client.pipe(up).pipe(upstream);
  upstream.pipe(down).pipe(client);
}

function writeHead(socket: Duplex, answer: IncomingMessage, connection: 'close' | 'Upgrade'): void {
  const kept = toClient(answer);
  const lines: string[] = [];
  for (let at = 0; at < kept.length; at += 2) lines.push(`${kept[at]}: ${kept[at + 1]}\r\n`);
  const upgrade = connection === 'Upgrade' ? `Upgrade: ${answer.headers.upgrade ?? ''}\r\n` : '';
  socket.write(
    `HTTP/1.1 ${answer.statusCode} ${answer.statusMessage ?? ''}\r\n${lines.join('')}${upgrade}Connection: ${connection}\r\n\r\n`,
    'latin1',
  );
}

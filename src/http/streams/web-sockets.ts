import type { FastifyInstance } from 'fastify';
import { ServerResponse, type IncomingMessage, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';

type Upgrade = { socket: Duplex; head: Buffer; response: ServerResponse };

const upgrades = new WeakMap<IncomingMessage, Upgrade>();

/**
 * Lets routes take WebSockets (RFC 6455): their requests pass every hook, and a refusal is an answer as ever. Other
 * upgrades are not taken, and their requests are answered as if they did not ask (RFC 9110 §7.8).
 */
export function installWebSockets(app: FastifyInstance): void {
  app.server.on('upgrade', (message: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (!asksForWebSocket(message)) return handBack(app.server, message, socket, head);
    socket.on('error', () => socket.destroy());
    const response = new ServerResponse(message);
    response.shouldKeepAlive = false;
    response.assignSocket(socket as Parameters<ServerResponse['assignSocket']>[0]);
    response.once('finish', () => socket.end());
    upgrades.set(message, { socket, head, response });
    app.routing(message, response);
  });
}

/** Whether the request may become a WebSocket. */
export function isWebSocket(message: IncomingMessage): boolean {
  return upgrades.has(message);
}

/** Accepts WebSockets whose messages have at most so many bytes. Call `reply.hijack()` before. */
export function createWebSockets(maxPayload: number) {
  const server = new WebSocketServer({ noServer: true, clientTracking: false, perMessageDeflate: false, maxPayload });
  return {
    /** Answers 101 and opens it at once; a handshake that is none gets 400, and nothing is opened. */
    accept(message: IncomingMessage, open: (webSocket: WebSocket, socket: Duplex) => void): void {
      const { socket, head, response } = upgrades.get(message)!;
      response.detachSocket(socket as Parameters<ServerResponse['detachSocket']>[0]);
      server.handleUpgrade(message, socket, head, (webSocket) => open(webSocket, socket));
    },
  };
}

function asksForWebSocket({ method, headers }: IncomingMessage): boolean {
  return method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket';
}

/**
 * Gives a connection back to the server, with the same request without what asks for an upgrade. Clients of HTTP/2 ask for
 * one with every request, and count on being answered anyway.
 */
function handBack(
  server: Server,
  { method, url, headers, rawHeaders }: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): void {
  let text = `${method} ${url} HTTP/1.1\r\n`;
  for (let n = 0; n < rawHeaders.length; n += 2) {
    if (!/^(?:upgrade|connection|http2-settings)$/i.test(rawHeaders[n]!))
      text += `${rawHeaders[n]}: ${rawHeaders[n + 1]}\r\n`;
  }
  if (/\bclose\b/i.test(headers.connection ?? '')) text += 'connection: close\r\n';
  socket.unshift(Buffer.concat([Buffer.from(`${text}\r\n`, 'latin1'), head]));
  server.emit('encrypted' in socket ? 'secureConnection' : 'connection', socket);
}

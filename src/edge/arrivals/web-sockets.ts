import { createServer, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { createWebSocketStream, WebSocketServer, type WebSocket } from 'ws';
import { clientAddress, type Addresses } from './client-address.js';
import type { Listener } from '../settings/config-shapes.js';
import type { Arrival } from '../proxy/listeners.js';
import { sendProblem, sendRawProblem, type Problem } from '../http-proxy/problems.js';

/** MQTT over a WebSocket that was opened. */
export type MqttStream = { stream: Duplex; arrival: Arrival; sourceIp: string };

type Deps = {
  listener: Extract<Listener, { path: string }>;
  trusted: Addresses | undefined;
  packetBytes: number;
  connectTimeout: number;
  opened(mqtt: MqttStream): void;
  refused(why: string, sourceIp: string): void;
};

// A frame may hold several packets, and must not be refused for it.
const room = 65_536;
const unsupportedData = 1003;

/** Takes WebSockets (MQTT 5.0 §6): subprotocol `mqtt`, binary frames, no compression. */
export function createWebSockets({ listener, trusted, packetBytes, connectTimeout, opened, refused }: Deps) {
  const arrivals = new WeakMap<Duplex, Arrival>();
  const server = createServer({
    maxHeaderSize: 16_384,
    headersTimeout: connectTimeout,
    requestTimeout: connectTimeout,
    connectionsCheckingInterval: Math.min(connectTimeout, 5000),
  });
  const webSockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: packetBytes + room,
    handleProtocols: (offered) => (offered.has('mqtt') ? 'mqtt' : false),
  });
  // Node looks for slow headers only in servers that listen; this one is given its connections.
  server.emit('listening');

  const accept = (message: IncomingMessage, socket: Duplex, head: Buffer): void => {
    socket.on('error', () => {});
    const arrival = arrivals.get(socket)!;
    const forwarded = message.headers['x-forwarded-for'];
    const sourceIp = clientAddress(arrival.sourceIp, forwarded === undefined ? [] : [String(forwarded)], trusted);
    const fault = faultOf(message, listener);
    if (fault) {
      refused(fault.detail, sourceIp);
      return sendRawProblem(socket, fault);
    }
    if (!arrival.place.moveTo(sourceIp))
      return sendRawProblem(socket, {
        code: 'too-many-requests',
        detail: 'this address has too many connections: try again later',
      });
    webSockets.handleUpgrade(message, socket, head, (webSocket) => {
      opened({ stream: binaryStream(webSocket), arrival, sourceIp });
    });
  };

  server.on('upgrade', accept);
  server.on('request', (_message, response) => {
    const detail = `here is MQTT over WebSocket: connect to ${listener.path} with the subprotocol mqtt`;
    sendProblem(response, { code: 'invalid-request', detail }, true);
  });
  server.on('clientError', (_error, socket) => void socket.destroy());

  return {
    receive(arrival: Arrival): void {
      arrivals.set(arrival.socket, arrival);
      server.emit('connection', arrival.socket);
    },
    close(): void {
      server.closeIdleConnections();
      server.close(() => {});
    },
  };
}

/** The octets of a WebSocket. Text frames end it (MQTT 5.0 §6.0: binary frames only). */
function binaryStream(webSocket: WebSocket): Duplex {
  // Before the listener of the stream, so that nothing of a text frame gets through.
  webSocket.on('message', (_data, isBinary) => {
    if (isBinary) return;
    webSocket.close(unsupportedData);
    stream.destroy();
  });
  const stream = createWebSocketStream(webSocket);
  stream.on('error', () => {});
  return stream;
}

function faultOf({ url, headers }: IncomingMessage, listener: Deps['listener']): Problem | undefined {
  if (url?.split('?', 1)[0] !== listener.path)
    return { code: 'not-found', detail: `MQTT over WebSocket is at ${listener.path}` };
  const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
  if (!offered.includes('mqtt')) return { code: 'invalid-request', detail: 'offer the subprotocol mqtt' };
  if (!isWelcome(headers.origin, listener))
    return { code: 'forbidden', detail: 'pages of this origin may not connect: add it to origins' };
  return undefined;
}

/**
 * Whether pages of an origin may connect. A browser shows a client certificate to any page that asks, so where there may
 * be one, origins have to be named. A token is something that a foreign page does not have.
 */
function isWelcome(origin: string | undefined, { origins, clientCertificates }: Deps['listener']): boolean {
  if (origin === undefined) return true;
  return origins ? origins.includes(origin) : clientCertificates === 'none';
}

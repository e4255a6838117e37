import type { EventEmitter } from 'node:events';
import { Agent as HttpAgent, request as httpRequest, type ClientRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { connect as connectTcp, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { createWebSocketStream, WebSocket } from 'ws';
import type { Guest } from '../gate.js';
import { readTextFile } from '../settings/config.js';
import type { EdgeFile } from '../settings/config-shapes.js';
import type { RawHeaders } from '../http-proxy/headers.js';
import { readAuthorities } from './tls-identity.js';

type MqttSettings = NonNullable<EdgeFile['upstream']['mqtt']>;
type HttpSettings = NonNullable<EdgeFile['upstream']['http']>;

/** How the edge presents itself to the broker, for a guest. */
export type UpstreamCredentials = { username: string | undefined; password: string | undefined };

export type MqttUpstream = ReturnType<typeof createMqttUpstream>;

const connectMs = 10_000;
// The limit of packets holds for devices; what a broker sends is bounded by MQTT itself (MQTT 5.0 §1.5.5).
const largestPacket = 268_435_460;
const defaultPorts: Readonly<Record<string, number>> = { 'mqtt:': 1883, 'mqtts:': 8883, 'ws:': 80, 'wss:': 443 };

/** The broker behind the edge. @throws EdgeConfigError for a file that cannot be read */
export function createMqttUpstream({ url, username, passwordFile, caFile }: MqttSettings) {
  const target = new URL(url);
  const ca = readAuthorities(caFile);
  const readPassword = () =>
    passwordFile === undefined ? undefined : readTextFile(passwordFile, 'a password').replace(/\r?\n$/, '');
  let password = readPassword();
  const host = hostOf(target);
  const port = Number(target.port || defaultPorts[target.protocol]);

  return {
    /** A connection to the broker, once it stands. @throws Error */
    dial(): Promise<Duplex> {
      if (target.protocol === 'mqtt:') {
        const socket = connectTcp({ host, port, noDelay: true });
        return standing(socket, socket, 'connect');
      }
      if (target.protocol === 'mqtts:') {
        const socket = connectTls({ host, port, ca, servername: nameOf(host), ALPNProtocols: ['mqtt'] });
        socket.setNoDelay(true);
        return standing(socket, socket, 'secureConnect');
      }
      const options = { perMessageDeflate: false, maxPayload: largestPacket, ca, handshakeTimeout: connectMs };
      const webSocket = new WebSocket(target, 'mqtt', options);
      return standing(createWebSocketStream(webSocket), webSocket, 'open');
    },

    /** What replaces the user name and password that a device sent. */
    credentialsFor: (guest: Guest): UpstreamCredentials => ({
      username: username
        ?.replaceAll('${account}', () => guest.account)
        .replaceAll('${thing.name}', () => guest.thingName),
      password,
    }),

    /** Reads the password again. @throws EdgeConfigError; the old one stays then */
    reload(): void {
      password = readPassword();
    },
  };
}

/** Waits until a stream stands, which `source` says with `event`. */
function standing(stream: Duplex, source: EventEmitter, event: string): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => stream.destroy(new Error('the upstream does not answer in time')), connectMs);
    const settle = (run: () => void) => (): void => {
      clearTimeout(timer);
      stream.off('error', failed).off('close', gone);
      run();
    };
    const failed = (error: Error): void => settle(() => reject(error))();
    const gone = (): void => settle(() => reject(new Error('the upstream closed the connection')))();
    stream.on('error', () => {});
    stream.once('error', failed).once('close', gone);
    source.once(
      event,
      settle(() => resolve(stream)),
    );
  });
}

export type HttpUpstream = ReturnType<typeof createHttpUpstream>;

/** The service behind the edge. @throws EdgeConfigError for a file that cannot be read */
export function createHttpUpstream({ url, caFile }: HttpSettings) {
  const target = new URL(url);
  const isTls = target.protocol === 'https:';
  const ca = readAuthorities(caFile);
  const options = { keepAlive: true, maxFreeSockets: 256, timeout: 60_000, noDelay: true, ...(ca && { ca }) };
  const agent = isTls ? new HttpsAgent(options) : new HttpAgent(options);
  const host = hostOf(target);
  const port = Number(target.port || (isTls ? 443 : 80));

  return {
    /** The value of the header Host. */
    host: target.host,

    /**
     * A request that nothing of was sent yet. `path` goes out as it is. `alone` has a connection to itself, which may become
     * something else than HTTP.
     */
    request(method: string, path: string, headers: RawHeaders, alone = false): ClientRequest {
      const send = isTls ? httpsRequest : httpRequest;
      const servername = isTls ? { servername: nameOf(host), ...(ca && { ca }) } : {};
      const request = send({
        host,
        port,
        method,
        path,
        headers,
        setHost: false,
        agent: alone ? false : agent,
        ...servername,
      });
      // One that is destroyed says so too, and nobody has to listen.
      request.on('error', () => {});
      request.once('socket', (socket: Socket) => {
        if (!socket.connecting) return;
        const timer = setTimeout(() => request.destroy(new Error('the upstream does not answer in time')), connectMs);
        socket.once(isTls ? 'secureConnect' : 'connect', () => clearTimeout(timer));
        request.once('close', () => clearTimeout(timer));
      });
      return request;
    },

    close: () => agent.destroy(),
  };
}

function hostOf({ hostname }: URL): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
}

/** The name for SNI, which an address is not (RFC 6066 §3). */
function nameOf(host: string): string {
  return /^[\d.]+$/.test(host) || host.includes(':') ? '' : host;
}

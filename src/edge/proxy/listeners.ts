import { createServer, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import type { Gate, Guest } from '../gate.js';
import type { Admission, Place } from '../arrivals/admission.js';
import { createAddresses, formatAddress } from '../arrivals/client-address.js';
import { isSecure, spokenAt } from '../settings/config.js';
import type { Listener, Spoken } from '../settings/config-shapes.js';
import { listenAt } from '../settings/listening.js';
import { takeProxyHeader } from '../arrivals/proxy-protocol.js';
import { identifyTls, readKeyPair, tlsOptions } from './tls-identity.js';
import type { Witness } from './witness.js';

/** A connection that may speak: its TLS is done and its client certificate is valid, as far as it has one. */
export type Arrival = {
  socket: Socket | TLSSocket;
  protocol: Spoken;
  sourceIp: string;
  /** SHA-256 of the client certificate in lower-case hex. */
  fingerprint: string | undefined;
  /** Whose certificate it is; undefined too while that cannot be found out. */
  guest: Guest | undefined;
  withoutCertificates: boolean;
  place: Place;
};

type Deps = {
  gate: Pick<Gate, 'isIssued' | 'identify'>;
  admission: Admission;
  witness: Pick<Witness, 'refused'>;
  connectTimeout: number;
  /** Where the settings name the listener. */
  place: string;
  /** Serves whoever arrives. */
  receive(arrival: Arrival): void;
};

/** A listener that is open. */
export type OpenListener = {
  listener: Listener;
  port: number;
  /** Reads certificate and key again. @throws EdgeConfigError; the old pair stays then */
  reload(): void;
  /** Accepts nothing more. */
  close(): void;
  /** Destroys what is still connected. */
  destroyAll(): void;
  /** Octets that came and went so far. */
  octets(): number;
};

/** Opens a port. @throws EdgeStartError when it cannot be had, EdgeConfigError for a certificate that cannot be used */
export async function openListener(listener: Listener, deps: Deps): Promise<OpenListener> {
  const { admission, witness, receive } = deps;
  const fronts = createAddresses(('proxyProtocol' in listener && listener.proxyProtocol) || []);
  const secure = isSecure(listener) ? openTls(listener, deps) : undefined;

  const sockets = new Set<Socket>();
  let passed = 0;

  const proceed = (socket: Socket, place: Place, sourceIp: string): void => {
    if (secure) return secure.accept(socket, { place, sourceIp });
    const protocol = spokenAt(listener);
    receive({ socket, protocol, sourceIp, fingerprint: undefined, guest: undefined, withoutCertificates: true, place });
  };

  const proceedBehind = async (socket: Socket, place: Place, peer: string): Promise<void> => {
    const header = await takeProxyHeader(socket);
    if (!header) return;
    if (header.source === undefined) return proceed(socket, place, peer);
    if (place.moveTo(header.source)) proceed(socket, place, header.source);
    else socket.destroy();
  };

  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => {});
    const peer = formatAddress(socket.remoteAddress ?? '');
    if (peer === undefined) return void socket.destroy();
    const isFront = fronts.has(peer);
    const place = admission.enter(peer, () => socket.destroy(), !isFront);
    if (!place) return void socket.destroy();
    sockets.add(socket);
    socket.once('close', () => {
      sockets.delete(socket);
      passed += octetsOf(socket);
      place.leave();
    });
    if (!isFront) return proceed(socket, place, peer);
    proceedBehind(socket, place, peer).catch((error: Error) => {
      witness.refused('malformed', { what: 'connect', why: 'proxy-header', sourceIp: peer, detail: error.message });
      socket.destroy();
    });
  });
  const { protocol: what, host } = listener;
  const port = await listenAt(server, { place: deps.place, what, host, port: listener.port });
  return {
    listener,
    port,
    reload: () => secure?.reload(),
    close: () => void server.close(),
    destroyAll: () => sockets.forEach((socket) => socket.destroy()),
    octets: () => [...sockets].reduce((sum, socket) => sum + octetsOf(socket), passed),
  };
}

function octetsOf({ bytesRead, bytesWritten }: Socket): number {
  return bytesRead + bytesWritten;
}

type Secure = Extract<Listener, { certFile: string }>;
type Known = { place: Place; sourceIp: string };

const alpnOf: Readonly<Record<Secure['protocol'], string[]>> = {
  mqtts: ['mqtt', 'x-amzn-mqtt-ca'],
  wss: ['http/1.1'],
  https: ['http/1.1'],
  'coaps+tcp': ['coap'],
};

function openTls(listener: Secure, { gate, witness, connectTimeout, receive }: Deps) {
  const { clientCertificates } = listener;
  const protocol = spokenAt(listener);
  const options = tlsOptions(clientCertificates, alpnOf[listener.protocol], connectTimeout);
  const server = createTlsServer({ ...options, ...readKeyPair(listener) });
  // TLS tells which connection it is about by its two ends alone.
  const known = new Map<string, Known>();

  server.on('tlsClientError', (_error, socket) => void socket.destroy());
  server.on('secureConnection', (socket) => {
    socket.on('error', () => {});
    const { place, sourceIp } = known.get(endsOf(socket)) ?? {};
    if (!place || sourceIp === undefined) return void socket.destroy();
    const letIn = async (): Promise<void> => {
      const identity = await identifyTls(socket, clientCertificates, gate);
      if (socket.destroyed) return;
      if (!('barred' in identity)) {
        const withoutCertificates = clientCertificates === 'none';
        return receive({ socket, protocol, sourceIp, ...identity, withoutCertificates, place });
      }
      witness.refused(identity.barred, { what: 'connect', why: identity.barred, sourceIp, detail: identity.detail });
      socket.destroy();
    };
    letIn().catch(() => socket.destroy());
  });

  return {
    accept(socket: Socket, who: Known): void {
      const ends = endsOf(socket);
      known.set(ends, who);
      socket.once('close', () => known.delete(ends));
      server.emit('connection', socket);
    },
    reload: () => server.setSecureContext({ ...readKeyPair(listener), minVersion: 'TLSv1.2' }),
  };
}

function endsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}

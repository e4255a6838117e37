import type { Gate } from '../gate.js';
import { createHttpProxy } from '../http-proxy/http-proxy.js';
import { createAddresses } from '../arrivals/client-address.js';
import type { CoapFront } from '../coap/front.js';
import { createStreamReceiver } from '../coap/streams.js';
import { isCoap, isWeb, type EdgeConfig } from '../settings/config.js';
import type { Listener } from '../settings/config-shapes.js';
import type { Arrival } from './listeners.js';
import type { createMqttFront } from './mqtt-front.js';
import type { Segments } from './segments.js';
import type { Sessions, Timers } from './sessions.js';
import type { HttpUpstream } from './upstream.js';
import { createWebSockets } from '../arrivals/web-sockets.js';
import type { Witness } from './witness.js';

type Deps = {
  gate: Gate;
  sessions: Sessions;
  segments: Segments;
  timers: Timers;
  witness: Witness;
  limits: EdgeConfig['limits'];
  /** The service, where a listener needs it. */
  service: HttpUpstream | undefined;
  /** What serves MQTT, where a listener needs it. */
  front: ReturnType<typeof createMqttFront> | undefined;
  /** What serves CoAP, likewise. */
  coap: CoapFront | undefined;
  isDraining(): boolean;
};

/** What does with a connection what its listener is for. */
export type Receiver = {
  receive(arrival: Arrival): void;
  /** Closes connections that wait for a request. */
  close(): void;
};

/** Serves the connections of one listener, by its protocol. */
export function createReceiver(listener: Listener, deps: Deps): Receiver {
  const { service, front, coap, witness, isDraining } = deps;
  const { connectTimeout, packetBytes } = deps.limits;
  const proxies = 'trustedProxies' in listener ? listener.trustedProxies : undefined;
  const trusted = proxies && createAddresses(proxies);
  if (isWeb(listener) && service) return createHttpProxy({ ...deps, upstream: service, trusted, connectTimeout });
  if (!front) throw new Error(`the listener ${listener.protocol} has no upstream`);
  if (isCoap(listener)) return createStreamReceiver(coap!, isDraining);
  if (!('path' in listener))
    return {
      receive: (arrival) => front.receive({ client: arrival.socket, sourceIp: arrival.sourceIp, arrival }),
      close: () => {},
    };
  return createWebSockets({
    listener,
    trusted,
    packetBytes,
    connectTimeout,
    opened: ({ stream, sourceIp, arrival }) => front.receive({ client: stream, sourceIp, arrival }),
    refused: (why, sourceIp) =>
      witness.refused('malformed', { what: 'connect', why: 'web-socket', sourceIp, detail: why }),
  });
}

import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Place } from '../arrivals/admission.js';
import { networkOf } from '../arrivals/client-address.js';
import type { Barred, Gate, Guest } from '../gate.js';
import type { MqttArrival } from '../proxy/mqtt-front.js';
import type { Timers } from '../proxy/sessions.js';
import type { Witness } from '../proxy/witness.js';
import { createCoapSession, type SessionOptions } from './session.js';

/** What CoAP needs of the edge. */
export type CoapDeps = {
  gate: Pick<Gate, 'identify'>;
  timers: Timers;
  witness: Pick<Witness, 'refused'>;
  /** Somebody showed so many wrong tokens that this one was not looked at. */
  flooded(sourceIp: string): void;
  /** Serves the sessions as MQTT. */
  front: { receive(arrival: MqttArrival): void };
};

/** A session that begins. */
export type Opening = Pick<SessionOptions, 'gone' | 'whenWritable' | 'ended' | 'token' | 'clientId'> & {
  protocol: 'coap' | 'coaps';
  sourceIp: string;
  fingerprint: string | undefined;
  withoutCertificates: boolean;
  place: Place;
};

/** What a request shows of its sender. */
export type Showing = { token: string | undefined; fingerprint: string | undefined; withoutCertificates: boolean };

export type CoapFront = ReturnType<typeof createCoapFront>;

// Wrong tokens of one address. A signature is verified for each.
const mostFailures = 50;
const failuresMs = 1000;
const mostAddresses = 10_000;

/** Opens sessions of CoAP, of whatever transport. */
export function createCoapFront({ gate, timers, witness, flooded, front }: CoapDeps) {
  const failures = new LRUCache<string, { count: number; since: number }>({ max: mostAddresses });
  const monotonic = (): number => performance.now();

  const countFailure = (network: string): void => {
    const known = failures.get(network);
    if (known && monotonic() - known.since < failuresMs) known.count++;
    else failures.set(network, { count: 1, since: monotonic() });
  };

  return {
    timers,
    monotonic,

    /** Whether an address showed so many wrong tokens that nothing more of it is looked at for a moment. */
    isFlooding(sourceIp: string): boolean {
      const known = failures.get(networkOf(sourceIp));
      const isFlood = known !== undefined && known.count >= mostFailures && monotonic() - known.since < failuresMs;
      if (isFlood) flooded(sourceIp);
      return isFlood;
    },

    /** Whose a token and a certificate are. A promise only when the control plane has to be asked. */
    identify({ token, fingerprint, withoutCertificates }: Showing): Guest | Barred | Promise<Guest | Barred> {
      return gate.identify({ token, fingerprint, withoutCertificates });
    },

    /** Somebody was not let in. */
    refused(sourceIp: string, { barred, detail }: Barred): void {
      countFailure(networkOf(sourceIp));
      witness.refused(barred, { what: 'connect', why: barred, sourceIp, detail });
    },

    /** Opens a session, which is judged as a connect of MQTT. */
    open(opening: Opening) {
      const { protocol, sourceIp, fingerprint, withoutCertificates, place } = opening;
      const session = createCoapSession({ ...opening, timers, monotonic });
      const arrival = { protocol, fingerprint, withoutCertificates, place };
      front.receive({ client: session.stream, sourceIp, arrival });
      return session;
    },
  };
}

/** Tells tokens apart, without keeping them. */
export const digestOf = (token: string): string => hash('sha256', token);

import type { ClientRequest } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Barred, Gate, Guest } from '../gate.js';
import type { Arrival } from '../proxy/listeners.js';
import type { Ending, Live, Sessions } from '../proxy/sessions.js';

/** A request that was let in. */
export type Admitted = { guest: Guest; resource: string; sourceIp: string };

/** A request that is open, and how its upstream side is destroyed. */
export type Exchange = Admitted & { abort(): Promise<void> };

type Connection = { arrival: Arrival; exchanges: Set<Exchange>; isSession: boolean };

// A client that sends requests without waiting for answers has this many open at the most.
const mostOpen = 32;

export type HttpSessions = ReturnType<typeof createHttpSessions>;

/**
 * What is live of HTTP. A connection with a client certificate is one session, with all of its requests. On another
 * connection every request may have another token, so each open request is a session; between requests nothing is live.
 */
export function createHttpSessions(gate: Pick<Gate, 'standing' | 'judge'>, sessions: Pick<Sessions, 'add'>) {
  const connections = new WeakMap<Duplex, Connection>();

  const endingOfExchange = ({ guest, resource, sourceIp }: Exchange, protocol: string): Ending | undefined => {
    const barred = gate.standing(guest);
    if (barred) return endingOf(barred);
    const { allowed, refusal } = gate.judge(guest, { action: 'request', resource, context: { protocol, sourceIp } });
    // Its holder is being asked about again; `standing` says when that took too long.
    if (allowed || refusal === 'cannot-decide') return undefined;
    return { code: 0x87, text: 'the right to this request ended' };
  };

  const liveOf = ({ arrival, exchanges }: Connection, guest: Guest, open: Set<Exchange>): Live => {
    const { protocol, sourceIp, fingerprint, socket } = arrival;
    return {
      guest: () => guest,
      protocol,
      sourceIp,
      fingerprint,
      recheck() {
        const barred = gate.standing(guest);
        if (barred) return endingOf(barred);
        for (const exchange of open) {
          const ending = endingOfExchange(exchange, protocol);
          if (ending) return ending;
        }
        return undefined;
      },
      isOver: () => socket.destroyed,
      // The connection is destroyed, so everything else that is open on it ends too.
      async end() {
        await Promise.all([destroyed(socket), ...[...exchanges].map((exchange) => exchange.abort())]);
      },
    };
  };

  return {
    /** Notes a connection. False when it may not be here. */
    connected(arrival: Arrival): boolean {
      const { guest, socket } = arrival;
      const connection: Connection = { arrival, exchanges: new Set(), isSession: guest !== undefined };
      connections.set(socket, connection);
      if (!guest) return true;
      const added = sessions.add(liveOf(connection, guest, connection.exchanges));
      if ('refused' in added) return false;
      socket.once('close', added.leave);
      return true;
    },

    /** The connection that a socket is. */
    arrivalOf: (socket: Duplex): Arrival | undefined => connections.get(socket)?.arrival,

    /**
     * Notes an open request, before anything of it reaches the upstream. Returns what to call when both of its sides are
     * done, or why it may not be open.
     */
    hold(socket: Duplex, exchange: Exchange): (() => void) | Ending {
      const connection = connections.get(socket);
      if (!connection || connection.exchanges.size >= mostOpen)
        return { code: 0x97, text: `this connection has ${mostOpen} open requests: wait for their answers` };
      const { exchanges, isSession, arrival } = connection;
      if (isSession) {
        const ending = endingOfExchange(exchange, arrival.protocol);
        if (ending) return ending;
        exchanges.add(exchange);
        return () => void exchanges.delete(exchange);
      }
      const added = sessions.add(liveOf(connection, exchange.guest, new Set([exchange])));
      if ('refused' in added) return added.refused;
      exchanges.add(exchange);
      return () => {
        exchanges.delete(exchange);
        added.leave();
      };
    },
  };
}

/** The reason code of MQTT 5 for somebody who may no longer be here. */
export function endingOf({ barred, detail }: Barred): Ending {
  if (barred === 'token-expired') return { code: 0xa0, text: detail };
  if (barred === 'away' || barred === 'cannot-decide') return { code: 0x89, text: detail };
  return { code: 0x98, text: detail };
}

/** Destroys a stream, and resolves when it is closed. */
export function destroyed(stream: Duplex): Promise<void> {
  return new Promise((resolve) => {
    if (stream.closed) return resolve();
    stream.once('close', () => resolve());
    stream.destroy();
  });
}

/** Destroys a request with its socket, and resolves when both are closed. */
export async function abandoned(request: ClientRequest): Promise<void> {
  const { socket } = request;
  const gone = new Promise<void>((resolve) => {
    if (request.closed) resolve();
    else request.once('close', () => resolve());
  });
  request.destroy();
  await Promise.all([gone, socket ? destroyed(socket) : undefined]);
}

import type { ClientRequest } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Barred, Gate, Guest } from '../gate.js';
import type { Arrival } from '../proxy/listeners.js';
import type { Segments } from '../proxy/segments.js';
import type { Ending, Live, Sessions } from '../proxy/sessions.js';
import type { Paced } from './pace.js';

/** A request that was let in. `limits` are those of its last judgement. */
export type Admitted = Paced & { resource: string; sourceIp: string };

/** A request that is open, and how its upstream side is destroyed. */
export type Exchange = { admitted: Admitted; abort(): Promise<void> };

type Connection = {
  arrival: Arrival;
  exchanges: Set<Exchange>;
  isSession: boolean;
  /** The segments that it counts for, with the number of its open requests. */
  counted: Map<string, { open: number; leave(): void }>;
};

// A client that sends requests without waiting for answers has this many open at the most.
const mostOpen = 32;

type Deps = {
  gate: Pick<Gate, 'standing' | 'judge' | 'segmentOf'>;
  sessions: Pick<Sessions, 'add'>;
  segments: Pick<Segments, 'enter'>;
};

export type HttpSessions = ReturnType<typeof createHttpSessions>;

/**
 * What is live of HTTP. A connection with a client certificate is one session, with all of its requests. On another
 * connection every request may have another token, so each open request is a session; between requests nothing is live.
 */
export function createHttpSessions({ gate, sessions, segments }: Deps) {
  const connections = new WeakMap<Duplex, Connection>();

  const endingOfExchange = ({ admitted }: Exchange, protocol: string): Ending | undefined => {
    const { guest, resource, sourceIp } = admitted;
    const barred = gate.standing(guest);
    if (barred) return endingOf(barred);
    const { allowed, refusal, limits } = gate.judge(guest, {
      action: 'request',
      resource,
      context: { protocol, sourceIp },
    });
    if (allowed) admitted.limits = limits;
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

  /** Puts an open request among those that a change may end. Returns what takes it out again, or why it may not be open. */
  const open = (connection: Connection, exchange: Exchange): (() => void) | Ending => {
    const { exchanges, isSession, arrival } = connection;
    const added = isSession
      ? undefined
      : sessions.add(liveOf(connection, exchange.admitted.guest, new Set([exchange])));
    if (added && 'refused' in added) return added.refused;
    const ending = isSession ? endingOfExchange(exchange, arrival.protocol) : undefined;
    if (ending) return ending;
    exchanges.add(exchange);
    return () => {
      exchanges.delete(exchange);
      added?.leave();
    };
  };

  /** Counts a connection for the segment of a request: once, however many requests are open. Returns what ends that. */
  const enter = ({ counted, isSession }: Connection, { guest, limits }: Admitted): (() => void) | Ending => {
    const segment = limits === undefined ? undefined : gate.segmentOf(guest);
    if (segment === undefined) return () => {};
    let entry = counted.get(segment);
    if (!entry) {
      const { refused, leave } = segments.enter(segment, limits);
      if (refused) {
        leave();
        return refused;
      }
      entry = { open: 0, leave };
      counted.set(segment, entry);
    }
    const present = entry;
    present.open++;
    return () => {
      present.open--;
      if (isSession || present.open > 0 || counted.get(segment) !== present) return;
      counted.delete(segment);
      present.leave();
    };
  };

  return {
    /** Notes a connection. False when it may not be here. */
    connected(arrival: Arrival): boolean {
      const { guest, socket } = arrival;
      const connection: Connection = {
        arrival,
        exchanges: new Set(),
        isSession: guest !== undefined,
        counted: new Map(),
      };
      connections.set(socket, connection);
      socket.once('close', () => {
        const left = [...connection.counted.values()];
        connection.counted.clear();
        for (const { leave } of left) leave();
      });
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
      const uncount = enter(connection, exchange.admitted);
      if (typeof uncount !== 'function') return uncount;
      const leave = open(connection, exchange);
      if (typeof leave !== 'function') uncount();
      if (typeof leave !== 'function') return leave;
      return () => {
        leave();
        uncount();
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

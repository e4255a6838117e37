import { networkOf } from './client-address.js';

/** What admission counts. */
export type AdmissionLimits = {
  connections: number;
  unauthenticated: number;
  perAddress: number;
  connectTimeout: number;
};

/** Why a connection is not let in, or is ended before it showed who it is. */
export type Crowded = 'connections' | 'perAddress' | 'unauthenticated' | 'connectTimeout';

type Options = {
  limits: AdmissionLimits;
  timers: { set(run: () => void, ms: number): unknown; clear(timer: unknown): void };
  /** Hears of each connection that a limit ends. */
  refused(why: Crowded, address: string): void;
};

/** The place of one connection among all. */
export type Place = {
  /** Another address counts from now on, the one that a proxy in front named. False when it has too many. */
  moveTo(address: string): boolean;
  /** It has shown who it is: no time limit any longer. */
  authenticated(): void;
  leave(): void;
};

export type Admission = ReturnType<typeof createAdmission>;

/**
 * Who may be connected at the same time. Where too many have not shown who they are, the oldest of them goes: a flood of
 * half-open connections then costs the flood its own connections, and nobody else has to wait.
 */
export function createAdmission({ limits, timers, refused }: Options) {
  // In the order of arrival, which a Map keeps.
  const waiting = new Map<symbol, () => void>();
  const ofAddress = new Map<string, number>();
  let connections = 0;

  const add = (network: string, count: number): void => {
    const sum = (ofAddress.get(network) ?? 0) + count;
    if (sum > 0) ofAddress.set(network, sum);
    else ofAddress.delete(network);
  };
  const isFull = (network: string): boolean => (ofAddress.get(network) ?? 0) >= limits.perAddress;

  const dropOldest = (): void => {
    for (const [key, drop] of waiting) {
      waiting.delete(key);
      return drop();
    }
  };

  return {
    /**
     * Takes a place for a connection, or says that there is none. `counted` is false for a proxy in front, whose clients
     * are counted by their own addresses. `end` is called when a limit ends the connection later.
     */
    enter(address: string, end: () => void, counted = true): Place | undefined {
      let network = counted ? networkOf(address) : undefined;
      if (connections >= limits.connections) return void refused('connections', address);
      if (network !== undefined && isFull(network)) return void refused('perAddress', address);
      let left = false;
      const key = Symbol('place');
      const drop = (why: Crowded) => (): void => {
        refused(why, address);
        end();
      };
      const timer = timers.set(drop('connectTimeout'), limits.connectTimeout);
      const settle = (): void => {
        timers.clear(timer);
        waiting.delete(key);
      };
      if (waiting.size >= limits.unauthenticated) dropOldest();
      waiting.set(key, () => {
        timers.clear(timer);
        drop('unauthenticated')();
      });
      connections++;
      if (network !== undefined) add(network, 1);
      return {
        moveTo(next) {
          const wanted = networkOf(next);
          if (left || wanted === network) return !left;
          if (isFull(wanted)) {
            refused('perAddress', next);
            return false;
          }
          if (network !== undefined) add(network, -1);
          network = wanted;
          address = next;
          add(wanted, 1);
          return true;
        },
        authenticated: settle,
        leave() {
          if (left) return;
          left = true;
          settle();
          connections--;
          if (network !== undefined) add(network, -1);
        },
      };
    },

    /** How many there are, and how many of them have not shown who they are. */
    counts: () => ({ connections, unauthenticated: waiting.size, addresses: ofAddress.size }),
  };
}

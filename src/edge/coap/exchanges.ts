import { emptyDatagram, type } from '../coap-messages/datagrams.js';
import type { Timers } from '../proxy/sessions.js';

/** A request, as far as its duplicates have to be told from it. */
export type Exchange = {
  /** What the sender gets again for a duplicate; undefined while nothing was sent. */
  again: Buffer | undefined;
};

/** How a confirmable message ended. */
export type Fate = 'acknowledged' | 'reset' | 'silent';

type Confirming = { write(id: number): Buffer; done(fate: Fate): void };

type Deps = {
  timers: Timers;
  /** Milliseconds, which never go back. */
  monotonic(): number;
  /** Where the waiting time lies within its range: 0 to 1. */
  random(): number;
  firstId: number;
  send(bytes: Buffer): void;
};

// RFC 7252 §4.8.
const ackTimeoutMs = 2000;
const ackRandomFactor = 1.5;
const maxRetransmit = 4;
const exchangeLifetimeMs = 247_000;
const mostExchanges = 256;
const mostWaiting = 64;
const mostUnconfirmed = 32;

export type Exchanges = ReturnType<typeof createExchanges>;

/** What one end of UDP has under way: duplicates of requests, and messages that are sent again until they are acknowledged. */
export function createExchanges({ timers, monotonic, random, firstId, send }: Deps) {
  const requests = new Map<number, Exchange & { at: number }>();
  const unconfirmed = new Map<number, () => void>();
  let waiting: Confirming[] = [];
  let current: { id: number; confirming: Confirming } | undefined;
  let timer: unknown;
  let lastId = firstId;
  let isOver = false;

  const nextId = (): number => (lastId = (lastId + 1) & 0xffff);

  /** One message waits for its acknowledgement at a time (NSTART, RFC 7252 §4.7). */
  const next = (): void => {
    const confirming = current ? undefined : waiting.shift();
    if (!confirming) return;
    const id = nextId();
    current = { id, confirming };
    const bytes = confirming.write(id);
    send(bytes);
    wait(bytes, ackTimeoutMs * (1 + random() * (ackRandomFactor - 1)), 0);
  };

  const wait = (bytes: Buffer, ms: number, tries: number): void => {
    timer = timers.set(() => {
      if (tries >= maxRetransmit) return settle('silent');
      send(bytes);
      wait(bytes, 2 * ms, tries + 1);
    }, ms);
  };

  const settle = (fate: Fate): void => {
    const settled = current;
    timers.clear(timer);
    current = undefined;
    settled?.confirming.done(fate);
    next();
  };

  const forgetOld = (): void => {
    for (const [id, { at }] of requests) {
      if (monotonic() - at <= exchangeLifetimeMs && requests.size <= mostExchanges) return;
      requests.delete(id);
    }
  };

  return {
    /** The request that a message repeats. */
    find: (id: number): Exchange | undefined => {
      forgetOld();
      return requests.get(id);
    },

    /** Notes a request, so that its duplicates are known. */
    begin(id: number): Exchange {
      const exchange = { again: undefined, at: monotonic() };
      requests.delete(id);
      requests.set(id, exchange);
      forgetOld();
      return exchange;
    },

    /** Sends a message until it is acknowledged. */
    confirm(write: (id: number) => Buffer, done: (fate: Fate) => void): void {
      // The last words of a session are said once.
      if (isOver) send(write(nextId()));
      if (isOver || waiting.length >= mostWaiting) return done('silent');
      waiting.push({ write, done });
      next();
    },

    /** Sends a message once. `reset` is called if its receiver does not want it. */
    tell(write: (id: number) => Buffer, reset: () => void): void {
      const id = nextId();
      unconfirmed.delete(id);
      unconfirmed.set(id, reset);
      if (unconfirmed.size > mostUnconfirmed) unconfirmed.delete(unconfirmed.keys().next().value!);
      send(write(id));
    },

    /** An acknowledgement or a reset came. */
    settled(id: number, fate: Exclude<Fate, 'silent'>): void {
      if (current?.id === id) return settle(fate);
      const reset = fate === 'reset' ? unconfirmed.get(id) : undefined;
      unconfirmed.delete(id);
      reset?.();
    },

    acknowledge: (id: number): Buffer => {
      const bytes = emptyDatagram(type.acknowledgement, id);
      send(bytes);
      return bytes;
    },

    /** Sends nothing more again. */
    close(): void {
      isOver = true;
      timers.clear(timer);
      const left = [...(current ? [current.confirming] : []), ...waiting];
      current = undefined;
      waiting = [];
      for (const { done } of left) done('silent');
    },
  };
}

import { classOf } from '../coap-messages/codes.js';
import { emptyDatagram, type, writeDatagram, type Datagram } from '../coap-messages/datagrams.js';
import type { Request } from '../coap-messages/requests.js';
import type { Timers } from '../proxy/sessions.js';
import type { Answer, Room } from './answers.js';
import type { Exchange, Exchanges } from './exchanges.js';
import type { Channel } from './observations.js';
import type { CoapSession } from './session.js';

type Deps = {
  exchanges: Exchanges;
  timers: Timers;
  /** Milliseconds, which never go back. */
  monotonic(): number;
  send(bytes: Buffer): void;
  session(): CoapSession;
};

// Sooner than a device sends its request again (ACK_TIMEOUT, RFC 7252 §4.8).
const separateMs = 1500;
// A device that acknowledged nothing for so long may not be there, or may not have asked.
const trustedMs = 60_000;
/** What fits into a datagram on most paths (RFC 7252 §4.6). */
const room: Room = { whole: 1024, block: 1024 };

/** Whether a class of answers is wanted (RFC 7967 §2.1). */
export const isWanted = (code: number, unwanted: number): boolean => (unwanted & (1 << (classOf(code) - 1))) === 0;

export type DatagramPeer = ReturnType<typeof createDatagramPeer>;

/** One device at one end of UDP: its requests, their answers, and its notifications. */
export function createDatagramPeer({ exchanges, timers, monotonic, send, session }: Deps) {
  let isHeardAt = -Infinity;

  /** Answers with the acknowledgement where that is still possible (RFC 7252 §5.2). */
  const respond = (request: Datagram, exchange: Exchange, isSeparate: boolean, answer: Answer): void => {
    const write = (kind: number, id: number): Buffer =>
      writeDatagram({ ...answer, type: kind, id, token: request.token });
    if (request.type === type.nonConfirmable)
      exchanges.tell(
        (id) => write(type.nonConfirmable, id),
        () => {},
      );
    else if (isSeparate) exchanges.confirm((id) => write(type.confirmable, id), heard);
    else {
      exchange.again = write(type.acknowledgement, request.id);
      send(exchange.again);
    }
    answer.sent?.();
  };

  const heard = (fate: string): void => {
    if (fate !== 'silent') isHeardAt = monotonic();
  };

  const channelOf = ({ token, type: kind }: Datagram): Channel => {
    const key = token.toString('hex');
    const octets = Buffer.from(token);
    return {
      key,
      room: () => room,
      notify(answer, done) {
        const write = (how: number) => (id: number) => writeDatagram({ ...answer, type: how, id, token: octets });
        const isOver = session().over() !== undefined;
        // One who acknowledges nothing could be somebody else, whose address a device has borrowed.
        const isTold = kind === type.nonConfirmable && monotonic() - isHeardAt < trustedMs;
        if (isOver || isTold) {
          exchanges.tell(write(type.nonConfirmable), () => session().stop(key));
          return done(true);
        }
        exchanges.confirm(write(type.confirmable), (fate) => {
          heard(fate);
          // What is silent in one observation is so in all of them (RFC 7641 §4.5).
          if (fate === 'silent') session().stopAll();
          done(fate === 'acknowledged');
        });
      },
    };
  };

  return {
    /** Takes a request of this device. */
    take(datagram: Datagram, request: Request): void {
      const { id, type: kind } = datagram;
      const known = exchanges.find(id);
      if (known) return void (known.again && send(known.again));
      const exchange = exchanges.begin(id);
      let isSeparate = false;
      const acknowledge = (): void => {
        isSeparate = true;
        exchange.again = exchanges.acknowledge(id);
      };
      const timer = kind === type.confirmable ? timers.set(acknowledge, separateMs) : undefined;
      const qos = kind === type.confirmable ? 1 : 0;
      void session()
        .answer(request, channelOf(datagram), qos)
        .then((answer) => {
          timers.clear(timer);
          if (isWanted(answer.code, request.unwanted)) return respond(datagram, exchange, isSeparate, answer);
          if (kind === type.confirmable && !isSeparate) acknowledge();
          answer.sent?.();
        });
    },

    /** An acknowledgement or reset came. */
    settled(id: number, fate: 'acknowledged' | 'reset'): void {
      exchanges.settled(id, fate);
    },

    close: () => exchanges.close(),
  };
}

/** The answer to somebody who has no session: nothing is kept for it, and no duplicate is told from it. */
export function statelessAnswer(request: Datagram, answer: Answer, id: number, most: number): Buffer {
  const kind = request.type === type.confirmable ? type.acknowledgement : type.nonConfirmable;
  const head = { type: kind, id: kind === type.acknowledgement ? request.id : id, token: request.token };
  const full = writeDatagram({ ...answer, ...head });
  // Words are left out where they would make of a small request a large answer, for somebody else.
  return full.length <= most
    ? full
    : writeDatagram({ ...head, code: answer.code, options: [], payload: Buffer.alloc(0) });
}

/** A reset of a message that nobody can do anything with (RFC 7252 §4.2). */
export const resetOf = (id: number): Buffer => emptyDatagram(type.reset, id);

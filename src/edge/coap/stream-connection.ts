import { classOf, signal } from '../coap-messages/codes.js';
import type { Message } from '../coap-messages/datagrams.js';
import { CoapFault } from '../coap-messages/fault.js';
import { isCritical, numberOf, numberOption } from '../coap-messages/options.js';
import { longestAccessToken } from '../coap-messages/requests.js';
import { createMessageStream, writeStreamMessage } from '../coap-messages/streams.js';
import type { Arrival } from '../proxy/listeners.js';
import type { Timers } from '../proxy/sessions.js';
import { largestBody, type Room } from './answers.js';

type Parts = {
  socket: Arrival['socket'];
  timers: Timers;
  /** Milliseconds, which never go back. */
  monotonic(): number;
  request(message: Message): void;
  /** True while no more should be read. */
  isFull(): boolean;
  /** The other side left, or said what is no CoAP. */
  left(text: string): void;
};

// Options of CSM (RFC 8323 §5.3).
const maxMessageSize = 2;
const blockWiseTransfer = 4;
// What a message has beside its body.
const largestMessage = largestBody + longestAccessToken + 8192;
const leastMessage = 1152;
const around = 128;
const block = 1024;
const pingMs = 120_000;
const pongMs = 30_000;
const lingerMs = 40;
const mostUnsent = 262_144;
const longestText = 200;
const none = Buffer.alloc(0);

export type StreamConnection = ReturnType<typeof createStreamConnection>;

/** One connection of CoAP over TCP or TLS (RFC 8323): its messages, its signals, and its end. */
export function createStreamConnection({ socket, timers, monotonic, request, isFull, left }: Parts) {
  let hasCsm = false;
  let peerMessage = leastMessage;
  let isOver = false;
  let heardAt = monotonic();
  const gone = new Promise<void>((resolve) => {
    if (socket.closed) resolve();
    else socket.once('close', () => resolve());
  });

  const send = (message: Message): void => void (isOver || socket.write(writeStreamMessage(message)));
  const signalWith = (code: number, more: Partial<Message> = {}): void =>
    send({ code, token: none, options: [], payload: none, ...more });

  const abortWith = (text: string): void => {
    signalWith(signal.abort, { payload: Buffer.from(text.slice(0, longestText), 'utf8') });
    close();
  };

  const close = (): void => {
    if (isOver) return;
    isOver = true;
    timers.clear(timer);
    socket.end();
    timers.set(() => socket.destroy(), lingerMs);
  };
  const abort = (text: string): void => {
    abortWith(text);
    left(text);
  };

  const whenWritable = (run: () => void): void => {
    if (socket.writableLength < mostUnsent || socket.destroyed) return run();
    const go = (): void => {
      socket.off('drain', go).off('close', go);
      run();
    };
    socket.on('drain', go).on('close', go);
  };

  const takeSignal = ({ code, options, token }: Message): void => {
    const unknown = options.find(({ number }) => isCritical(number));
    if (unknown) return abort(`option ${unknown.number} of a signal is unknown`);
    if (code === signal.csm) {
      const size = options.find(({ number }) => number === maxMessageSize);
      if (size) peerMessage = Math.max(numberOf(size.value), leastMessage);
    } else if (code === signal.ping) signalWith(signal.pong, { token });
    else if (code === signal.release || code === signal.abort) {
      close();
      left('it left');
    }
  };

  const take = (message: Message): boolean => {
    const { code } = message;
    if (!hasCsm && code !== signal.csm) abort('the first message has to be CSM');
    else if (classOf(code) === 7) takeSignal(message);
    // An empty message keeps the connection alive; an answer is to nothing that was asked (RFC 8323 §3.4, §4.1).
    else if (classOf(code) === 0 && code !== 0) request(message);
    hasCsm = true;
    return !isOver;
  };

  const mustWait = (): boolean => isFull() || socket.writableLength > mostUnsent;
  const messages = createMessageStream(largestMessage, { take, isFull: mustWait });
  const watch = (): void => {
    const silence = monotonic() - heardAt;
    if (silence >= pingMs + pongMs) return abort('no answer to a ping');
    if (silence >= pingMs) signalWith(signal.ping);
    timer = timers.set(watch, silence >= pingMs ? pongMs : pingMs - silence);
  };
  let timer = timers.set(watch, pingMs);

  const guard = (work: () => void): void => {
    try {
      work();
    } catch (error) {
      abort(error instanceof CoapFault ? error.message : 'this connection failed');
    }
  };

  /** Reads on only while its requests find their sessions, and its answers are taken. */
  const breathe = (): void => {
    if (!mustWait()) guard(messages.resume);
    if (mustWait() && !socket.isPaused()) {
      socket.pause();
      whenWritable(breathe);
    } else if (!mustWait() && socket.isPaused()) socket.resume();
  };

  socket.on('data', (bytes: Buffer) => {
    heardAt = monotonic();
    guard(() => messages.push(bytes));
    breathe();
  });
  socket.once('close', () => {
    isOver = true;
    timers.clear(timer);
    left('it left');
  });
  signalWith(signal.csm, {
    options: [numberOption(maxMessageSize, largestMessage), { number: blockWiseTransfer, value: none }],
  });

  return {
    send,
    abort,
    whenWritable,
    breathe,

    /** Says why, and ends it. */
    close: abortWith,

    /** Resolves when its socket is destroyed. */
    gone,
    isOver: () => isOver,

    /** What fits into one message for the other side. */
    room: (): Room => ({ whole: Math.min(peerMessage, largestMessage) - around, block }),
  };
}

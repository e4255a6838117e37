import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import { textFrames } from './frames.js';
import { closeCodes } from './streams.js';

/** How many questions of one stream may be without an answer. */
export const mostInFlight = 1000;

// Who does not read its answers is not read from.
const mostWaitingBytes = 1024 * 1024;
const pingMs = 30_000;
// A server that stops does not wait for who does not say goodbye.
const goodbyeMs = 2000;

type Deps = {
  /** Runs work when it is the caller's turn. @throws DomainError `too-many-requests` */
  inTurn(work: () => void): void;
  /** The answer to a message, JSON. Never throws. */
  answer(text: string): string | Promise<string>;
  failed(id: null, failure: unknown): string;
  /** Called once, when it is closed. */
  closed(): void;
};

/** Asks and answers on one WebSocket. Returns what ends it, once every question that was taken has its answer. */
export function converse(webSocket: WebSocket, socket: Duplex, { inTurn, answer, failed, closed }: Deps) {
  let [inFlight, unsent, isAlive] = [0, 0, true];
  let answers: string[] = [];
  // What came in one piece with the last that was admitted: reading stops there.
  const waiting: string[] = [];
  let ending: { code: number; reason: string } | undefined;

  const breathe = (): void => {
    const isFull =
      waiting.length > 0 || inFlight >= mostInFlight || webSocket.bufferedAmount + unsent > mostWaitingBytes;
    if (isFull || ending) webSocket.pause();
    else if (webSocket.isPaused) webSocket.resume();
  };

  const flush = (): void => {
    const texts = answers;
    answers = [];
    unsent = 0;
    // What is answered before the goodbye goes before it; after it, nobody reads answers.
    if (webSocket.readyState !== webSocket.OPEN) return;
    if (texts.length > 0) socket.write(textFrames(texts));
    breathe();
  };

  // The answers of one turn leave together: a system call for each, or a few chunks, cost more than the answer.
  const write = (text: string): void => {
    if (answers.length === 0) setImmediate(flush);
    answers.push(text);
    unsent += text.length;
  };

  const end = (code: number, reason: string): void => {
    ending ??= { code, reason };
    breathe();
    if (inFlight > 0) return;
    flush();
    // The answer to the closing frame has to be read.
    webSocket.resume();
    webSocket.close(ending.code, ending.reason);
    setTimeout(() => webSocket.terminate(), goodbyeMs).unref();
  };

  const settle = (text: string): void => {
    inFlight--;
    write(text);
    if (ending) end(ending.code, ending.reason);
    else askMore();
  };

  const askMore = (): void => {
    while (waiting.length > 0 && inFlight < mostInFlight) ask(waiting.shift()!);
    breathe();
  };

  const ask = (text: string): void => {
    inFlight++;
    try {
      inTurn(() => {
        const told = answer(text);
        if (typeof told === 'string') settle(told);
        else void told.then(settle);
      });
    } catch (error) {
      settle(failed(null, error));
    }
  };

  webSocket.on('message', (data: Buffer, isBinary: boolean) => {
    if (isBinary) return end(closeCodes.notText, 'messages are text frames with JSON');
    if (ending) return;
    waiting.push(data.toString());
    askMore();
  });
  socket.on('drain', breathe);

  const pinging = setInterval(() => {
    if (!isAlive) return webSocket.terminate();
    isAlive = false;
    webSocket.ping();
  }, pingMs);
  webSocket.on('pong', () => (isAlive = true));
  webSocket.on('error', () => webSocket.terminate());
  webSocket.on('close', () => {
    clearInterval(pinging);
    closed();
  });
  return { end };
}

import { answerCode, classOf, signal } from '../coap-messages/codes.js';
import type { Message } from '../coap-messages/datagrams.js';
import { CoapFault } from '../coap-messages/fault.js';
import { isCritical, numberOf, numberOption, type Option } from '../coap-messages/options.js';
import { longestAccessToken, readRequest, type Request } from '../coap-messages/requests.js';
import { createMessageStream, writeStreamMessage } from '../coap-messages/streams.js';
import type { Arrival } from '../proxy/listeners.js';
import type { Receiver } from '../proxy/receivers.js';
import { largestBody, refusalOfBarred, refusalWith, type Answer, type Room } from './answers.js';
import { isWanted } from './datagram-peer.js';
import { discovered, isCore } from './datagrams.js';
import { digestOf, type CoapFront } from './front.js';
import type { Channel } from './observations.js';
import type { CoapSession } from './session.js';

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
const mostQueued = 64;
const none: Buffer = Buffer.alloc(0);

/** Serves connections of CoAP over TCP and TLS (RFC 8323). */
export function createStreamReceiver(front: CoapFront, isDraining: () => boolean): Receiver {
  const idle = new Set<() => void>();
  return {
    receive(arrival) {
      const end = serve(front, arrival);
      idle.add(end);
      arrival.socket.once('close', () => idle.delete(end));
    },
    // Sessions are ended by whoever ends sessions.
    close: () => void (isDraining() && [...idle].forEach((end) => end())),
  };
}

/** Serves one connection. Returns what closes it while it has no session. */
function serve(front: CoapFront, arrival: Arrival): () => void {
  const { socket, fingerprint, withoutCertificates, sourceIp, place } = arrival;
  const { timers } = front;
  let session: CoapSession | undefined;
  let digest: string | undefined;
  let thing = '';
  let hasCsm = false;
  let peerMessage = leastMessage;
  let isOver = false;
  let queued = 0;
  let heardAt = front.monotonic();
  let work: Promise<unknown> = Promise.resolve();
  const gone = new Promise<void>((resolve) => {
    if (socket.closed) resolve();
    else socket.once('close', () => resolve());
  });

  const send = (message: Message): void => void (isOver || socket.write(writeStreamMessage(message)));
  const signalWith = (code: number, options: Option[], token = none, text = ''): void =>
    send({ code, token, options, payload: Buffer.from(text, 'utf8') });

  const close = (code: number, text: string): void => {
    if (isOver) return;
    signalWith(code, [], none, text.slice(0, 200));
    isOver = true;
    timers.clear(pingTimer);
    socket.end();
    timers.set(() => socket.destroy(), lingerMs);
  };
  const abort = (text: string): void => {
    close(signal.abort, text);
    session?.close(text);
  };

  const room = (): Room => ({ whole: Math.min(peerMessage, largestMessage) - around, block });
  const whenWritable = (run: () => void): void => {
    if (socket.writableLength < mostUnsent || socket.destroyed) return run();
    const go = (): void => {
      socket.off('drain', go).off('close', go);
      run();
    };
    socket.on('drain', go).on('close', go);
  };

  const respond = ({ token }: Message, answer: Answer, unwanted = 0): void => {
    if (isWanted(answer.code, unwanted)) send({ ...answer, token });
    answer.sent?.();
  };

  const channelOf = ({ token }: Message): Channel => ({
    key: token.toString('hex'),
    room,
    notify(answer, done) {
      send({ ...answer, token });
      whenWritable(() => done(true));
    },
  });

  const open = (clientId: string, token: string | undefined): CoapSession =>
    front.open({
      clientId,
      token,
      protocol: arrival.protocol === 'coaps' ? 'coaps' : 'coap',
      sourceIp,
      fingerprint,
      withoutCertificates,
      place,
      whenWritable,
      ended: ({ text }) => close(signal.abort, text),
      gone() {
        close(signal.abort, '');
        return gone;
      },
    });

  /** The session that answers a request, or why there is none. */
  const sessionFor = async ({ accessToken, clientId }: Request): Promise<CoapSession | Answer> => {
    const isKnown = accessToken === undefined || digestOf(accessToken) === digest;
    if (session && isKnown && (clientId === undefined || clientId === session.clientId)) return session;
    if (accessToken === undefined && fingerprint === undefined) return noCredential;
    const found = await front.identify({ token: accessToken, fingerprint, withoutCertificates });
    if ('barred' in found) {
      front.refused(sourceIp, found);
      return refusalOfBarred(found);
    }
    if (isOver) return refusalWith(answerCode.unavailable, 'the connection ends');
    if (session && (found.thingName !== thing || (clientId ?? session.clientId) !== session.clientId))
      return refusalWith(answerCode.forbidden, 'this connection belongs to another thing or client id');
    digest = accessToken === undefined ? digest : digestOf(accessToken);
    thing = found.thingName;
    if (session && accessToken !== undefined) session.renew(accessToken);
    session ??= open(clientId ?? thing, accessToken);
    return session;
  };

  const perform = async (message: Message, request: Request): Promise<void> => {
    const found = await sessionFor(request);
    if ('code' in found) return respond(message, found, request.unwanted);
    // In the order of the messages: what is asked is asked before the next one is looked at.
    void found.answer(request, channelOf(message), 1).then((answer) => respond(message, answer, request.unwanted));
  };

  const takeRequest = (message: Message): void => {
    const request = readRequest(message);
    if ('text' in request) return respond(message, refusalWith(request.code, request.text));
    if (isCore(message, request)) return respond(message, discovered);
    queued++;
    work = work
      .then(() => perform(message, request))
      .catch(() => abort('this connection failed'))
      .finally(() => {
        queued--;
        breathe();
      });
  };

  const takeSignal = ({ code, options, token }: Message): void => {
    const isCsm = code === signal.csm;
    const unknown = options.find(({ number }) => isCritical(number));
    if (unknown) return abort(`option ${unknown.number} of a signal is unknown`);
    if (isCsm) {
      const size = options.find(({ number }) => number === maxMessageSize);
      peerMessage = size ? Math.max(numberOf(size.value), leastMessage) : peerMessage;
    } else if (code === signal.ping) signalWith(signal.pong, [], token);
    else if (code === signal.release || code === signal.abort) {
      close(signal.release, '');
      session?.close('it left');
    }
  };

  const take = (message: Message): boolean => {
    const { code } = message;
    if (!hasCsm && code !== signal.csm) abort('the first message has to be CSM');
    else if (classOf(code) === 7) takeSignal(message);
    // An empty message keeps the connection alive; an answer is to nothing that was asked (RFC 8323 §3.4, §4.1).
    else if (classOf(code) === 0 && code !== 0) takeRequest(message);
    hasCsm = true;
    return !isOver;
  };

  const messages = createMessageStream(largestMessage, take);

  /** Reads on only while its requests find their sessions, and its answers are taken. */
  const breathe = (): void => {
    const isFull = queued > mostQueued || socket.writableLength > mostUnsent;
    if (isFull && !socket.isPaused()) {
      socket.pause();
      whenWritable(() => breathe());
    } else if (!isFull && socket.isPaused()) socket.resume();
  };

  const watch = (): void => {
    const silence = front.monotonic() - heardAt;
    if (silence >= pingMs + pongMs) return abort('no answer to a ping');
    if (silence >= pingMs) signalWith(signal.ping, []);
    pingTimer = timers.set(watch, silence >= pingMs ? pongMs : pingMs - silence);
  };
  let pingTimer = timers.set(watch, pingMs);

  socket.on('data', (bytes: Buffer) => {
    heardAt = front.monotonic();
    try {
      messages.push(bytes);
    } catch (error) {
      abort(error instanceof CoapFault ? error.message : 'this connection failed');
    }
    breathe();
  });
  socket.once('close', () => {
    isOver = true;
    timers.clear(pingTimer);
    session?.close('it left');
  });
  signalWith(signal.csm, [numberOption(maxMessageSize, largestMessage), { number: blockWiseTransfer, value: none }]);
  return () => void (session ?? abort('this edge shuts down'));
}

const noCredential = refusalWith(
  answerCode.unauthorized,
  'show a client certificate, or send an access token in option 65001 or as ?token=',
);

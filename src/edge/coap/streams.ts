import { answerCode } from '../coap-messages/codes.js';
import type { Message } from '../coap-messages/datagrams.js';
import { readRequest, type Request } from '../coap-messages/requests.js';
import type { Barred, Guest } from '../gate.js';
import type { Arrival } from '../proxy/listeners.js';
import { refusalOfBarred, refusalWith, type Answer } from './answers.js';
import { isWanted } from './datagram-peer.js';
import { discovered, isCore } from './datagrams.js';
import { digestOf, type CoapFront } from './front.js';
import type { Channel } from './observations.js';
import type { CoapSession } from './session.js';
import { createStreamConnection } from './stream-connection.js';

const mostQueued = 64;

/** Serves connections of CoAP over TCP and TLS. */
export function createStreamReceiver(front: CoapFront, isDraining: () => boolean) {
  const idle = new Set<() => void>();
  return {
    receive(arrival: Arrival): void {
      const end = serve(front, arrival);
      idle.add(end);
      arrival.socket.once('close', () => idle.delete(end));
    },
    /** Closes connections without a session. Those with one are ended by whoever ends sessions. */
    close: () => void (isDraining() && [...idle].forEach((end) => end())),
  };
}

/** Whose session a connection has, and by which token. */
type Holder = { session: CoapSession; thingName: string; digest: string | undefined };

/** Serves one connection, which has one session at the most. Returns what closes it while it has none. */
function serve(front: CoapFront, arrival: Arrival): () => void {
  const { socket, fingerprint, withoutCertificates, sourceIp, place } = arrival;
  let holder: Holder | undefined;
  let queued = 0;
  let work: Promise<unknown> = Promise.resolve();

  const open = (clientId: string, token: string | undefined): CoapSession =>
    front.open({
      clientId,
      token,
      protocol: arrival.protocol === 'coaps' ? 'coaps' : 'coap',
      sourceIp,
      fingerprint,
      withoutCertificates,
      place,
      whenWritable: connection.whenWritable,
      ended: ({ text }) => connection.close(text),
      gone() {
        connection.close('');
        return connection.gone;
      },
    });

  /** The session of whoever was identified, or why there is none. */
  const enter = (found: Guest | Barred, { accessToken, clientId }: Request): CoapSession | Answer => {
    if ('barred' in found) {
      front.refused(sourceIp, found);
      return refusalOfBarred(found);
    }
    if (connection.isOver()) return refusalWith(answerCode.unavailable, 'the connection ends');
    const { thingName } = found;
    const digest = accessToken === undefined ? undefined : digestOf(accessToken);
    if (!holder) {
      holder = { session: open(clientId ?? thingName, accessToken), thingName, digest };
      return holder.session;
    }
    if (holder.thingName !== thingName || !isOf(holder, clientId))
      return refusalWith(answerCode.forbidden, 'this connection belongs to another thing or client id');
    if (accessToken !== undefined) {
      holder.digest = digest;
      holder.session.renew(accessToken);
    }
    return holder.session;
  };

  const sessionFor = async (request: Request): Promise<CoapSession | Answer> => {
    const { accessToken, clientId } = request;
    const isKnown = accessToken === undefined || digestOf(accessToken) === holder?.digest;
    if (holder && isKnown && isOf(holder, clientId)) return holder.session;
    if (accessToken === undefined && fingerprint === undefined) return noCredential;
    // A connection may ask as often as it likes, and a signature is verified each time.
    if (front.isFlooding(sourceIp)) return flooding;
    return enter(await front.identify({ token: accessToken, fingerprint, withoutCertificates }), request);
  };

  const respond = ({ token }: Message, answer: Answer, unwanted = 0): void => {
    if (isWanted(answer.code, unwanted)) connection.send({ ...answer, token });
    answer.sent?.();
  };

  const channelOf = ({ token }: Message): Channel => ({
    key: token.toString('hex'),
    room: connection.room,
    notify(answer, done) {
      connection.send({ ...answer, token });
      connection.whenWritable(() => done(true));
    },
  });

  const perform = async (message: Message, request: Request): Promise<void> => {
    const found = await sessionFor(request);
    if ('code' in found) return respond(message, found, request.unwanted);
    // Nobody waits for the answer: the next request is asked meanwhile.
    void found.answer(request, channelOf(message), 1).then((answer) => respond(message, answer, request.unwanted));
  };

  const connection = createStreamConnection({
    socket,
    timers: front.timers,
    monotonic: front.monotonic,
    request(message) {
      const request = readRequest(message);
      if ('text' in request) return respond(message, refusalWith(request.code, request.text));
      if (isCore(message, request)) return respond(message, discovered);
      queued++;
      work = work
        .then(() => perform(message, request))
        .catch(() => connection.abort('this connection failed'))
        .finally(() => {
          queued--;
          connection.breathe();
        });
    },
    isFull: () => queued > mostQueued,
    left: (text) => holder?.session.close(text),
  });
  return () => void (holder ?? connection.abort('this edge shuts down'));
}

const isOf = ({ session }: Holder, clientId: string | undefined): boolean =>
  clientId === undefined || clientId === session.clientId;

const noCredential = refusalWith(
  answerCode.unauthorized,
  'show a client certificate, or send an access token in option 65001 or as ?token=',
);
const flooding = refusalWith(
  answerCode.tooManyRequests,
  'too many wrong tokens came from this address: try again later',
);

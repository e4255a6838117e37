import { randomInt } from 'node:crypto';
import { answerCode, classOf, method } from '../coap-messages/codes.js';
import { readDatagram, type, type Datagram } from '../coap-messages/datagrams.js';
import { numberOption, optionNumber } from '../coap-messages/options.js';
import { readRequest, type Request } from '../coap-messages/requests.js';
import type { Admission } from '../arrivals/admission.js';
import type { Barred, Guest } from '../gate.js';
import { refusalOfBarred, refusalWith, type Answer } from './answers.js';
import { createDatagramPeer, resetOf, statelessAnswer } from './datagram-peer.js';
import { createExchanges } from './exchanges.js';
import { digestOf, type CoapFront } from './front.js';
import type { CoapSession } from './session.js';

/** Where a datagram came from, and how it is answered. */
export type Source = {
  /** Tells ends of UDP apart: address and port. */
  endpoint: string;
  sourceIp: string;
  send(bytes: Buffer): void;
};

type Deps = { front: CoapFront; admission: Pick<Admission, 'enter'>; isClosed(): boolean };

type Device = {
  thingName: string;
  clientId: string;
  digest: string;
  session: CoapSession;
  peer: ReturnType<typeof createDatagramPeer>;
  usedAt: number;
};

// Longer than any message of a session can be under way (NON_LIFETIME, RFC 7252 §4.8.2).
const idleMs = 150_000;
const mostOfEndpoint = 4;
// An answer to somebody unknown is at most so much larger than what was asked (RFC 7252 §11.3).
const amplification = 3;
const mostIdentifying = 1000;

const fractions = 2 ** 32;
const random = (): number => randomInt(fractions) / fractions;
const core = Buffer.from('</>;title="thingward edge"');
const linkFormat = 40;

/**
 * Takes what comes over UDP. Every request shows its access token, so an address that somebody borrowed is worth nothing, and nothing
 * is kept of who did not show one.
 */
export function createDatagrams({ front, admission, isClosed }: Deps) {
  const { timers, monotonic } = front;
  const endpoints = new Map<string, Device[]>();
  const identifying = new Set<string>();
  let lastId = randomInt(65_536);

  const reply = (datagram: Datagram, source: Source, answer: Answer, octets: number): void => {
    lastId = (lastId + 1) & 0xffff;
    source.send(statelessAnswer(datagram, answer, lastId, octets * amplification));
  };

  const forget = ({ endpoint }: Source, device: Device): void => {
    device.peer.close();
    const left = (endpoints.get(endpoint) ?? []).filter((each) => each !== device);
    if (left.length > 0) endpoints.set(endpoint, left);
    else endpoints.delete(endpoint);
  };

  const watchIdle = (device: Device): void => {
    timers.set(() => {
      if (device.session.over()) return;
      const isIdle = device.session.observations() === 0 && monotonic() - device.usedAt >= idleMs;
      if (isIdle) device.session.close('it was silent');
      else watchIdle(device);
    }, idleMs);
  };

  /** Undefined where there is no place for it. */
  const enter = (source: Source, token: string, thingName: string, clientId: string): Device | undefined => {
    const there = endpoints.get(source.endpoint) ?? [];
    const place =
      there.length < mostOfEndpoint && admission.enter(source.sourceIp, () => device.session.close('too slow'));
    if (!place) return undefined;
    const { send, sourceIp } = source;
    const exchanges = createExchanges({ timers, monotonic, random, firstId: randomInt(65_536), send });
    const session = front.open({
      clientId,
      token,
      protocol: 'coap',
      sourceIp,
      fingerprint: undefined,
      withoutCertificates: true,
      place,
      gone: () => Promise.resolve(),
      whenWritable: (run) => run(),
      ended() {
        place.leave();
        forget(source, device);
      },
    });
    const peer = createDatagramPeer({ exchanges, timers, monotonic, send, session: () => session });
    const device: Device = { thingName, clientId, digest: digestOf(token), session, peer, usedAt: monotonic() };
    endpoints.set(source.endpoint, [...there, device]);
    watchIdle(device);
    return device;
  };

  const welcome = (
    datagram: Datagram,
    request: Request,
    source: Source,
    found: Guest | Barred,
    octets: number,
  ): void => {
    const token = request.accessToken!;
    if ('barred' in found) {
      front.refused(source.sourceIp, found);
      return reply(datagram, source, refusalOfBarred(found), octets);
    }
    const { thingName } = found;
    const clientId = request.clientId ?? thingName;
    const known = endpoints
      .get(source.endpoint)
      ?.find((each) => each.thingName === thingName && each.clientId === clientId);
    if (known) {
      known.digest = digestOf(token);
      known.session.renew(token);
    }
    const device = known ?? enter(source, token, thingName, clientId);
    if (!device)
      return reply(datagram, source, refusalWith(answerCode.tooManyRequests, 'no place: try again later'), octets);
    use(device, datagram, request);
  };

  const use = (device: Device, datagram: Datagram, request: Request): void => {
    device.usedAt = monotonic();
    device.peer.take(datagram, request);
  };

  const identify = (datagram: Datagram, request: Request, source: Source, octets: number): void => {
    if (front.isFlooding(source.sourceIp)) return;
    const shown = { token: request.accessToken, fingerprint: undefined, withoutCertificates: true };
    const found = front.identify(shown);
    if (!(found instanceof Promise)) return welcome(datagram, request, source, found, octets);
    const key = `${source.endpoint} ${datagram.id}`;
    if (identifying.has(key) || identifying.size >= mostIdentifying) return;
    identifying.add(key);
    found
      .then((guest) => welcome(datagram, request, source, guest, octets))
      .catch(() => {})
      .finally(() => identifying.delete(key));
  };

  const takeRequest = (datagram: Datagram, source: Source, octets: number): void => {
    const request = readRequest(datagram);
    if ('text' in request) return reply(datagram, source, refusalWith(request.code, request.text), octets);
    if (isCore(datagram, request)) return reply(datagram, source, coreAnswer, octets);
    const { accessToken } = request;
    if (accessToken === undefined) return reply(datagram, source, noToken, octets);
    const digest = digestOf(accessToken);
    const device = endpoints
      .get(source.endpoint)
      ?.find((each) => each.digest === digest && each.clientId === (request.clientId ?? each.thingName));
    if (device) use(device, datagram, request);
    else if (!isClosed()) identify(datagram, request, source, octets);
  };

  const takeEmpty = ({ type: kind, id }: Datagram, source: Source): void => {
    if (kind === type.confirmable) return source.send(resetOf(id));
    if (kind === type.nonConfirmable) return;
    const fate = kind === type.reset ? 'reset' : 'acknowledged';
    for (const { peer } of [...(endpoints.get(source.endpoint) ?? [])]) peer.settled(id, fate);
  };

  return {
    /** Takes a datagram. */
    take(bytes: Buffer, source: Source): void {
      const datagram = readDatagram(bytes);
      if (!datagram) return;
      if ('fault' in datagram) return void (datagram.type === type.confirmable && source.send(resetOf(datagram.id)));
      if (datagram.code === 0) return takeEmpty(datagram, source);
      const isRequest = classOf(datagram.code) === 0 && datagram.type <= type.nonConfirmable;
      if (isRequest) takeRequest(datagram, source, bytes.length);
      else if (datagram.type === type.confirmable) source.send(resetOf(datagram.id));
      // An answer that came with an acknowledgement is to nothing that was asked.
      else if (datagram.type === type.acknowledgement) takeEmpty(datagram, source);
    },

    /** How many ends of UDP there are. */
    size: (): number => endpoints.size,
  };
}

const noToken = refusalWith(answerCode.unauthorized, 'send an access token in option 65001, or as ?token=');
const coreAnswer: Answer = {
  code: answerCode.content,
  options: [numberOption(optionNumber.contentFormat, linkFormat)],
  payload: core,
};

/** Discovery (RFC 6690): there is nothing to be found without a token. */
export function isCore({ code }: Pick<Datagram, 'code'>, { path }: Request): boolean {
  return code === method.get && path.length === 2 && path[0] === '.well-known' && path[1] === 'core';
}

/** What discovery finds. */
export const discovered = coreAnswer;

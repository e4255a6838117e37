import type { Duplex } from 'node:stream';
import { answerOf, type Answer } from '../mqtt-packets/connack.js';
import { createFrames, type FrameTaker } from '../mqtt-packets/frames.js';
import { firstsOfBroker, packetType } from '../mqtt-packets/packet-types.js';
import { MqttFault, reason } from '../mqtt-packets/reason-codes.js';
import { createDownward } from './downward.js';
import { cause, createFlow, type Flow } from './flow.js';
import type { Limiter } from './limits.js';
import { requireFit, type Holding, type Line } from './line.js';
import { createOutlet } from './outlet.js';
import { createPacketIds } from '../mqtt-packets/packet-ids.js';

type Parts = {
  holding: Holding;
  broker: Duplex;
  clientFlow: Flow;
  /** Runs what takes packets: a fault ends the session. */
  guard(work: () => void): void;
  clock: { now: number };
  leave(text: string): void;
  review(): void;
  /** The broker answered; the client gets its answer, and is read again once this is done. */
  onAnswer(line: Line): void;
  onGone(): void;
};

// A delivery above this is passed on as it comes.
const wholeDelivery = 65_536;

/**
 * Joins a device that is let in with its broker. `isAmid` is true in the middle of a delivery, where nothing may come
 * between; `end` stops reading the broker.
 */
export function attachBroker(parts: Parts): { isAmid(): boolean; end(): void } {
  const { holding, broker, clientFlow, clock, leave, review } = parts;
  const { client, settings, timers } = holding.options;
  const { queuedBytesPerConnection: most } = settings;
  let isGone = false;

  /** The client is not to blame for what the broker sends. */
  const guard = (work: () => void): void =>
    parts.guard(() => {
      try {
        work();
      } catch (error) {
        if (!(error instanceof MqttFault)) throw error;
        throw new MqttFault(reason.unspecified, `the broker: ${error.message}`);
      }
    });

  const taker: FrameTaker = {
    take: (bytes, start, body, end) => {
      if (bytes[start] !== packetType.connack)
        throw new MqttFault(reason.unspecified, 'its first packet is no CONNACK');
      const { greeting } = holding;
      join(answerOf(bytes, body, end, greeting, settings));
      return !brokerFlow.isHeld();
    },
    rest: () => {},
    begin: () => {
      throw new MqttFault(reason.unspecified, 'its first packet is no CONNACK');
    },
  };
  const firsts = firstsOfBroker(holding.greeting.version);
  const frames = createFrames({ firsts, most, whole: wholeDelivery }, taker);
  const goneAfterAll = (): void => {
    if (isGone && !frames.hasWaiting()) parts.onGone();
  };
  const brokerFlow = createFlow({ stream: broker, frames, timers, guard, onRelease: goneAfterAll });

  const join = (answer: Answer): void => {
    const line: Line = {
      ...holding,
      ...createTelling(),
      answer,
      clock,
      leave,
      review,
      guard: parts.guard,
      clientFlow,
      brokerFlow,
      limiter: limiterOf(holding),
      atBroker: createPacketIds(),
      dropped: createPacketIds(),
      refused: createPacketIds(),
      pings: { ofClient: 0, own: 0 },
    };
    Object.assign(taker, createDownward(line));
    broker.on('drain', () => clientFlow.release(cause.full));
    parts.onAnswer(line);
  };

  /** Both outlets, and the packets of the edge that wait for the end of a delivery. */
  const createTelling = () => {
    const toClient = createOutlet(client, most / 8, () => brokerFlow.hold(cause.full));
    const toBroker = createOutlet(broker, most / 8, () => clientFlow.hold(cause.full));
    let told: Buffer[] = [];
    let octets = 0;
    client.on('drain', () => {
      brokerFlow.release(cause.full);
      if (octets === 0) clientFlow.release(cause.backlog);
    });
    const tell = (packet: Buffer): void => {
      requireFit(packet, holding.greeting);
      if (frames.isAmid()) {
        told.push(packet);
        octets += packet.length;
      } else toClient.send(packet);
      if (octets > wholeDelivery || toClient.waiting() > most) clientFlow.hold(cause.backlog);
    };
    const flushTold = (): void => {
      const packets = told;
      told = [];
      octets = 0;
      for (const packet of packets) toClient.send(packet);
      if (toClient.waiting() <= most) clientFlow.release(cause.backlog);
    };
    return { toClient, toBroker, tell, flushTold };
  };

  broker.on('data', (bytes: Buffer) => {
    const wait = limiter()?.downward(bytes.length) ?? 0;
    guard(() => frames.push(bytes));
    brokerFlow.pause(wait);
  });
  const gone = (): void => {
    isGone = true;
    if (broker.destroyed) parts.onGone();
    else goneAfterAll();
  };
  const limiter = limiterOf(holding);
  broker.on('end', gone);
  broker.on('close', gone);
  return { isAmid: frames.isAmid, end: brokerFlow.end };
}

/** The limiter of the segment that the device is in, as it was last seen. */
export function limiterOf({ options, rights }: Holding): () => Limiter | undefined {
  let policy: string | undefined;
  let limiter: Limiter | undefined;
  return () => {
    const present = rights.limits();
    if (present !== policy) {
      policy = present;
      limiter = present === undefined ? undefined : options.limiterOf?.(rights.guest(), present);
    }
    return limiter;
  };
}

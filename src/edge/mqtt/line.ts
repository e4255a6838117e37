import type { Connect } from '../mqtt-packets/connect.js';
import type { Answer } from '../mqtt-packets/connack.js';
import type { Flow } from './flow.js';
import type { HookSession } from './hooks.js';
import type { Limiter } from './limits.js';
import type { MqttOptions } from './options.js';
import { MqttFault, reason } from '../mqtt-packets/reason-codes.js';
import type { Outlet } from './outlet.js';
import type { createPacketIds } from '../mqtt-packets/packet-ids.js';
import type { Decided, Rights } from './rights.js';
import type { Subscriptions } from './subscriptions.js';

/** What a CONNECT said, once its octets are gone. */
export type Greeting = Omit<Connect, 'bytes' | 'password' | 'methodData' | 'properties' | 'clientIdPart'>;

type PacketIds = ReturnType<typeof createPacketIds>;

/** A device that is let in, before it has a broker. */
export type Holding = {
  options: MqttOptions;
  greeting: Greeting;
  rights: Rights;
  subscriptions: Subscriptions;
};

/** One session of one device with its broker: what both directions share. */
export type Line = Holding & {
  answer: Answer;
  limiter(): Limiter | undefined;
  toClient: Outlet;
  toBroker: Outlet;
  clientFlow: Flow;
  brokerFlow: Flow;
  /** Sends the client a packet of the edge, after the end of a delivery that is passed on as it comes. */
  tell(packet: Buffer): void;
  /** Such a delivery is over. */
  flushTold(): void;
  /** PUBLISH with QoS 2 that the broker has and has not completed. */
  atBroker: PacketIds;
  /** PUBLISH with QoS 2 of the client that were dropped: the edge answers their PUBREL. */
  dropped: PacketIds;
  /** Deliveries with QoS 2 that were refused: the edge answers their PUBREL. */
  refused: PacketIds;
  /** PINGREQ that the broker has not answered. */
  pings: { ofClient: number; own: number };
  /** The gate's clock when these octets came. */
  clock: { now: number };
  /** One side said goodbye, and the other is told. */
  leave(text: string): void;
  /** Judges the session itself again, and ends it if it may not stay. */
  review(): void;
  /** Runs what takes packets: a fault ends the session. */
  guard(work: () => void): void;
};

/** What the edge writes itself is held to what the client takes, too. @throws MqttFault */
export function requireFit(packet: Buffer, { maximumPacketSize }: Greeting): void {
  if (packet.length > maximumPacketSize)
    throw new MqttFault(reason.tooLarge, 'an answer is larger than the packets that the client takes');
}

/** Who hooks are called for. */
export function hookSessionOf({ options, greeting, rights }: Holding): HookSession {
  const { protocol, sourceIp } = options.facts;
  return { guest: rights.guest(), clientId: greeting.clientId, protocol, sourceIp };
}

/** Tells of something that a hook refused. */
export function reportHooked({ options, greeting, rights }: Holding, detail: string): void {
  options.events.onDenied({ reason: 'hook', detail, clientId: greeting.clientId, guest: rights.guest() });
}

/** Tells of something that a decision refused. */
export function reportDenied({ options, greeting, rights }: Holding, { ask, verdict }: Decided): void {
  options.events.onDenied({
    reason: verdict.refusal ?? 'statement',
    detail: verdict.statement?.id ?? '',
    clientId: greeting.clientId,
    guest: rights.guest(),
    ask,
    verdict,
  });
}

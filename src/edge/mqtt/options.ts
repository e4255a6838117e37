import type { Duplex } from 'node:stream';
import type { Refusal, Verdict } from '../../authorize/judge.js';
import type { Context } from '../../policy/condition.js';
import type { Ask, Change, Gate, Guest } from '../gate.js';
import type { Hooks } from './hooks.js';
import type { Limiter } from './limits.js';
import type { Version } from '../mqtt-packets/packet-types.js';
import type { UpstreamCredentials } from '../mqtt-packets/write.js';

/** Where a connection came from. */
export type Origin = { sourceIp: string; protocol: 'mqtt' | 'mqtts' | 'ws' | 'wss' | 'coap' | 'coaps' };

/** What is known of a connection before its first octet. `fingerprint` as in `Shown` of the gate. */
export type Facts = Origin & { fingerprint?: string | undefined; withoutCertificates: boolean };

/** How the edge answers, and what it holds a connection to. */
export type MqttSettings = {
  /** `refuse`: reason code 0x87 in MQTT 5, the connection ends in MQTT 3; `drop`: acknowledged and dropped; `disconnect`: the session ends. */
  deniedPublish: 'refuse' | 'drop' | 'disconnect';
  /** For CONNECT to come, and then for the broker to answer it. */
  connectTimeoutMs: number;
  /** The largest packet of a client. */
  packetBytes: number;
  /** Octets that wait for a slow client before it is read no further, and those of filters that are kept. */
  queuedBytesPerConnection: number;
  topicAliases: number;
  receiveMaximum: number;
  /** Seconds. */
  keepAlive: number;
  subscriptions: number;
  /** How long a client that got a DISCONNECT may take to close. */
  lingerMs: number;
  /** How long a broker may take to read the end of a session. */
  farewellMs: number;
};

/** What holds unless something else is set. */
export const mqttDefaults: MqttSettings = {
  deniedPublish: 'refuse',
  connectTimeoutMs: 10_000,
  packetBytes: 262_144,
  queuedBytesPerConnection: 1_048_576,
  topicAliases: 16,
  receiveMaximum: 65_535,
  keepAlive: 65_535,
  subscriptions: 1000,
  lingerMs: 40,
  farewellMs: 2000,
};

/** Time, as it passes for connections: `now` in milliseconds, monotonic. */
export type Timers = {
  setTimeout(work: () => void, ms: number): unknown;
  clearTimeout(timer: unknown): void;
  now(): number;
};

/** Why a session ends: a reason code of MQTT 5, and words for the client and the log. */
export type EndReason = { code: number; text: string };

/** A filter that a session subscribes to. */
export type Subscription = { filter: string; qos: number };

/** How a session is ended. `purge`: the broker forgets the session with its queue. Its side stays open until that is known, and the client's does not. */
export type EndOptions = { purge?: boolean | Promise<boolean> };

/** A device that is let in. */
export type MqttSession = {
  /** Changes when the device shows a newer token. */
  guest(): Guest;
  readonly clientId: string;
  readonly protocol: string;
  readonly sourceIp: string;
  readonly version: Version;
  /** The gate's clock, milliseconds since 1970. */
  readonly connectedAt: number;
  /** When something last came from the client, by the gate's clock. */
  seenAt(): number;
  /** Those that the broker has, and those that it was asked for. */
  subscriptions(): Subscription[];
  /** True when the broker keeps the session after the connection. */
  isPersistent(): boolean;
  /** The traffic policy of its segment, JSON, at its last review. */
  limits(): string | undefined;
  /**
   * Judges again what the session is and has: its holder, its right to connect, its will, its subscriptions. Forgets what was
   * remembered. Returns why it has to end, or undefined. It does not end it.
   */
  recheck(change?: Change): EndReason | undefined;
  /** Until when it may stay if nothing changes, by the gate's clock. The session ends itself when that is over. */
  validUntil(): number;
  /** True once one side closed it, or it was ended. */
  isOver(): boolean;
  /** Ends it. Resolves when both sides are destroyed. */
  end(reason: EndReason, options?: EndOptions): Promise<void>;
  /**
   * Makes the broker of MQTT 3 forget the queue of an ended session: a clean connect with the same client id, and a DISCONNECT.
   * Not to be called when a newer session has the client id. MQTT 5 needs it only where the broker did not read the end.
   */
  purge(): Promise<void>;
};

/** Something that was refused. `ask` and `verdict` where a decision refused it. */
export type Denial = {
  reason: Refusal | 'statement' | 'away' | 'refused' | 'hook' | 'quota';
  detail: string;
  clientId: string;
  guest: Guest | undefined;
  ask?: Ask | undefined;
  verdict?: Verdict | undefined;
};

/** What a connection reports. None of these may throw. */
export type MqttEvents = {
  /** A device is let in. The broker is dialled next, so whoever ends sessions knows of this one from now on. */
  onOpened(session: MqttSession): void;
  /** Both sides are destroyed. `session` is undefined when nobody was let in. */
  onClosed(reason: EndReason, session: MqttSession | undefined): void;
  /** Of each thing that was refused, whether the decision was made now or remembered. */
  onDenied(denial: Denial): void;
  /** Of each decision about what a device does, and of the one that ends a session that is judged again. */
  onDecided?(ask: Ask, verdict: Verdict): void;
  /** The broker granted subscriptions. */
  onSubscribed?(): void;
  /** Of each PUBLISH on its way to the broker whose topic ends with `/result`. The payload is valid until this returns. */
  onResult?(guest: Guest, topic: string, payload: Buffer): void;
  /** A defect: the session ended by it. */
  onError?(error: unknown): void;
};

/** Who takes a message that its sender may publish; undefined where it goes to the broker alone. */
export type Intake = { takerOf(message: TakenFrom): Taker | undefined };

/** A message and its sender. `judged` is the decision about its topic, the same object for as long as that is remembered. */
export type TakenFrom = { judged: object; guest: Guest; topic(): string; context: Context };

/** Takes messages of one topic of one guest. */
export type Taker = {
  /** The message is for the broker as well, once it is kept. */
  forward: boolean;
  /** Resolves once the message is kept for good. Rejects where it is not. */
  take(payload: Buffer): Promise<void>;
};

/** What `openMqtt` needs. */
export type MqttOptions = {
  client: Duplex;
  facts: Facts;
  gate: Gate;
  /** Opens the connection to the broker of this device. Called once it is let in, and once more to purge a session of MQTT 3. */
  dial(): Promise<Duplex>;
  /** What the broker knows this device by. */
  upstream(guest: Guest): UpstreamCredentials;
  settings: MqttSettings;
  timers: Timers;
  events: MqttEvents;
  /** The limits that a device shares with others of its segment; `trafficPolicy` is what the verdict on its connect said. */
  limiterOf?(guest: Guest, trafficPolicy: string): Limiter;
  hooks?: Hooks;
  /** Takes messages in place of the broker. */
  intake?: Intake;
};

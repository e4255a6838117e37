import type { Duplex } from 'node:stream';
import type { Refusal, Verdict } from '../../authorize/judge.js';
import type { Ask, Gate, Guest } from '../gate.js';
import type { Hooks } from './hooks.js';
import type { Limiter } from './limits.js';
import type { EndReason } from './rights.js';
import type { MqttSession } from './session.js';
import type { UpstreamCredentials } from '../mqtt-packets/write.js';

/** Where a connection came from. */
export type Origin = { sourceIp: string; protocol: 'mqtt' | 'mqtts' | 'ws' | 'wss' };

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
  /** Of each decision that was made now. */
  onDecided?(ask: Ask, verdict: Verdict): void;
  /** A defect: the session ended by it. */
  onError?(error: unknown): void;
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
};

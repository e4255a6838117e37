import type { Denial, MqttOptions, MqttSettings } from '../../../src/edge/mqtt/options.js';
import { mqttDefaults } from '../../../src/edge/mqtt/options.js';
import { openMqtt } from '../../../src/edge/mqtt/connection.js';
import { createLimiter } from '../../../src/edge/mqtt/limits.js';
import type { EndReason } from '../../../src/edge/mqtt/options.js';
import type { MqttSession } from '../../../src/edge/mqtt/options.js';
import { createTestClock } from './clock.js';
import { createTestGate, type Written } from './gate.js';
import { connack, connect, properties, type ConnectFields } from './packets.js';
import { createWire, type Wire } from './wires.js';

export type Desk = ReturnType<typeof createDesk>;

type DeskOptions = Partial<Pick<MqttOptions, 'hooks' | 'facts' | 'upstream' | 'intake'>> & {
  statements?: readonly Written[];
  settings?: Partial<MqttSettings>;
  /** The broker cannot be reached. */
  isUnreachable?: boolean;
  onOpened?: (session: MqttSession) => void;
};

/** Lets what waits happen: promises, and streams, which wait for the next tick. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 8; turn++) await new Promise(setImmediate);
}

/** One connection with a test at both of its ends: the client, and a spy in place of the broker. */
export function createDesk({
  statements,
  settings,
  hooks,
  facts,
  upstream,
  intake,
  isUnreachable = false,
  onOpened,
}: DeskOptions = {}) {
  const clock = createTestClock();
  const gate = createTestGate(statements, clock.wall);
  const client = createWire();
  const brokers: Wire[] = [];
  const denials: Denial[] = [];
  const decided: string[] = [];
  const errors: unknown[] = [];
  const opened: MqttSession[] = [];
  let ended: EndReason | undefined;
  const connection = openMqtt({
    client: client.near,
    facts: facts ?? { sourceIp: '10.0.0.1', protocol: 'mqtts', withoutCertificates: true },
    gate: gate.gate,
    dial: async () => {
      if (isUnreachable) throw new Error('refused');
      const wire = createWire();
      brokers.push(wire);
      return wire.near;
    },
    upstream: upstream ?? (() => ({ username: 'edge', password: 'secret' })),
    settings: { ...mqttDefaults, ...settings },
    timers: clock.timers,
    limiterOf: (_guest, policy) => createLimiter(policy, clock.timers.now),
    events: {
      onOpened(session) {
        opened.push(session);
        onOpened?.(session);
      },
      onClosed: (reason) => void (ended = reason),
      onDenied: (denial) => void denials.push(denial),
      onDecided: ({ action }, { allowed }) => void decided.push(`${action} ${allowed}`),
      onError: (error) => void errors.push(error),
    },
    ...(hooks ? { hooks } : {}),
    ...(intake ? { intake } : {}),
  });

  const broker = (): Wire => {
    const wire = brokers.at(-1);
    if (!wire) throw new Error('no broker was dialled');
    return wire;
  };

  const take = (wire: Wire): string => {
    const hex = wire.bytes().toString('hex');
    wire.received.length = 0;
    return hex;
  };

  return {
    clock,
    gate,
    client,
    connection,
    brokers,
    broker,
    denials,
    /** Decisions that were reported, such as `connect true`. */
    decided,
    errors,
    opened,
    ended: () => ended,

    /** The client sends; returns when nothing moves any longer. */
    async send(...packets: Buffer[]): Promise<void> {
      for (const packet of packets) client.send(packet);
      await settle();
    },

    async deliver(...packets: Buffer[]): Promise<void> {
      for (const packet of packets) broker().send(packet);
      await settle();
    },

    async advance(ms: number): Promise<void> {
      clock.advance(ms);
      await settle();
    },

    /** What came to the client, and to the broker, since it was last asked, in hex. */
    toClient: () => take(client),
    toBroker: () => take(broker()),

    /** Connects, and forgets what was said. */
    async join(fields: ConnectFields = {}, answer?: Buffer): Promise<void> {
      client.send(connect(fields));
      await settle();
      broker().send(answer ?? connack(0, fields.version === 5 ? { properties: properties() } : {}));
      await settle();
      take(client);
      take(broker());
    },
  };
}

/** The hex of packets, one after another. */
export const hex = (...packets: Buffer[]): string => Buffer.concat(packets).toString('hex');

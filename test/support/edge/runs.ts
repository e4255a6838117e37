import { mqttDefaults, type MqttOptions } from '../../../src/edge/mqtt/options.js';
import { openMqtt } from '../../../src/edge/mqtt/connection.js';
import { createTestClock } from './clock.js';
import { allow, createTestGate } from './gate.js';
import { connack, octets, properties, short } from './packets.js';
import { createWire } from './wires.js';

/** What became of a stream: who got which octets, and why it ended. */
export type Outcome = {
  toBroker: Buffer;
  toClient: Buffer;
  code: number | undefined;
  errors: unknown[];
  mostKept: number;
};

const statements = [
  allow(['connect'], ['client:${thing.name}']),
  allow(['publish', 'subscribe', 'receive'], ['topic:acme/${thing.name}/#']),
];
const { gate } = createTestGate(statements);
const clock = createTestClock();
const turn = (): Promise<unknown> => new Promise(setImmediate);

/** Sends a client's octets in pieces to a connection with a spy for a broker, which accepts, and then delivers. */
export async function run(
  version: number,
  pieces: readonly Buffer[],
  deliveries: readonly Buffer[] = [],
  settings: Partial<MqttOptions['settings']> = {},
): Promise<Outcome> {
  const [client, broker] = [createWire(), createWire()];
  const errors: unknown[] = [];
  let code: number | undefined;
  let mostKept = 0;
  const connection = openMqtt({
    client: client.near,
    facts: { sourceIp: '10.0.0.1', protocol: 'mqtt', withoutCertificates: true },
    gate,
    dial: async () => broker.near,
    upstream: () => ({}),
    settings: { ...mqttDefaults, packetBytes: 20_000, ...settings },
    timers: clock.timers,
    events: {
      onOpened: () => {},
      onClosed: (reason) => void (code = reason.code),
      onDenied: () => {},
      onError: (error) => void errors.push(error),
    },
  });
  const watch = (): void => {
    mostKept = Math.max(mostKept, client.near.readableLength + client.near.writableLength + broker.near.writableLength);
  };
  for (const piece of pieces) {
    client.send(piece);
    watch();
  }
  for (let turns = 0; turns < 6 && broker.received.length === 0; turns++) await turn();
  broker.send(connack(0, version === 5 ? { properties: properties(octets(0x22, short(2))) } : {}));
  await turn();
  for (const delivery of deliveries) {
    broker.send(delivery);
    watch();
  }
  await turn();
  client.close();
  for (let turns = 0; turns < 6 && code === undefined; turns++) await turn();
  // What waits for a side that does not close.
  clock.advance(20_000);
  await connection.closed;
  return { toBroker: broker.bytes(), toClient: client.bytes(), code, errors, mostKept };
}

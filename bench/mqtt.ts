import mqttPacket from 'mqtt-packet';
import { createFrames } from '../src/edge/mqtt-packets/frames.js';
import { firstsOfClient } from '../src/edge/mqtt-packets/packet-types.js';
import { openMqtt } from '../src/edge/mqtt/connection.js';
import { mqttDefaults } from '../src/edge/mqtt/options.js';
import { allow, createTestGate } from '../test/support/edge/gate.js';
import { connack, connect, properties, publish } from '../test/support/edge/packets.js';
import { createWire, type Wire } from '../test/support/edge/wires.js';
import { alternate, rateSync, ratio, type Row } from './measure.js';

const chunkOctets = 65_536;
const timers = {
  setTimeout,
  clearTimeout: (timer: unknown) => clearTimeout(timer as NodeJS.Timeout),
  now: () => performance.now(),
};

/** A session, with a wire at each end that keeps nothing. */
async function openSession(version: 4 | 5): Promise<{ client: Wire; broker: Wire }> {
  const [client, broker] = [createWire(), createWire()];
  for (const wire of [client, broker]) Object.assign(wire.received, { push: () => 0 });
  const statements = [
    allow(['connect'], ['client:pump']),
    allow(['publish', 'receive'], ['topic:acme/${thing.name}/#']),
  ];
  openMqtt({
    client: client.near,
    facts: { sourceIp: '10.0.0.1', protocol: 'mqtt', withoutCertificates: true },
    gate: createTestGate(statements, () => performance.timeOrigin + performance.now()).gate,
    dial: async () => broker.near,
    upstream: () => ({}),
    settings: mqttDefaults,
    timers,
    events: { onOpened: () => {}, onClosed: () => {}, onDenied: () => {} },
  });
  client.send(connect({ version, keepAlive: 0 }));
  await new Promise((resolve) => setTimeout(resolve, 50));
  broker.send(connack(0, version === 5 ? { properties: properties() } : {}));
  await new Promise((resolve) => setTimeout(resolve, 50));
  return { client, broker };
}

/** As many messages as fill a chunk, to five topics in turn. */
function chunkOf(octets: number, fields: Parameters<typeof publish>[1] = {}): { chunk: Buffer; count: number } {
  const topics = [1, 2, 3, 4, 5].map((number) => `acme/pump/sensor-${number}/temperature`);
  const one = (index: number): Buffer => publish(topics[index % 5]!, { payload: Buffer.alloc(octets, 7), ...fields });
  const count = Math.max(1, Math.floor(chunkOctets / one(0).length));
  return { chunk: Buffer.concat(Array.from({ length: count }, (_, index) => one(index))), count };
}

const perMessage = async (count: number, push: () => void): Promise<number> => (await rateSync(push)) * count;

/** Messages per second of one core: judged and passed on, against walking the lengths alone, and against a parser of packets. */
export async function benchMqtt(): Promise<Row[]> {
  const [four, five] = [await openSession(4), await openSession(5)];
  const small = chunkOf(100);
  const newer = chunkOf(100, { properties: properties() });
  const acknowledged = chunkOf(100, { qos: 1 });
  const large = chunkOf(10_000);
  const walk = createFrames({ firsts: firstsOfClient(4), most: 262_144 }, { take: () => true, rest: () => {} });
  const parser = mqttPacket.parser({ protocolVersion: 4 });
  const rates = await alternate({
    floor: () => perMessage(small.count, () => walk.push(small.chunk)),
    judged: () => perMessage(small.count, () => four.client.send(small.chunk)),
    newer: () => perMessage(newer.count, () => five.client.send(newer.chunk)),
    acknowledged: () => perMessage(acknowledged.count, () => four.client.send(acknowledged.chunk)),
    large: () => perMessage(large.count, () => four.client.send(large.chunk)),
    delivered: () => perMessage(small.count, () => four.broker.send(small.chunk)),
    parser: () => perMessage(small.count, () => parser.parse(small.chunk)),
  });
  const row = (name: string, what: string, against = 'floor'): Row => {
    const { median, spread } = rates.get(name)!;
    if (name === 'floor') return { what, perSecond: median, spread };
    return { what, perSecond: median, spread, ratio: ratio(median, rates.get(against)!.median), against };
  };
  return [
    row('floor', 'floor: the lengths of PUBLISH packets of 100 octets walked'),
    row('judged', 'PUBLISH of a client, QoS 0, 100 octets: judged and passed on'),
    row('newer', 'the same in MQTT 5'),
    row('acknowledged', 'the same with QoS 1'),
    row('large', 'the same with QoS 0 and 10,000 octets'),
    row('delivered', 'delivery of the broker, QoS 0, 100 octets: judged and passed on'),
    row('parser', 'mqtt-packet: parsed, and nothing judged', 'judged'),
  ];
}

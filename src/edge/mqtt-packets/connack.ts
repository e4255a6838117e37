import { readShort } from './fields.js';
import { packetType, type Version } from './packet-types.js';
import { found, holder, property, readProperties, withoutProperties } from './properties.js';
import { MqttFault, reason, returnCode } from './reason-codes.js';
import { blockOf, longProperty, packetOf, shortProperty, textProperty, thingwardMethod } from './write.js';

/** What a client is held to, at most. */
export type ClientLimits = {
  packetBytes: number;
  topicAliases: number;
  receiveMaximum: number;
  /** Seconds. */
  keepAlive: number;
};

/** The answer of a broker to a CONNECT, as the client gets it. */
export type Answer = {
  bytes: Buffer;
  accepted: boolean;
  sessionPresent: boolean;
  /** Seconds that count from now on; 0 for none. */
  keepAlive: number;
  /** The aliases that the client may use. */
  topicAliases: number;
  /** The largest packet that the client may send. */
  packetBytes: number;
};

const longestTopic = 65_535;
// With less than this for a packet, aliases are not worth what they take from it.
const leastPacket = 16_384;

type Asked = { version: Version; keepAlive: number; method: string | undefined; maximumPacketSize: number };

/**
 * Reads a CONNACK and lowers what it offers to these limits. A broker's largest packet has to hold a topic that the client
 * sends as an alias.
 * @throws MqttFault
 */
export function answerOf(bytes: Buffer, body: number, end: number, asked: Asked, limits: ClientLimits): Answer {
  const flags = readShort(bytes, body, end) >> 8;
  const code = bytes[body + 1]!;
  const sessionPresent = (flags & 1) !== 0;
  const { packetBytes } = limits;
  const simple = { sessionPresent, accepted: code === 0, keepAlive: asked.keepAlive, topicAliases: 0, packetBytes };
  if (asked.version < 5) {
    if (end !== body + 2) throw new MqttFault(reason.malformed, 'CONNACK has another length than two');
    return { ...simple, bytes: withCode(bytes, body + 1, end, returnCode.badCredentials, returnCode.unavailable) };
  }
  if (readProperties(bytes, body + 2, end, holder.connack) !== end)
    throw new MqttFault(reason.malformed, 'CONNACK has octets after its properties');
  if (code !== 0)
    return { ...simple, bytes: withCode(bytes, body + 1, end, reason.badCredentials, reason.unavailable) };
  return { ...simple, ...lowered(bytes, body, end, asked, limits) };
}

/** The packet; where the broker refuses Thingward's own credentials, which the device cannot mend, another code. */
function withCode(bytes: Buffer, at: number, end: number, from: number, to: number): Buffer {
  const packet = Buffer.from(bytes.subarray(0, end));
  if (packet[at] === from) packet[at] = to;
  return packet;
}

function lowered(bytes: Buffer, body: number, end: number, asked: Asked, limits: ClientLimits) {
  const short = (id: number, otherwise: number): number =>
    found[id] === 0 ? otherwise : readShort(bytes, found[id]!, end);
  const receiveMaximum = Math.min(short(property.receiveMaximum, 65_535), limits.receiveMaximum);
  const named = short(property.serverKeepAlive, asked.keepAlive);
  const keepAlive =
    named === 0 || named > limits.keepAlive ? (limits.keepAlive < 65_535 ? limits.keepAlive : named) : named;
  const ofBroker =
    found[property.maximumPacketSize] === 0 ? Infinity : bytes.readUInt32BE(found[property.maximumPacketSize]);
  const offered = Math.min(short(property.topicAliasMaximum, 0), limits.topicAliases);
  const topicAliases = ofBroker - longestTopic < leastPacket ? 0 : offered;
  const packetBytes = Math.min(limits.packetBytes, topicAliases > 0 ? ofBroker - longestTopic : ofBroker);
  const own = [
    ...(receiveMaximum < 65_535 ? [shortProperty(property.receiveMaximum, receiveMaximum)] : []),
    ...(keepAlive === asked.keepAlive ? [] : [shortProperty(property.serverKeepAlive, keepAlive)]),
    ...(topicAliases > 0 ? [shortProperty(property.topicAliasMaximum, topicAliases)] : []),
  ];
  const size = longProperty(property.maximumPacketSize, packetBytes);
  const method = asked.method === undefined ? [] : [textProperty(property.method, thingwardMethod)];
  const write = (without: readonly number[], announced: readonly Uint8Array[]): Buffer =>
    packetOf(packetType.connack, [
      bytes.subarray(body, body + 2),
      blockOf([...withoutProperties(bytes, body + 2, end, without), ...own, ...announced, ...method]),
    ]);
  // What a server may leave out (MQTT 5.0 §3.2.2.3.9, §3.2.2.3.10), and then what is true without having been announced.
  const choices = [
    () => write(lowering, [size]),
    () => write([...lowering, ...optional], [size]),
    () => write([...lowering, ...optional], []),
  ];
  return { bytes: fitting(choices, asked.maximumPacketSize), keepAlive, topicAliases, packetBytes };
}

const lowering = [
  property.receiveMaximum,
  property.serverKeepAlive,
  property.topicAliasMaximum,
  property.maximumPacketSize,
];

const optional = [property.reasonString, property.userProperty];

/** The first packet that is no larger than the client takes (MQTT-3.1.2-24). @throws MqttFault when none is */
function fitting(choices: readonly (() => Buffer)[], most: number): Buffer {
  for (const write of choices) {
    const packet = write();
    if (packet.length <= most) return packet;
  }
  throw new MqttFault(reason.tooLarge, 'its answer is larger than the packets that the client takes');
}

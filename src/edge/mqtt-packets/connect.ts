import { dataEnd, readShort, textAt, textEnd } from './fields.js';
import { packetType, type Version } from './packet-types.js';
import { found, holder, property, readProperties } from './properties.js';
import { MqttFault, reason } from './reason-codes.js';
import { isTopicName } from './topics.js';

/** A part of a packet: the offset of its first octet and of what follows it. */
export type Part = { start: number; end: number };

/** The will of a client, which the broker publishes without asking. */
export type Will = {
  topic: string;
  qos: number;
  retain: boolean;
  responseTopic: string | undefined;
  /** The block of properties with its length; empty before MQTT 5. */
  properties: Part;
  /** Topic and payload with their lengths. */
  message: Part;
};

/** A CONNECT. Parts are in `bytes`. */
export type Connect = {
  bytes: Buffer;
  version: Version;
  clean: boolean;
  /** Seconds; 0 for none. */
  keepAlive: number;
  clientId: string;
  /** The client id with its length. */
  clientIdPart: Part;
  /** The block of properties with its length; empty before MQTT 5. */
  properties: Part;
  will: Will | undefined;
  password: string | undefined;
  /** Authentication Method and its data (MQTT 5.0 §4.12). */
  method: string | undefined;
  methodData: string | undefined;
  /** Seconds; 0 before MQTT 5. */
  sessionExpiry: number;
  /** The largest packet that the client takes. */
  maximumPacketSize: number;
  /** Deliveries with QoS 1 and 2 that the client takes at once; without limit before MQTT 5. */
  receiveMaximum: number;
};

const flag = { reserved: 1, clean: 2, will: 4, willQos: 24, willRetain: 32, password: 64, username: 128 };

/** Reads a CONNECT, which `bytes` has from `start` to `end`. @throws MqttFault */
export function readConnect(bytes: Buffer, start: number, body: number, end: number): Connect {
  if (bytes[start] !== packetType.connect)
    throw new MqttFault(reason.protocolError, 'the first packet must be CONNECT');
  const nameEnd = textEnd(bytes, body, end);
  if (nameEnd + 4 > end) throw new MqttFault(reason.malformed, 'CONNECT is too short');
  const version = versionOf(textAt(bytes, body), bytes[nameEnd]!);
  const flags = bytes[nameEnd + 1]!;
  checkFlags(flags, version);
  const part = { start: nameEnd + 4, end: nameEnd + 4 };
  if (version === 5) part.end = readProperties(bytes, part.start, end, holder.connect);
  const asked = ownProperties(bytes, version);
  const clientIdPart = { start: part.end, end: textEnd(bytes, part.end, end) };
  const will = (flags & flag.will) === 0 ? undefined : readWill(bytes, clientIdPart.end, end, flags, version);
  const password = readPassword(bytes, will ? will.message.end : clientIdPart.end, end, flags, version);
  return {
    bytes,
    version,
    clean: (flags & flag.clean) !== 0,
    keepAlive: readShort(bytes, nameEnd + 2, end),
    clientId: textAt(bytes, clientIdPart.start),
    clientIdPart,
    properties: part,
    will,
    password,
    ...asked,
  };
}

function versionOf(name: string, level: number): Version {
  if (name === 'MQIsdp' && level === 3) return 3;
  if (name === 'MQTT' && (level === 4 || level === 5)) return level;
  if (name !== 'MQTT' && name !== 'MQIsdp') throw new MqttFault(reason.malformed, 'CONNECT names another protocol');
  throw new MqttFault(reason.unsupportedVersion, `level ${level} of ${name} is unknown`);
}

function checkFlags(flags: number, version: Version): void {
  const qos = (flags & flag.willQos) >> 3;
  const hasWill = (flags & flag.will) !== 0;
  if ((flags & flag.reserved) !== 0) throw new MqttFault(reason.malformed, 'a reserved flag of CONNECT is set');
  if (qos === 3 || (!hasWill && (flags & (flag.willQos | flag.willRetain)) !== 0))
    throw new MqttFault(reason.malformed, 'the flags of the will contradict each other');
  // MQTT 5 allows a password without a username.
  if (version < 5 && (flags & flag.password) !== 0 && (flags & flag.username) === 0)
    throw new MqttFault(reason.malformed, 'a password without a username');
}

/** What the last block of properties says, which was that of CONNECT. */
function ownProperties(bytes: Buffer, version: Version) {
  const none = { method: undefined, methodData: undefined, sessionExpiry: 0 };
  if (version < 5) return { ...none, maximumPacketSize: Infinity, receiveMaximum: Infinity };
  const at = (id: number): number => found[id]!;
  const long = (id: number, otherwise: number): number => (at(id) === 0 ? otherwise : bytes.readUInt32BE(at(id)));
  const text = (id: number): string | undefined => (at(id) === 0 ? undefined : textAt(bytes, at(id)));
  const [method, methodData] = [text(property.method), text(property.methodData)];
  if (method === undefined && methodData !== undefined)
    throw new MqttFault(reason.protocolError, 'Authentication Data without a method');
  const sessionExpiry = long(property.sessionExpiry, 0);
  const receive = at(property.receiveMaximum);
  return {
    method,
    methodData,
    sessionExpiry,
    maximumPacketSize: long(property.maximumPacketSize, Infinity),
    receiveMaximum: receive === 0 ? Infinity : bytes.readUInt16BE(receive),
  };
}

function readWill(bytes: Buffer, at: number, end: number, flags: number, version: Version): Will {
  const properties = { start: at, end: version === 5 ? readProperties(bytes, at, end, holder.will) : at };
  const response = version === 5 ? found[property.responseTopic]! : 0;
  // MQTT-3.3.2-14
  if (response !== 0 && !isTopicName(bytes, response + 2, textEnd(bytes, response, end)))
    throw new MqttFault(reason.topicInvalid, 'the Response Topic of the will is empty, or has a wildcard');
  const topicEnd = textEnd(bytes, properties.end, end);
  if (!isTopicName(bytes, properties.end + 2, topicEnd))
    throw new MqttFault(reason.topicInvalid, 'the topic of the will is empty, or has a wildcard');
  return {
    topic: textAt(bytes, properties.end),
    qos: (flags & flag.willQos) >> 3,
    retain: (flags & flag.willRetain) !== 0,
    responseTopic: response === 0 ? undefined : textAt(bytes, response),
    properties,
    message: { start: properties.end, end: dataEnd(bytes, topicEnd, end) },
  };
}

/** The password; nothing may follow it. */
function readPassword(bytes: Buffer, from: number, end: number, flags: number, version: Version): string | undefined {
  let at = from;
  // MQTT 3.1 lets what the flags announce be missing at the end.
  const isThere = (wanted: number): boolean => (flags & wanted) !== 0 && (version > 3 || at < end);
  if (isThere(flag.username)) at = textEnd(bytes, at, end);
  const passwordAt = isThere(flag.password) ? at : 0;
  if (passwordAt > 0) at = dataEnd(bytes, at, end);
  if (at !== end) throw new MqttFault(reason.malformed, 'CONNECT has octets after its last field');
  return passwordAt === 0 ? undefined : textAt(bytes, passwordAt);
}

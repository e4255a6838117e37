import { widthOf } from './fields.js';
import { headerOf } from './frames.js';
import type { Connect } from './connect.js';
import { packetType, type Version } from './packet-types.js';
import { property, withoutProperties } from './properties.js';
import type { Publish } from './publish.js';
import { reason, returnCodeOf } from './reason-codes.js';

/** The method by which a device shows its token in CONNECT and AUTH. */
export const thingwardMethod = 'thingward';

/** PINGREQ. */
export const pingRequest = Buffer.from([packetType.pingreq, 0]);

/** A PUBACK, PUBREC, PUBREL or PUBCOMP; the code 0 is left out, and MQTT 3 has none. */
export function acknowledgement(first: number, id: number, code: number = reason.success): Buffer {
  const packet = Buffer.allocUnsafe(code === 0 ? 4 : 5);
  packet[0] = first;
  packet[1] = packet.length - 2;
  packet[2] = id >> 8;
  packet[3] = id & 0xff;
  if (code !== 0) packet[4] = code;
  return packet;
}

/** A SUBACK with a code for each filter. */
export function suback(id: number, codes: readonly number[], version: Version): Buffer {
  return packetOf(packetType.suback, [shortOf(id), version === 5 ? Buffer.of(0) : Buffer.alloc(0), Buffer.from(codes)]);
}

/** A CONNACK that refuses. The text is left out where it would make the packet larger than the client takes. */
export function refusal(version: Version, code: number, text: string, most: number): Buffer {
  if (version < 5) return Buffer.of(packetType.connack, 2, 0, returnCodeOf(code));
  return withReason(packetType.connack, [0, code], text, most);
}

/** A DISCONNECT of MQTT 5; the text as in {@link refusal}. */
export const disconnectWith = (code: number, text: string, most: number): Buffer =>
  withReason(packetType.disconnect, [code], text, most);

/** A DISCONNECT to a broker: it forgets the will, and with `purge` the session. */
export function farewell(version: Version, purge: boolean): Buffer {
  if (version < 5 || !purge) return Buffer.of(packetType.disconnect, 0);
  return packetOf(packetType.disconnect, [Buffer.of(reason.success, 5), longProperty(property.sessionExpiry, 0)]);
}

/** An AUTH that says that a client authenticated itself again. */
export const authenticated = (): Buffer =>
  packetOf(packetType.auth, [Buffer.of(reason.success), blockOf([textProperty(property.method, thingwardMethod)])]);

/** What a broker knows Thingward by. */
export type UpstreamCredentials = { username?: string | undefined; password?: string | undefined };

/**
 * The CONNECT for the broker: the client's, with other credentials, without its own authentication and without topic aliases, which
 * end here. A will is not delayed: it would speak after a revocation.
 */
export function upstreamConnect(connect: Connect, { username, password }: UpstreamCredentials): Buffer {
  const { bytes, version, properties, clientIdPart, will } = connect;
  const named = username ?? (password !== undefined && version < 5 ? '' : undefined);
  const dropped = [property.topicAliasMaximum, property.method, property.methodData];
  // Level, flags and keep-alive stand before the properties.
  const head = Buffer.from(bytes.subarray(properties.start - 4, properties.start));
  head[1] = (head[1]! & 0x3f) | (named === undefined ? 0 : 0x80) | (password === undefined ? 0 : 0x40);
  return packetOf(packetType.connect, [
    textOf(version === 3 ? 'MQIsdp' : 'MQTT'),
    head,
    ...(version === 5 ? [blockOf(withoutProperties(bytes, properties.start, properties.end, dropped))] : []),
    bytes.subarray(clientIdPart.start, clientIdPart.end),
    ...(will ? willOf(bytes, version, will) : []),
    ...(named === undefined ? [] : [textOf(named)]),
    ...(password === undefined ? [] : [textOf(password)]),
  ]);
}

function willOf(bytes: Buffer, version: Version, { properties, message }: NonNullable<Connect['will']>): Buffer[] {
  const octets = bytes.subarray(message.start, message.end);
  if (version < 5) return [octets];
  return [blockOf(withoutProperties(bytes, properties.start, properties.end, [property.willDelay])), octets];
}

/** A clean CONNECT with the same client id, and no more: the broker forgets the session of that id. */
export function purgingConnect(
  version: Version,
  clientId: string,
  { username, password }: UpstreamCredentials,
): Buffer {
  const named = username ?? (password !== undefined && version < 5 ? '' : undefined);
  const flags = 2 | (named === undefined ? 0 : 0x80) | (password === undefined ? 0 : 0x40);
  return packetOf(packetType.connect, [
    textOf(version === 3 ? 'MQIsdp' : 'MQTT'),
    Buffer.of(version, flags, 0, 30),
    ...(version === 5 ? [Buffer.of(0)] : []),
    textOf(clientId),
    ...(named === undefined ? [] : [textOf(named)]),
    ...(password === undefined ? [] : [textOf(password)]),
  ]);
}

/** What a PUBLISH begins with once its topic is written out and it has no alias: all but the payload, which stays where it is. */
export function publishHead(
  bytes: Buffer,
  first: number,
  { id, properties, payload }: Publish,
  topic: Uint8Array,
  payloadLength: number,
): Buffer {
  const kept =
    payload > properties
      ? blockOf(withoutProperties(bytes, properties, payload, [property.topicAlias]))
      : Buffer.alloc(0);
  const parts = [shortOf(topic.length), topic, ...(id > 0 ? [shortOf(id)] : []), kept];
  const length = parts.reduce((sum, part) => sum + part.length, payloadLength);
  return Buffer.concat([headerOf(first, length), ...parts]);
}

/** A packet from its first octet and the parts of its body. */
export function packetOf(first: number, parts: readonly Uint8Array[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([headerOf(first, length), ...parts]);
}

/** A block of properties with its length. */
export function blockOf(parts: readonly Uint8Array[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  // A header without its first octet is a length.
  return Buffer.concat([headerOf(0, length).subarray(1), ...parts]);
}

/** Two octets, big-endian. */
export const shortOf = (value: number): Buffer => Buffer.of(value >> 8, value & 0xff);

/** A property of two octets. */
export const shortProperty = (id: number, value: number): Buffer => Buffer.of(id, value >> 8, value & 0xff);

/** A property of four octets. */
export function longProperty(id: number, value: number): Buffer {
  const octets = Buffer.allocUnsafe(5);
  octets[0] = id;
  octets.writeUInt32BE(value, 1);
  return octets;
}

/** A property that is a text. */
export const textProperty = (id: number, text: string): Buffer => Buffer.concat([Buffer.of(id), textOf(text)]);

function textOf(text: string): Buffer {
  const octets = Buffer.from(text, 'utf8');
  return Buffer.concat([shortOf(octets.length), octets]);
}

const longestReason = 200;

function withReason(first: number, head: readonly number[], text: string, most: number): Buffer {
  const plain = packetOf(first, [Buffer.from(head), Buffer.of(0)]);
  if (text === '') return plain;
  const block = blockOf([textProperty(property.reasonString, text.slice(0, longestReason))]);
  const full = packetOf(first, [Buffer.from(head), block]);
  return full.length > most ? plain : full;
}

/** Octets that a packet of this body has. */
export const sizeOf = (length: number): number => 1 + widthOf(length) + length;

import { packetType } from '../../edge/mqtt-packets/packet-types.js';
import { property } from '../../edge/mqtt-packets/properties.js';
import { blockOf, longProperty, packetOf, shortOf, textProperty } from '../../edge/mqtt-packets/write.js';

/** What is published. Its properties reach whoever subscribes by MQTT 5. */
export type Outgoing = {
  topic: string;
  payload: Uint8Array;
  qos: 0 | 1;
  retain: boolean;
  contentType?: string | undefined;
  userProperties?: readonly (readonly [string, string])[];
};

/** MQTT 5.0. */
export const version = 5;

const contentTypeProperty = 0x03;

const textOf = (text: string): Buffer => {
  const octets = Buffer.from(text, 'utf8');
  return Buffer.concat([shortOf(octets.length), octets]);
};

/** A CONNECT with a clean session: the broker keeps nothing, so that no command comes a second time. */
export function connectPacket(clientId: string, keepAliveSeconds: number, mostOctets: number): Buffer {
  const head = Buffer.of(version, 2, ...shortOf(keepAliveSeconds));
  const properties = blockOf([longProperty(property.maximumPacketSize, mostOctets)]);
  return packetOf(packetType.connect, [textOf('MQTT'), head, properties, textOf(clientId)]);
}

/** A SUBSCRIBE to one filter at QoS 1. */
export const subscribePacket = (id: number, filter: string): Buffer =>
  packetOf(packetType.subscribe | 2, [shortOf(id), Buffer.of(0), textOf(filter), Buffer.of(1)]);

/** A PUBLISH; the identifier counts with QoS 1. */
export function publishPacket(id: number, { topic, payload, qos, retain, ...rest }: Outgoing): Buffer {
  const { contentType, userProperties = [] } = rest;
  const properties = [
    ...(contentType === undefined ? [] : [textProperty(contentTypeProperty, contentType)]),
    ...userProperties.map(([name, value]) =>
      Buffer.concat([Buffer.of(property.userProperty), textOf(name), textOf(value)]),
    ),
  ];
  const first = packetType.publish | (qos << 1) | (retain ? 1 : 0);
  return packetOf(first, [textOf(topic), ...(qos > 0 ? [shortOf(id)] : []), blockOf(properties), payload]);
}

/** What an edge or a broker says with the code of its last word, or of a CONNACK that refuses. */
export function refusalOf(code: number): string {
  return refusals[code] ?? `it refuses with 0x${code.toString(16)}`;
}

const notNow = 'it cannot serve now';
const refusals: Readonly<Record<number, string>> = {
  0x01: 'it speaks no MQTT 5',
  0x81: 'it calls a packet malformed',
  0x84: 'it speaks no MQTT 5',
  0x85: 'it refuses the client id',
  0x86: 'it refuses the credentials',
  0x87: 'it does not allow this: the certificate of this device or its policies do not',
  0x88: notNow,
  0x89: notNow,
  0x8b: 'it is shutting down',
  0x8e: 'another connection has this client id',
  0x90: 'it refuses a topic',
  0x95: 'a packet is too large for it',
  0x96: 'too much is sent in too little time',
  0x97: 'a quota is used up',
  0x98: 'it has ended the session: the thing was changed, suspended or revoked',
  0xa0: 'the certificate of this device has expired',
};

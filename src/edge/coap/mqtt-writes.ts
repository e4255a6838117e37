import {
  blockOf,
  longProperty,
  packetOf,
  shortOf,
  shortProperty,
  textProperty,
  thingwardMethod,
} from '../mqtt-packets/write.js';
import { packetType } from '../mqtt-packets/packet-types.js';
import { property } from '../mqtt-packets/properties.js';

const version5 = 5;
const cleanStart = 2;
const reauthentication = 0x19;
// SUBSCRIBE and UNSUBSCRIBE have this in their first octet (MQTT-3.8.1-1).
const reserved = 2;

/** What a session of CoAP says of itself in the words of MQTT 5. */
export type Greeting = {
  clientId: string;
  token: string | undefined;
  keepAlive: number;
  receiveMaximum: number;
  packetBytes: number;
};

/** A CONNECT with nothing that outlives the connection. */
export function connectOf({ clientId, token, keepAlive, receiveMaximum, packetBytes }: Greeting): Buffer {
  return packetOf(packetType.connect, [
    textOf('MQTT'),
    Buffer.of(version5, cleanStart),
    shortOf(keepAlive),
    blockOf([
      shortProperty(property.receiveMaximum, receiveMaximum),
      longProperty(property.maximumPacketSize, packetBytes),
      ...identityOf(token),
    ]),
    textOf(clientId),
  ]);
}

/** An AUTH that shows a newer token. */
export const authOf = (token: string): Buffer =>
  packetOf(packetType.auth, [Buffer.of(reauthentication), blockOf(identityOf(token))]);

function identityOf(token: string | undefined): Buffer[] {
  const method = textProperty(property.method, thingwardMethod);
  return token === undefined ? [method] : [method, textProperty(property.methodData, token)];
}

/** A message for the broker. */
export type Publication = { topic: string; payload: Buffer; retain: boolean; mediaType: string | undefined };

/** A PUBLISH with QoS 1. */
export function publishOf(id: number, { topic, payload, retain, mediaType }: Publication): Buffer {
  const first = packetType.publish | 2 | (retain ? 1 : 0);
  const properties = blockOf(mediaType === undefined ? [] : [textProperty(property.contentType, mediaType)]);
  return packetOf(first, [textOf(topic), shortOf(id), properties, payload]);
}

/** A SUBSCRIBE to one topic, with what is retained there. */
export const subscribeOf = (id: number, topic: string, qos: 0 | 1): Buffer =>
  packetOf(packetType.subscribe | reserved, [shortOf(id), Buffer.of(0), textOf(topic), Buffer.of(qos)]);

/** An UNSUBSCRIBE from one topic. */
export const unsubscribeOf = (id: number, topic: string): Buffer =>
  packetOf(packetType.unsubscribe | reserved, [shortOf(id), Buffer.of(0), textOf(topic)]);

function textOf(text: string): Buffer {
  const octets = Buffer.from(text, 'utf8');
  return Buffer.concat([shortOf(octets.length), octets]);
}

import { readPacketId, textAt, textEnd } from './fields.js';
import type { Version } from './packet-types.js';
import { holder, readProperties } from './properties.js';
import { MqttFault, reason } from './reason-codes.js';
import { isShare, isTopicFilter, sharedFilter } from './topics.js';

/** One filter of a SUBSCRIBE or UNSUBSCRIBE, with where its octets are, its options included. */
export type Filter = {
  text: string;
  qos: number;
  start: number;
  end: number;
  /** The text is no longer the one of these octets. */
  isChanged: boolean;
};

/** A SUBSCRIBE or UNSUBSCRIBE: `payload` is where its filters begin. */
export type Filters = { id: number; payload: number; filters: Filter[] };

/** Reads a SUBSCRIBE. @throws MqttFault */
export function readSubscribe(bytes: Buffer, body: number, end: number, version: Version): Filters {
  const id = readPacketId(bytes, body, end);
  const payload = version === 5 ? readProperties(bytes, body + 2, end, holder.subscribe) : body + 2;
  const filters: Filter[] = [];
  for (let at = payload; at < end; at = filters.at(-1)!.end) filters.push(readFilter(bytes, at, end, version));
  if (filters.length === 0) throw new MqttFault(reason.protocolError, 'SUBSCRIBE has no filter');
  return { id, payload, filters };
}

/** Reads an UNSUBSCRIBE. @throws MqttFault */
export function readUnsubscribe(bytes: Buffer, body: number, end: number, version: Version): Filters {
  const id = readPacketId(bytes, body, end);
  const payload = version === 5 ? readProperties(bytes, body + 2, end, holder.unsubscribe) : body + 2;
  const filters: Filter[] = [];
  for (let at = payload; at < end; at = filters.at(-1)!.end)
    filters.push({ text: readText(bytes, at, end), qos: 0, start: at, end: textEnd(bytes, at, end), isChanged: false });
  if (filters.length === 0) throw new MqttFault(reason.protocolError, 'UNSUBSCRIBE has no filter');
  return { id, payload, filters };
}

function readText(bytes: Buffer, at: number, end: number): string {
  const after = textEnd(bytes, at, end);
  if (!isTopicFilter(bytes, at + 2, after))
    throw new MqttFault(
      reason.filterInvalid,
      'a topic filter is empty, or has a wildcard that does not fill its level',
    );
  const text = textAt(bytes, at);
  if (isShare(text) && sharedFilter(text) === undefined)
    throw new MqttFault(reason.filterInvalid, 'a shared subscription has no group, or no filter');
  return text;
}

function readFilter(bytes: Buffer, at: number, end: number, version: Version): Filter {
  const text = readText(bytes, at, end);
  const options = textEnd(bytes, at, end);
  if (options >= end) throw new MqttFault(reason.malformed, 'a filter has no options');
  const octet = bytes[options]!;
  const qos = octet & 3;
  // MQTT-3.8.3-5; MQTT 3.1.1 has QoS 3 among them (MQTT-3-8.3-4).
  if ((octet & (version === 5 ? 0xc0 : 0xfc)) !== 0 || (version < 5 && qos === 3))
    throw new MqttFault(reason.malformed, 'the options of a filter have reserved bits');
  // MQTT 5.0 §3.8.3.1 names both values protocol errors.
  if (qos === 3 || (octet & 0x30) === 0x30)
    throw new MqttFault(reason.protocolError, 'the options of a filter have QoS 3, or Retain Handling 3');
  // MQTT-3.8.3-4
  if (version === 5 && (octet & 4) !== 0 && isShare(text))
    throw new MqttFault(reason.protocolError, 'No Local with a shared subscription');
  return { text, qos, start: at, end: options + 1, isChanged: false };
}

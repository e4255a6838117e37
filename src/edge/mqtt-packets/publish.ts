import { readPacketId, readShort } from './fields.js';
import { found, holder, property, readProperties } from './properties.js';
import { MqttFault, reason } from './reason-codes.js';

/** Where the parts of a PUBLISH are. The octets of the topic are not looked at yet: whoever judges it does that. */
export type Publish = {
  qos: number;
  isDuplicate: boolean;
  /** 0 with QoS 0. */
  id: number;
  topicStart: number;
  topicEnd: number;
  /** Where the length of the properties is; the same as `payload` before MQTT 5. */
  properties: number;
  payload: number;
  /** 0 for none. */
  alias: number;
  /** Where the length of the Response Topic is; 0 for none. */
  responseTopic: number;
};

/** A record to be filled by {@link readPublish}, again and again. */
export const createPublish = (): Publish => ({
  qos: 0,
  isDuplicate: false,
  id: 0,
  topicStart: 0,
  topicEnd: 0,
  properties: 0,
  payload: 0,
  alias: 0,
  responseTopic: 0,
});

/** Finds the parts of a PUBLISH of a client. @throws MqttFault */
export function readPublish(
  bytes: Buffer,
  start: number,
  body: number,
  end: number,
  hasProperties: boolean,
  into: Publish,
) {
  const at = readHead(bytes, bytes[start]!, body, end, into);
  into.properties = at;
  into.payload = at;
  into.alias = 0;
  into.responseTopic = 0;
  if (!hasProperties) return;
  if (at < end && bytes[at] === 0) into.payload = at + 1;
  else readMore(bytes, at, end, into);
}

/** Finds the topic and the packet identifier of a PUBLISH, and returns what follows them. @throws MqttFault */
export function readHead(bytes: Buffer, first: number, body: number, end: number, into: Publish): number {
  const topicEnd = body + 2 + readShort(bytes, body, end);
  if (topicEnd > end) throw new MqttFault(reason.malformed, 'a topic ends outside of its packet');
  into.qos = (first >> 1) & 3;
  into.isDuplicate = (first & 8) !== 0;
  into.topicStart = body + 2;
  into.topicEnd = topicEnd;
  into.id = into.qos === 0 ? 0 : readPacketId(bytes, topicEnd, end);
  return into.qos === 0 ? topicEnd : topicEnd + 2;
}

function readMore(bytes: Buffer, at: number, end: number, into: Publish): void {
  into.payload = readProperties(bytes, at, end, holder.publish);
  into.responseTopic = found[property.responseTopic]!;
  const alias = found[property.topicAlias]!;
  if (alias > 0) into.alias = (bytes[alias]! << 8) | bytes[alias + 1]!;
}

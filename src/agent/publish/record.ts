import type { Message } from './message.js';

/** A message as the queue keeps it, with when it came by the clock of the server, in milliseconds since 1970. */
export type Queued = Message & { at: number };

const flag = { qos1: 1, retain: 2, json: 4, form: 0x10 };
const head = 9;

/** A message as octets. */
export function encodeRecord({ id, topic, payload, isJson, qos, retain, at }: Queued): Buffer {
  const [topicOctets, idOctets] = [Buffer.from(topic, 'utf8'), Buffer.from(id, 'latin1')];
  const start = Buffer.alloc(head);
  start[0] = flag.form | (qos === 1 ? flag.qos1 : 0) | (retain ? flag.retain : 0) | (isJson ? flag.json : 0);
  start.writeUIntBE(Math.min(Math.max(0, Math.round(at)), 2 ** 48 - 1), 1, 6);
  start.writeUInt16BE(topicOctets.length, 7);
  return Buffer.concat([start, topicOctets, Buffer.of(idOctets.length), idOctets, payload]);
}

/** A message from its octets; undefined for what this version did not write. */
export function decodeRecord(octets: Buffer): Queued | undefined {
  if (octets.length < head || (octets[0]! & 0xf0) !== flag.form) return undefined;
  const topicEnd = head + octets.readUInt16BE(7);
  const idEnd = topicEnd + 1 + (octets[topicEnd] ?? 0);
  if (idEnd > octets.length) return undefined;
  const first = octets[0]!;
  return {
    id: octets.toString('latin1', topicEnd + 1, idEnd),
    topic: octets.toString('utf8', head, topicEnd),
    payload: octets.subarray(idEnd),
    isJson: (first & flag.json) !== 0,
    qos: (first & flag.qos1) !== 0 ? 1 : 0,
    retain: (first & flag.retain) !== 0,
    at: octets.readUIntBE(1, 6),
  };
}

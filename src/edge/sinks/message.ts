import type { Outgoing } from './sinks.js';

/** A message as it is kept: `order` says which came first, over all priorities. */
export type Kept = Outgoing & { order: number };

type Head = [order: number, id: string, account: string, thing: string, topic: string, at: number];

const lengthOctets = 4;

/** A message as octets. */
export function encodeMessage({ order, id, account, thing, topic, at, payload }: Kept): Buffer {
  const head: Head = [order, id, account, thing, topic, at];
  const text = Buffer.from(JSON.stringify(head));
  const length = Buffer.alloc(lengthOctets);
  length.writeUInt32BE(text.length);
  return Buffer.concat([length, text, payload]);
}

/** A message from its octets. */
export function decodeMessage(bytes: Buffer, priority: Outgoing['priority']): Kept {
  const end = lengthOctets + bytes.readUInt32BE(0);
  const [order, id, account, thing, topic, at] = JSON.parse(bytes.toString('utf8', lengthOctets, end)) as Head;
  return { order, id, account, thing, topic, at, priority, payload: bytes.subarray(end) };
}

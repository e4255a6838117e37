import { readPacketId } from '../mqtt-packets/fields.js';
import { packetType } from '../mqtt-packets/packet-types.js';
import { found, holder, property, readProperties } from '../mqtt-packets/properties.js';
import { createPublish, readHead } from '../mqtt-packets/publish.js';
import { reason } from '../mqtt-packets/reason-codes.js';

/** Why something was refused, or a session is over: a reason code of MQTT 5, and words for the device. */
export type Ended = { code: number; text: string };

/** A message that came from the broker. `id` is 0 with QoS 0. */
export type Delivery = {
  id: number;
  topic: string;
  payload: Buffer;
  /** The broker had it before the subscription. */
  isRetained: boolean;
  mediaType: string | undefined;
};

const refusing = 0x80;

/** Why the connection is refused; else the largest packet that may be sent. */
export function readConnack(bytes: Buffer, body: number, end: number): { refused: Ended | undefined; most: number } {
  const code = bytes[body + 1]!;
  readProperties(bytes, body + 2, end, holder.connack);
  const at = found[property.maximumPacketSize]!;
  const most = at === 0 ? Infinity : bytes.readUInt32BE(at);
  return { refused: code < refusing ? undefined : { code, text: reasonText(bytes) }, most };
}

/** What a PUBACK, SUBACK or UNSUBACK says of the one thing that was asked. */
export function readAnswered(
  bytes: Buffer,
  start: number,
  body: number,
  end: number,
): { id: number; refused: Ended | undefined } {
  const id = readPacketId(bytes, body, end);
  if (bytes[start] === packetType.puback) {
    const code = end > body + 2 ? bytes[body + 2]! : reason.success;
    const hasText = end > body + 3;
    if (hasText) readProperties(bytes, body + 3, end, holder.acknowledgement);
    return { id, refused: refusalOf(code, hasText ? reasonText(bytes) : '') };
  }
  const payload = readProperties(bytes, body + 2, end, holder.acknowledgement);
  const text = reasonText(bytes);
  // An unsubscription is not refused: whoever asks for it wants nothing more.
  return { id, refused: bytes[start] === packetType.suback ? refusalOf(bytes[payload]!, text) : undefined };
}

const refusalOf = (code: number, text: string): Ended | undefined => (code < refusing ? undefined : { code, text });

/** Why the other side ends the session. */
export function readDisconnect(bytes: Buffer, body: number, end: number): Ended {
  const code = end > body ? bytes[body]! : reason.success;
  if (end > body + 1) readProperties(bytes, body + 1, end, holder.brokerDisconnect);
  return { code, text: end > body + 1 ? reasonText(bytes) : '' };
}

/** A PUBLISH of the broker. Its payload is not copied. */
export function readDelivery(bytes: Buffer, start: number, body: number, end: number): Delivery {
  const publish = createPublish();
  const at = readHead(bytes, bytes[start]!, body, end, publish);
  const payload = readProperties(bytes, at, end, holder.delivery);
  const { topicStart, topicEnd, id } = publish;
  return {
    id,
    topic: bytes.toString('utf8', topicStart, topicEnd),
    payload: bytes.subarray(payload, end),
    isRetained: (bytes[start]! & 1) === 1,
    mediaType: textOf(bytes, found[property.contentType]!),
  };
}

const reasonText = (bytes: Buffer): string => textOf(bytes, found[property.reasonString]!) ?? '';

function textOf(bytes: Buffer, at: number): string | undefined {
  return at === 0 ? undefined : bytes.toString('utf8', at + 2, at + 2 + bytes.readUInt16BE(at));
}

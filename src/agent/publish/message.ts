import { randomUUID } from 'node:crypto';
import { isTopicName } from '../../edge/mqtt-packets/topics.js';
import { memberText } from './member-text.js';
import { Refusal } from './refusal.js';

/** A message to publish. */
export type Message = {
  id: string;
  topic: string;
  payload: Buffer;
  /** The payload is JSON in UTF-8. */
  isJson: boolean;
  qos: 0 | 1;
  retain: boolean;
};

/** Most octets of a message as it comes in, which is a line of JSON. */
export const mostMessageOctets = 196_608;

const mostTopicOctets = 1024;
const idForm = /^[!-~]{1,128}$/;
const members = new Set(['id', 'topic', 'payload', 'payloadBase64', 'qos', 'retain']);
const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Reads `{ topic, payload | payloadBase64, qos?, retain?, id? }`. A topic that begins with `~/` is below the thing's own,
 * `ACCOUNT/THING`. Without an id, the message gets one. @throws Refusal
 */
export function readMessage(octets: Uint8Array, thing: string): Message {
  const read = readObject(octets);
  const { given } = read;
  const id = readId(given['id']);
  const refuse = (text: string): never => {
    throw new Refusal('bad-message', text, id);
  };
  const unknown = Object.keys(given).find((name) => !members.has(name));
  if (unknown !== undefined) refuse(`${JSON.stringify(unknown.slice(0, 64))} is no member of a message: leave it out`);
  const { topic, qos = 1, retain = false } = given;
  if (qos !== 0 && qos !== 1) refuse('qos must be 0 or 1');
  if (typeof retain !== 'boolean') refuse('retain must be true or false');
  const { payload, isJson } = readPayload(read, refuse);
  return {
    id: id ?? randomUUID(),
    topic: readTopic(topic, thing, refuse),
    payload,
    isJson,
    qos: qos as 0 | 1,
    retain: retain as boolean,
  };
}

type Read = { given: Record<string, unknown>; text: string };

function readObject(octets: Uint8Array): Read {
  try {
    const text = utf8.decode(octets);
    const given = JSON.parse(text) as unknown;
    if (typeof given === 'object' && given !== null && !Array.isArray(given))
      return { given: given as Record<string, unknown>, text };
  } catch {
    // It is refused like other values.
  }
  throw new Refusal(
    'bad-message',
    'write a JSON object in UTF-8, such as {"topic":"~/telemetry","payload":{"temp":21}}',
  );
}

function readId(id: unknown): string | undefined {
  if (id === undefined) return undefined;
  if (typeof id === 'string' && idForm.test(id)) return id;
  throw new Refusal('bad-message', 'id must be a text of 1 to 128 printable ASCII characters without spaces');
}

function readTopic(topic: unknown, thing: string, refuse: (text: string) => never): string {
  if (typeof topic !== 'string') return refuse('topic must be a text');
  const whole = topic.startsWith('~/') ? `${thing}/${topic.slice(2)}` : topic;
  const octets = Buffer.from(whole, 'utf8');
  // What is no Unicode becomes other characters in UTF-8.
  if (octets.length > mostTopicOctets || !isTopicName(octets, 0, octets.length) || octets.toString('utf8') !== whole)
    return refuse(`topic must have 1 to ${mostTopicOctets} octets, no + or #, and no U+0000`);
  return whole;
}

function readPayload({ given, text }: Read, refuse: (text: string) => never) {
  const { payload, payloadBase64: encoded } = given;
  if ((payload === undefined) === (encoded === undefined)) refuse('give payload or payloadBase64: one of them');
  if (encoded === undefined) return { payload: Buffer.from(memberText(text, 'payload'), 'utf8'), isJson: true };
  const octets = typeof encoded === 'string' ? Buffer.from(encoded, 'base64') : undefined;
  if (octets?.toString('base64') !== encoded) refuse('payloadBase64 must be base64 with its padding (RFC 4648)');
  return { payload: octets, isJson: false };
}

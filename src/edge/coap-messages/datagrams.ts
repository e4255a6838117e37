import { CoapFault } from './fault.js';
import { readOptions, writeOptions, type Option } from './options.js';

/** What a message says, over whatever transport. */
export type Message = { code: number; token: Buffer; options: Option[]; payload: Buffer };

/** Types of datagrams (RFC 7252 §3). */
export const type = { confirmable: 0, nonConfirmable: 1, acknowledgement: 2, reset: 3 } as const;

/** A message with what holds datagrams together. */
export type Datagram = Message & { type: number; id: number };

/** A datagram that is no message. Its sender can be answered if its header was read. */
export type Unreadable = { type: number; id: number; fault: string };

const headerOctets = 4;
const empty = 0;
const payloadMarker = Buffer.of(0xff);
const none = Buffer.alloc(0);

/** The longest token of a message (RFC 7252 §3). */
export const longestToken = 8;

/** Reads a datagram. Undefined for one that nobody answers: it is too short, or of another version (RFC 7252 §3). */
export function readDatagram(bytes: Buffer): Datagram | Unreadable | undefined {
  if (bytes.length < headerOctets || bytes[0]! >> 6 !== 1) return undefined;
  const head = { type: (bytes[0]! >> 4) & 3, id: bytes.readUInt16BE(2) };
  try {
    return { ...head, ...readAfterHeader(bytes) };
  } catch (error) {
    if (!(error instanceof CoapFault)) throw error;
    return { ...head, fault: error.message };
  }
}

function readAfterHeader(bytes: Buffer): Message {
  const code = bytes[1]!;
  if (code === empty && bytes.length > headerOctets)
    throw new CoapFault('an empty message has octets after its header');
  return readMessage(bytes, headerOctets, bytes.length, code, bytes[0]! & 15);
}

/** Reads what follows the header of a message: token, options, payload. @throws CoapFault */
export function readMessage(bytes: Buffer, start: number, end: number, code: number, tokenLength: number): Message {
  if (tokenLength > longestToken) throw new CoapFault('a token has more than eight octets');
  const tokenEnd = start + tokenLength;
  if (tokenEnd > end) throw new CoapFault('a token ends outside of its message');
  const { options, payload } = readOptions(bytes, tokenEnd, end);
  return { code, token: bytes.subarray(start, tokenEnd), options, payload: bytes.subarray(payload, end) };
}

/** What a message says, after its header: token, options, payload. */
export function writeBody({ token, options, payload }: Omit<Message, 'code'>): Buffer {
  const parts = payload.length > 0 ? [payloadMarker, payload] : [];
  return Buffer.concat([token, writeOptions(options), ...parts]);
}

/** The octets of a datagram. */
export function writeDatagram({ type: kind, id, code, token, options, payload }: Datagram): Buffer {
  const header = Buffer.of(0x40 | (kind << 4) | token.length, code, id >> 8, id & 0xff);
  return Buffer.concat([header, writeBody({ token, options, payload })]);
}

/** An acknowledgement or reset that says nothing else. */
export const emptyDatagram = (kind: number, id: number): Buffer =>
  writeDatagram({ type: kind, id, code: empty, token: none, options: [], payload: none });

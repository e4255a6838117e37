import { CoapFault } from './fault.js';
import { longestToken, readMessage, writeBody, type Message } from './datagrams.js';

export type MessageStream = ReturnType<typeof createMessageStream>;

/** What a header says: where the token begins, and the octets of the whole message. */
type Header = { tokenAt: number; total: number };

const firstOctets = 256;
const none = Buffer.alloc(0);

/** What becomes of the messages of a stream. */
export type MessageTaker = {
  /** Gets each message; its octets are its own. False when nothing more is wanted. */
  take(message: Message): boolean;
  /** True while the next message has to wait, until `resume`. */
  isFull?(): boolean;
};

/**
 * Splits a stream into messages (RFC 8323 §3.2). One that is not complete is kept, in memory that grows with what came and not with
 * what was announced. `push` and `resume` throw CoapFault where the octets are no messages: the same for the same octets, in whatever
 * pieces they come.
 */
export function createMessageStream(most: number, { take, isFull = () => false }: MessageTaker) {
  let kept = none;
  let from = 0;
  let filled = 0;
  let isOver = false;

  /** Adds octets. Those of messages that were taken are never written again: whoever took them may keep them. */
  const keep = (bytes: Buffer): void => {
    const size = filled - from + bytes.length;
    if (filled + bytes.length > kept.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(firstOctets, size, from === filled ? 0 : 2 * (filled - from)));
      kept.copy(larger, 0, from, filled);
      kept = larger;
      filled -= from;
      from = 0;
    }
    bytes.copy(kept, filled);
    filled += bytes.length;
  };

  /** Takes the message at the beginning. False while it is not whole. @throws CoapFault */
  const next = (): boolean => {
    const header = readHeader(kept, from, filled);
    if (!header) return false;
    const { tokenAt, total } = header;
    if (total > most) throw new CoapFault(`a message has ${total} octets, more than ${most}`);
    const end = from + total;
    if (end > filled) return false;
    const message = readMessage(kept, tokenAt, end, kept[tokenAt - 1]!, kept[from]! & 15);
    from = end;
    isOver = !take(message);
    return true;
  };

  const run = (): void => {
    while (!isOver && from < filled && !isFull() && next());
    if (!isOver && from < filled) return;
    kept = none;
    from = 0;
    filled = 0;
  };

  return {
    /** Takes the next octets. */
    push(bytes: Buffer): void {
      if (isOver) return;
      keep(bytes);
      run();
    },

    /** Continues after it was full. */
    resume: run,

    /** Octets that are kept. */
    kept: (): number => filled - from,
  };
}

/** Undefined while the header is not complete. @throws CoapFault */
function readHeader(bytes: Buffer, at: number, end: number): Header | undefined {
  const [nibble, tokenLength] = [bytes[at]! >> 4, bytes[at]! & 15];
  if (tokenLength > longestToken) throw new CoapFault('a token has more than eight octets');
  const width = nibble < 13 ? 0 : nibble === 15 ? 4 : nibble - 12;
  const tokenAt = at + 2 + width;
  if (at + 1 + width > end) return undefined;
  const length = nibble < 13 ? nibble : bytes.readUIntBE(at + 1, width) + base[width]!;
  return tokenAt > end ? undefined : { tokenAt, total: 2 + width + tokenLength + length };
}

// What lengths of one, two and four octets begin with.
const base = [0, 13, 269, 0, 65_805];

/** The octets of a message. */
export function writeStreamMessage({ code, token, options, payload }: Message): Buffer {
  const body = writeBody({ token, options, payload });
  const length = body.length - token.length;
  const [nibble, more] = lengthOf(length);
  return Buffer.concat([Buffer.of((nibble << 4) | token.length), more, Buffer.of(code), body]);
}

function lengthOf(length: number): [number, Buffer] {
  if (length < 13) return [length, none];
  if (length < base[2]!) return [13, Buffer.of(length - base[1]!)];
  const octets = Buffer.allocUnsafe(4);
  octets.writeUInt32BE(length < base[4]! ? length - base[2]! : length - base[4]!);
  return length < base[4]! ? [14, octets.subarray(2)] : [15, octets];
}

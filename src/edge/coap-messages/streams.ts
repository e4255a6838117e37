import { CoapFault } from './fault.js';
import { longestToken, readMessage, writeBody, type Message } from './datagrams.js';

export type MessageStream = ReturnType<typeof createMessageStream>;

/** What a header says: where the token begins, and the octets of the whole message. */
type Header = { tokenAt: number; total: number };

const firstOctets = 256;
const none = Buffer.alloc(0);

/**
 * Splits a stream into messages (RFC 8323 §3.2). One that is not complete is kept, in memory that grows with what came and not with
 * what was announced. `take` gets each message; the octets are its own. It returns false when nothing more is wanted.
 */
export function createMessageStream(most: number, take: (message: Message) => boolean) {
  let kept = none;
  let filled = 0;
  let isOver = false;

  const keep = (bytes: Buffer): void => {
    const size = filled + bytes.length;
    if (size > kept.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(firstOctets, size, 2 * kept.length));
      kept.copy(larger, 0, 0, filled);
      kept = larger;
    }
    bytes.copy(kept, filled);
    filled = size;
  };

  /** Takes whole messages where they lie. Returns the place of the first that is not whole. */
  const split = (bytes: Buffer): number => {
    let at = 0;
    while (at < bytes.length && !isOver) {
      const header = readHeader(bytes, at, bytes.length);
      if (!header) return at;
      const { tokenAt, total } = header;
      if (total > most) throw new CoapFault(`a message has ${total} octets, more than ${most}`);
      const end = at + total;
      if (end > bytes.length) return at;
      const message = readMessage(bytes, tokenAt, end, bytes[tokenAt - 1]!, bytes[at]! & 15);
      at = end;
      isOver = !take(message);
    }
    return at;
  };

  return {
    /** Takes the next octets. @throws CoapFault where they are no messages: the same for the same octets, in whatever pieces they come */
    push(bytes: Buffer): void {
      if (isOver) return;
      keep(bytes);
      const all = kept.subarray(0, filled);
      // Whoever takes a message may keep it, so the octets that stay go to other memory.
      const at = split(all);
      if (at === 0 && filled > 0) return;
      kept = none;
      filled = 0;
      if (!isOver && at < all.length) keep(all.subarray(at));
    },

    /** Octets that are kept. */
    kept: (): number => filled,
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

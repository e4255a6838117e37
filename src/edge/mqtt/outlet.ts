import type { Duplex } from 'node:stream';

export type Outlet = ReturnType<typeof createOutlet>;

/**
 * Writes packets to a stream. Those that lie one after another in the octets of the other side are written as one piece,
 * without a copy. `onFull` is called when more than `most` octets wait: nothing more should come until the stream drains.
 */
export function createOutlet(stream: Duplex, most: number, onFull: () => void) {
  let source: Buffer | undefined;
  let start = 0;
  let end = 0;

  const write = (bytes: Buffer): void => {
    if (stream.writableEnded || stream.destroyed) return;
    if (!stream.write(bytes) && stream.writableLength > most) onFull();
  };

  const flush = (): void => {
    if (source === undefined) return;
    const bytes = source;
    source = undefined;
    write(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end));
  };

  return {
    /** Passes octets on as they lie. They are written with `flush`, at the latest. */
    pass(bytes: Buffer, from: number, to: number): void {
      if (bytes === source && from === end) {
        end = to;
        return;
      }
      flush();
      source = bytes;
      start = from;
      end = to;
    },

    /** Writes octets after those that were passed on. */
    send(bytes: Buffer): void {
      flush();
      write(bytes);
    },

    flush,

    /** Octets that the stream has not got rid of. */
    waiting: (): number => stream.writableLength,
  };
}

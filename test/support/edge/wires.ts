import { Duplex } from 'node:stream';

/** One end of a wire, and what came to the other side of it. */
export type Wire = {
  /** What the program under test holds. */
  near: Duplex;
  /** Octets that the near end wrote, in order. */
  received: Buffer[];
  /** Sends octets to the near end. */
  send(bytes: Buffer): void;
  /** Closes the far end, as a peer does. */
  close(): void;
  /** Whether the near end said that it writes no more, or was destroyed. */
  isClosed(): boolean;
  /** Stops, and continues, taking what the near end writes. */
  stall(): void;
  drain(): void;
  bytes(): Buffer;
};

/** A wire in memory. Its far end is the test. What a peer does when the near end closes is `onClose`, by default to close too. */
export function createWire({ highWaterMark = 65_536 }: { highWaterMark?: number } = {}): Wire {
  const received: Buffer[] = [];
  let isStalled = false;
  let isClosed = false;
  let waiting: (() => void) | undefined;
  const near = new Duplex({
    highWaterMark,
    allowHalfOpen: true,
    read() {},
    write(chunk: Buffer, _encoding, done) {
      const take = (): void => {
        received.push(chunk);
        done();
      };
      if (isStalled) waiting = take;
      else take();
    },
    final(done) {
      isClosed = true;
      if (!near.readableEnded) near.push(null);
      done();
    },
    destroy(error, done) {
      isClosed = true;
      done(error);
    },
  });
  near.on('error', () => {});
  return {
    near,
    received,
    send: (bytes) => void near.push(bytes),
    close: () => void near.push(null),
    isClosed: () => isClosed,
    stall: () => void (isStalled = true),
    drain() {
      isStalled = false;
      const take = waiting;
      waiting = undefined;
      take?.();
    },
    bytes: () => Buffer.concat(received),
  };
}

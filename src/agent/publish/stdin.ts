import type { Readable } from 'node:stream';
import { createLines } from './lines.js';
import { mostMessageOctets, type Message } from './message.js';
import { isPassing, Refusal } from './refusal.js';

/** Who takes the lines of a stream that nobody answers. */
export type StreamTaker = {
  /** A message from a line. @throws Refusal */
  read(octets: Buffer): Message;
  /** Resolves when there is room for a message; until then it calls `waits`, once. */
  room(message: Message, waits: () => void): Promise<void>;
  /** Resolves when it is on the disk. */
  keep(message: Message): Promise<void>;
  /** A line was left out. */
  refused(number: number, refusal: Refusal): void;
  /** No more is read for now, and why. */
  waits(why: string): void;
};

const retryMs = 1000;

/** Keeps the messages of a stream in their order. Where there is no room, it reads no further. Resolves when the stream is over. */
export async function readStream(stream: Readable, { read, room, keep, refused, waits }: StreamTaker): Promise<void> {
  type Numbered = { number: number; message: Message };
  let messages: Numbered[] = [];
  const lines = createLines(mostMessageOctets, {
    line(octets, number) {
      try {
        messages.push({ number, message: read(octets) });
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        refused(number, error);
      }
    },
    tooLong(number) {
      refused(number, new Refusal('message-too-large', `it has more than ${mostMessageOctets} octets`));
    },
  });

  const isLater = (error: unknown, number: number): boolean => {
    if (!(error instanceof Refusal)) throw error;
    if (isPassing(error)) waits(error.message);
    else refused(number, error);
    return isPassing(error);
  };

  /** Nothing is read before these are kept: what a disk refuses now is offered again, in its order. */
  const keepAll = async (): Promise<void> => {
    for (let left = messages; left.length > 0;) {
      const results: Promise<boolean>[] = [];
      for (const { number, message } of left) {
        await room(message, () => waits('the queue is full'));
        results.push(
          keep(message).then(
            () => true,
            (error: unknown) => !isLater(error, number),
          ),
        );
      }
      const done = await Promise.all(results);
      left = left.filter((_, at) => !done[at]);
      if (left.length > 0) await new Promise((resolve) => setTimeout(resolve, retryMs));
    }
    messages = [];
  };

  for await (const octets of stream) {
    lines.push(octets as Buffer);
    await keepAll();
  }
  lines.end();
  await keepAll();
}

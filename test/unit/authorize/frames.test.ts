import type { Writable } from 'node:stream';
import * as ws from 'ws';
import { describe, expect, it } from 'vitest';
import { textFrames } from '../../../src/authorize/stream/frames.js';

// Its types leave out what reads frames.
const { Receiver } = ws as unknown as { Receiver: new (options: { isServer: boolean }) => Writable };

/** What ws reads of frames as a client does. */
async function readFrames(frames: Buffer): Promise<string[]> {
  const receiver = new Receiver({ isServer: false });
  const read: string[] = [];
  receiver.on('message', (data: Buffer, isBinary: boolean) => {
    expect(isBinary).toBe(false);
    read.push(data.toString());
  });
  await new Promise<void>((resolve, reject) => {
    receiver.on('error', reject);
    receiver.end(frames, resolve);
  });
  return read;
}

describe('frames', () => {
  it('are read as the texts that they hold, whatever their lengths in octets', async () => {
    const lengths = [0, 1, 125, 126, 127, 65_535, 65_536, 70_000];
    const texts = lengths.flatMap((length) => ['x'.repeat(length), 'é'.repeat(length >> 1), '\u{1f600}']);
    expect(await readFrames(textFrames(texts))).toEqual(texts);
  });
});

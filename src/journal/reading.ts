import { open } from 'node:fs/promises';
import { headAt, payloadOf } from './records.js';
import type { Segment } from './segment.js';

/** A record as it was kept. */
export type Kept = { position: number; payload: Buffer };

/** How much a read returns. */
export type Most = { records: number; bytes: number };

type Block = Segment['blocks'][number];

/** The octets of a block, as long as it does not change. */
type Cache = { path: string; from: number; to: number; bytes: Buffer } | undefined;

/** Reads segments, and remembers the octets of the block that was read last. */
export function createReader() {
  let cache: Cache;

  const octetsOf = async ({ path }: Segment, { from, to }: Block): Promise<Buffer> => {
    if (cache?.path === path && cache.from === from && cache.to === to) return cache.bytes;
    const file = await open(path, 'r');
    try {
      const bytes = Buffer.allocUnsafeSlow(to - from);
      let done = 0;
      while (done < bytes.length) {
        const { bytesRead } = await file.read(bytes, done, bytes.length - done, from + done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      cache = { path, from, to, bytes: bytes.subarray(0, done) };
      return cache.bytes;
    } finally {
      await file.close();
    }
  };

  /** Whether that is enough; undefined where the block is damaged, and what stands before that was read. */
  const readBlock = async (segment: Segment, block: Block, from: number, most: Most, kept: Kept[]) => {
    // The last block grows while it is read.
    const fixed = { position: block.position, count: block.count, from: block.from, to: block.to };
    const bytes = await octetsOf(segment, fixed);
    let octets = kept.reduce((sum, { payload }) => sum + payload.length, 0);
    let at = 0;
    for (let position = fixed.position; position < fixed.position + fixed.count; position++) {
      const head = headAt(bytes, at, segment.seed, position, position);
      if (!head || head.to > bytes.length) return undefined;
      at = head.to;
      if (position < from) continue;
      const payload = payloadOf(bytes, head, segment.seed);
      if (!payload) return undefined;
      if (kept.length > 0 && octets + payload.length > most.bytes) return true;
      kept.push({ position, payload });
      octets += payload.length;
      if (kept.length >= most.records || octets >= most.bytes) return true;
    }
    return false;
  };

  return {
    /** Adds what a segment has from a position on to what was read. Resolves with whether that is enough; undefined where a block is damaged. */
    async read(segment: Segment, from: number, most: Most, kept: Kept[]): Promise<boolean | undefined> {
      for (const block of [...segment.blocks]) {
        if (block.position + block.count <= from) continue;
        const isEnough = await readBlock(segment, block, from, most, kept);
        if (isEnough !== false) return isEnough;
      }
      return false;
    },
    forget: () => void (cache = undefined),
  };
}

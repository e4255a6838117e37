import { rm } from 'node:fs/promises';
import { restOf, type Segment } from './segment.js';

export type Shelf = ReturnType<typeof createShelf>;

/** The segments of a journal, oldest first, and what of them is no longer needed. */
export function createShelf(segments: Segment[], start: number) {
  let trimmed = start;
  let dropped = 0;
  let gone = 0;

  const remove = async (segment: Segment): Promise<void> => {
    segments.splice(segments.indexOf(segment), 1);
    gone += segment.damaged;
    await rm(segment.path, { force: true });
  };

  return {
    all: (): readonly Segment[] => segments,
    newest: (): Segment | undefined => segments.at(-1),
    add: (segment: Segment): void => void segments.push(segment),
    remove,
    /** The octets of the files. */
    octets: (): number => segments.reduce((sum, { size }) => sum + size, 0),
    /** The position before which nothing is needed. */
    trimmed: (): number => trimmed,
    trim: (before: number): void => void (trimmed = Math.max(trimmed, before)),

    /** The oldest segment, if nothing in it is needed. */
    spent: (): Segment | undefined => segments.find((segment, index) => index === 0 && segment.next <= trimmed),

    /** Gives up the oldest segment. */
    async drop(): Promise<void> {
      const [oldest] = segments;
      if (!oldest) return;
      dropped += restOf(oldest, trimmed).records;
      trimmed = Math.max(trimmed, oldest.next);
      await remove(oldest);
    },

    /** The first position that is still there. */
    first(): number | undefined {
      const segment = segments.find(({ next }) => next > trimmed);
      return segment && Math.max(segment.first, trimmed);
    },

    /** The position of the last whole record that is still there. */
    last(): number | undefined {
      const block = segments.findLast(({ blocks }) => blocks.length > 0)?.blocks.at(-1);
      const position = block && block.position + block.count - 1;
      return position === undefined || position < trimmed ? undefined : position;
    },

    counts() {
      const kept = segments.filter(({ next }) => next > trimmed).map((segment) => restOf(segment, trimmed));
      return {
        records: kept.reduce((sum, { records }) => sum + records, 0),
        bytes: kept.reduce((sum, { bytes }) => sum + bytes, 0),
        damaged: segments.reduce((sum, { damaged }) => sum + damaged, gone),
        dropped,
      };
    },
  };
}

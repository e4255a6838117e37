import { chmod, mkdir, readdir } from 'node:fs/promises';
import { claimFolder } from './claim.js';
import { openMark } from './mark.js';
import { createReader, type Kept, type Most } from './reading.js';
import { readSegment, rereadSegment, segmentOf, type Segment } from './segment.js';
import { createShelf, type Shelf } from './shelf.js';
import { createWriter } from './writing.js';

export { JournalFullError } from './errors.js';
export type { Kept } from './reading.js';

/** A log on disk. Positions grow, and none is ever given twice; after a crash, and after a failed write, some are left out. */
export type Journal = {
  /**
   * Resolves with its position once it is durable: appends that come while others are written are written together. Until then the
   * payload must not change. Rejects with JournalFullError where the disk is full, or the journal is and may drop nothing; what was
   * rejected is not there. */
  append(payload: Uint8Array): Promise<number>;
  /** The first position that is still there, or the next one where there is none. */
  first(): number;
  /** The position that the next append gets, unless there is a failure before it. */
  next(): number;
  /** In order, from this position on: at most so many and so many octets, and one at least if there is one. Damaged records are skipped and counted. */
  read(from: number, most: Most): Promise<Kept[]>;
  /** What is before this position is no longer needed. Resolves once that is durable. */
  trim(before: number): Promise<void>;
  /** `records` and `bytes` are there; `damaged` and `dropped` were found so and given up since it was opened. */
  counts(): { records: number; bytes: number; damaged: number; dropped: number };
  /** The position of the last record that is still there. */
  last(): number | undefined;
  /** What the files have together. */
  octets(): number;
  /** Gives up the oldest file, and counts what was in it as dropped. */
  shrink(): Promise<void>;
  /** Writes what was appended, and leaves the folder to others. */
  close(): Promise<void>;
};

/** How a journal is kept. */
export type JournalOptions = {
  /** A file ends at so many octets; 4 MiB by default, and a sixteenth of `maxBytes` at most. */
  segmentBytes?: number;
  /** What the files may have together. */
  maxBytes: number;
  /** Records that are older are given up, exact to an eighth of it. */
  maxAgeMs?: number;
  whenFull: 'drop-oldest' | 'refuse';
  /** Whether an append waits until the disk has it. Without, the kernel has it: it survives the end of the process, and not that of the power. */
  fsync: boolean;
  /** Milliseconds since 1970. */
  now(): number;
};

// Between two writes of the mark. A crash leaves out so many positions at most.
const reserved = 65_536;
const defaultSegmentBytes = 4 * 1024 * 1024;

/** Opens a journal, and makes its folder where there is none. @throws Error when another one has it open, or it cannot be used */
export async function openJournal(folder: string, options: JournalOptions): Promise<Journal> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(folder, 0o700);
  const release = await claimFolder(folder);
  let mark: Parts['mark'] | undefined;
  try {
    mark = await openMark(folder);
    const segments = await readSegments(folder);
    const { first = 0, ceiling = 0 } = mark.found ?? {};
    // Without a mark, what was given and lost since cannot be known.
    const unknown = mark.isDamaged ? reserved : 0;
    const next = Math.max(ceiling, first, ...segments.map((segment) => segment.next + unknown));
    const shelf = createShelf(segments, first);
    for (let spent = shelf.spent(); spent; spent = shelf.spent()) await shelf.remove(spent);
    return build({ folder, options, mark, shelf, next, ceiling, release });
  } catch (error) {
    await mark?.leave();
    await release();
    throw error;
  }
}

async function readSegments(folder: string): Promise<Segment[]> {
  const segments = (await readdir(folder))
    .flatMap((name) => segmentOf(folder, name) ?? [])
    .sort((one, other) => one.first - other.first);
  for (const segment of segments) await readSegment(segment, segment === segments.at(-1));
  return segments;
}

type Parts = {
  folder: string;
  options: JournalOptions;
  mark: Awaited<ReturnType<typeof openMark>>;
  shelf: Shelf;
  next: number;
  ceiling: number;
  release(): Promise<void>;
};

function build({ folder, options, mark, shelf, next, ceiling, release }: Parts): Journal {
  const { maxBytes, maxAgeMs = Infinity, whenFull, fsync, now } = options;
  const writer = createWriter({
    folder,
    shelf,
    next,
    async reserve(upTo) {
      if (upTo <= ceiling) return;
      await mark.set({ ceiling: upTo + reserved });
      ceiling = upTo + reserved;
    },
    segmentBytes: Math.min(options.segmentBytes ?? defaultSegmentBytes, Math.max(1, Math.floor(maxBytes / 16))),
    maxBytes,
    maxAgeMs,
    dropsOldest: whenFull === 'drop-oldest',
    fsync,
    now,
  });
  const reader = createReader();
  let closing: Promise<void> | undefined;

  const requireOpen = (): void => {
    if (closing) throw new Error(`${folder} is closed`);
  };

  const read = async (from: number, most: Most): Promise<Kept[]> => {
    const kept: Kept[] = [];
    for (let start = from; ;) {
      start = Math.max(start, shelf.trimmed());
      const segment = shelf.all().find(({ next: end }) => end > start);
      if (!segment) return kept;
      const end = segment.next;
      if (await readOne(segment, start, most, kept)) return kept;
      start = Math.max(end, (kept.at(-1)?.position ?? 0) + 1);
    }
  };

  /** Whether that is enough. */
  const readOne = async (segment: Segment, from: number, most: Most, kept: Kept[]): Promise<boolean> => {
    for (let start = from; ;) {
      const isEnough = await reader.read(segment, start, most, kept).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error;
        return undefined;
      });
      if (isEnough !== undefined) return isEnough;
      reader.forget();
      rereadSegment(segment);
      start = Math.max(start, (kept.at(-1)?.position ?? 0) + 1);
    }
  };

  return {
    async append(payload) {
      requireOpen();
      return writer.append(payload);
    },
    first: () => shelf.first() ?? writer.next(),
    next: writer.next,
    async read(from, most) {
      requireOpen();
      await writer.expire();
      return read(from, most);
    },
    async trim(before) {
      requireOpen();
      const first = Math.min(before, writer.next());
      if (first <= shelf.trimmed()) return;
      shelf.trim(first);
      await mark.set({ first });
      for (let spent = shelf.spent(); spent && !writer.isActive(spent); spent = shelf.spent())
        await shelf.remove(spent);
    },
    counts: shelf.counts,
    last: shelf.last,
    octets: shelf.octets,
    async shrink() {
      requireOpen();
      await writer.shrink();
    },
    close() {
      closing ??= (async () => {
        try {
          await writer.close();
          await mark.end(writer.next());
        } finally {
          await release();
        }
      })();
      return closing;
    },
  };
}

import { randomBytes } from 'node:crypto';
import { open, readFile, rm, truncate, type FileHandle } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { scanRecords, type Head } from './records.js';

/** Whole records that follow each other without a gap, in the file and in their positions. */
type Block = { position: number; count: number; from: number; to: number };

/** A file of records. `first` is the position of its first record, `next` that after its last one, `size` where its last one ends. */
export type Segment = {
  path: string;
  seed: number;
  first: number;
  next: number;
  size: number;
  records: number;
  damaged: number;
  firstAt: number;
  lastAt: number;
  blocks: Block[];
};

// For people who look at the file: what it needs is in its name too, and another form would have other names.
const magic = Buffer.from('TWJOURN1', 'latin1');
const blockOctets = 64 * 1024;
const form = /^([\da-f]{12})-([\da-f]{8})\.log$/;

/** Octets that a file has before its first record. */
export const headerOctets = magic.length;

const blank = (path: string, seed: number, first: number): Segment => ({
  path,
  seed,
  first,
  next: first,
  size: headerOctets,
  records: 0,
  damaged: 0,
  firstAt: 0,
  lastAt: 0,
  blocks: [],
});

/** A segment by the name of its file, before it is read; undefined for other files. */
export function segmentOf(folder: string, name: string): Segment | undefined {
  const [, first, seed] = form.exec(name) ?? [];
  if (first === undefined) return undefined;
  return blank(join(folder, name), Number.parseInt(seed!, 16), Number.parseInt(first, 16));
}

/** Makes the file of a segment whose first record has this position. @throws Error when the disk does not take it */
export async function makeSegment(folder: string, first: number, fsync: boolean) {
  const seed = randomBytes(4);
  const path = join(folder, `${first.toString(16).padStart(12, '0')}-${seed.toString('hex')}.log`);
  const file = await open(path, 'wx', 0o600);
  try {
    await writeAll(file, magic, 0);
    if (fsync) await syncFolder(folder);
  } catch (error) {
    await file.close();
    await rm(path, { force: true }).catch(() => {});
    throw error;
  }
  return { segment: blank(path, seed.readUInt32BE(0), first), file };
}

/** Makes the names in a folder durable. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Writes everything, at a place. @throws Error when the disk does not take it */
export async function writeAll(file: FileHandle, bytes: Buffer, from: number): Promise<void> {
  for (let done = 0; done < bytes.length;)
    done += (await file.write(bytes, done, bytes.length - done, from + done)).bytesWritten;
}

/** A record came to the end of a segment. */
export function note(segment: Segment, { position, at, from, to }: Omit<Head, 'payloadSum'>): void {
  const last = segment.blocks.at(-1);
  const follows = last?.to === from && last.position + last.count === position;
  if (last && follows && last.to - last.from < blockOctets) {
    last.count++;
    last.to = to;
  } else segment.blocks.push({ position, count: 1, from, to });
  if (segment.records === 0) segment.firstAt = at;
  segment.records++;
  segment.lastAt = Math.max(segment.lastAt, at);
  segment.next = position + 1;
  segment.size = to;
}

/** Reads the file of a segment. The last one is cut where its last whole record ends. @throws Error for a file that cannot be read */
export async function readSegment(segment: Segment, isLast: boolean): Promise<void> {
  const bytes = await readFile(segment.path);
  take(segment, bytes);
  if (segment.size >= bytes.length) return;
  if (isLast) await truncate(segment.path, segment.size);
  else segment.damaged++;
}

/** Reads a segment once more, in which damage was found. */
export function rereadSegment(segment: Segment): void {
  const { size, next, damaged } = segment;
  let bytes = Buffer.alloc(0);
  try {
    // At once, so that nothing is written meanwhile.
    bytes = readFileSync(segment.path).subarray(0, size);
  } catch {
    // Gone, or the disk cannot read it.
  }
  take(segment, bytes);
  const found = segment.damaged + next - segment.next;
  Object.assign(segment, { size, next, damaged: Math.max(damaged, found) });
}

function take(segment: Segment, bytes: Buffer): void {
  const { first, seed } = segment;
  Object.assign(segment, { blocks: [], records: 0, size: headerOctets, next: first });
  const { damaged, end, next } = scanRecords(bytes, { from: headerOctets, first, seed }, (head) => note(segment, head));
  Object.assign(segment, { damaged, size: Math.max(end, headerOctets), next });
}

/** How many whole records from a position on there are, and their octets. */
export function restOf({ blocks, records, size }: Segment, from: number): { records: number; bytes: number } {
  if (blocks.length === 0 || from <= blocks[0]!.position) return { records, bytes: records === 0 ? 0 : size };
  const rest = blocks.filter(({ position, count }) => position + count > from);
  return rest.reduce(
    (sum, { position, count, from: begin, to }) => ({
      records: sum.records + count - Math.max(0, from - position),
      bytes: sum.bytes + to - begin,
    }),
    { records: 0, bytes: 0 },
  );
}

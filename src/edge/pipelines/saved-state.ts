import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import { crc32 } from 'node:zlib';

// What is written at once, and what no part of a state is larger than.
const partOctets = 1024 * 1024;
const mostOctets = 1024 * 1024 * 1024;
const headOctets = 8;

/**
 * Writes pieces of a state into a file, in place of the one before once the whole is on the disk. Each is copied when the iterator gives
 * it; between parts, others get their turn.
 */
export async function writeState(file: string, pieces: Iterable<unknown>): Promise<void> {
  const next = `${file}.next`;
  const handle = await open(next, 'w', 0o600);
  try {
    await writeParts(handle, pieces);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(next, file);
  await syncFolder(dirname(file));
}

async function writeParts(handle: FileHandle, pieces: Iterable<unknown>): Promise<void> {
  let part: Buffer[] = [];
  let octets = 0;
  const flush = async (): Promise<void> => {
    const all = Buffer.concat(part);
    [part, octets] = [[], 0];
    await handle.appendFile(all);
  };
  let count = 0;
  for (const piece of pieces) {
    count++;
    const frame = frameOf(piece);
    part.push(frame);
    octets += frame.length;
    if (octets >= partOctets) await flush();
  }
  // A file that was cut off has no end.
  part.push(frameOf({ end: count }));
  await flush();
}

function frameOf(piece: unknown): Buffer {
  const bytes = serialize(piece);
  const head = Buffer.allocUnsafe(headOctets);
  head.writeUInt32BE(bytes.length, 0);
  head.writeUInt32BE(crc32(bytes), 4);
  return Buffer.concat([head, bytes]);
}

/** The pieces of a state, in order; undefined where there is none. @throws Error for one that is damaged */
export async function readState(file: string): Promise<unknown[] | undefined> {
  await rm(`${file}.next`, { force: true });
  const handle = await open(file, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (!handle) return undefined;
  try {
    return await readParts(handle, file);
  } finally {
    await handle.close();
  }
}

async function readParts(handle: FileHandle, file: string): Promise<unknown[]> {
  const pieces: unknown[] = [];
  const { size } = await handle.stat();
  const read = async (from: number, length: number): Promise<Buffer> => {
    if (length > Math.min(size - from, mostOctets)) throw new Error(`${file} is cut off`);
    const bytes = Buffer.allocUnsafe(length);
    const { bytesRead } = await handle.read(bytes, 0, length, from);
    if (bytesRead < length) throw new Error(`${file} is cut off`);
    return bytes;
  };
  for (let from = 0; ;) {
    const head = await read(from, headOctets);
    const bytes = await read(from + headOctets, head.readUInt32BE(0));
    if (crc32(bytes) !== head.readUInt32BE(4)) throw new Error(`${file} is damaged at octet ${from}`);
    from += headOctets + bytes.length;
    const piece = deserialize(bytes) as { end?: number };
    if (piece.end === undefined) pieces.push(piece);
    else if (piece.end === pieces.length && from === size) return pieces;
    else throw new Error(`${file} is damaged at its end`);
  }
}

/** So that the name is on the disk, too. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

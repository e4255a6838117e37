import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { chmod, mkdir, open, readFile, readdir, rename, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * What of its trust an edge had used up, and when by the clock of its machine. `cursor` is the place that was applied. Times are in
 * milliseconds since 1970.
 */
export type StoredMark = { cursor: string; serverTime: number; wall: number; usedMs: number; refused: boolean };

/** What was found on disk, in the order in which it was written; `reason` says why there is nothing. */
export type Found = { records: unknown[]; mark: StoredMark } | { reason: string };

export type StateFolder = ReturnType<typeof createStateFolder>;

/** Which files count, how much of each, and the last link of the chain over their lines. */
type Extent = { generation: number; baseOctets: number; journalOctets: number; chain: string };

const macOctets = 32;
const sliceMs = 4;
const flushOctets = 256 * 1024;
const nothing = 'there is none';

/**
 * Keeps what an edge knows over a restart. `base-N` has everything, line by line, `journal-N` what came since, and `mark` how much
 * of both counts; it is replaced at once, so that a crash leaves the earlier state. A chain of HMAC-SHA-256 binds every line to
 * those before it, with a key derived from the API key (RFC 5869): who does not have that key can write, shorten or mix nothing.
 */
export function createStateFolder(folder: string, apiKey: string) {
  const macKey = Buffer.from(hkdfSync('sha256', apiKey, '', 'thingward edge state', macOctets));
  const mac = (before: Buffer, body: Buffer): Buffer =>
    createHmac('sha256', macKey).update(before).update(body).digest();
  const start = mac(Buffer.from('state 1\n'), Buffer.alloc(0));
  const markStart = mac(Buffer.from('mark 1\n'), Buffer.alloc(0));
  let extent: Extent | undefined;

  const pathOf = (name: 'base' | 'journal', generation: number): string => join(folder, `${name}-${generation}`);

  /** Writes lines from an offset on, in slices: nobody waits long for it. Returns where they end, and the chain over them. */
  const writeLines = async (path: string, from: number, before: Buffer, records: Iterable<unknown>) => {
    const file = await open(path, from === 0 ? 'w' : 'r+', 0o600);
    let [at, chain] = [from, before];
    let lines: Buffer[] = [];
    let octets = 0;
    const flush = async (): Promise<void> => {
      const bytes = Buffer.concat(lines);
      await writeAll(file, bytes, at);
      [at, octets, lines] = [at + bytes.length, 0, []];
    };
    try {
      let sliceFrom = performance.now();
      for (const record of records) {
        const line = Buffer.from(`${JSON.stringify(record)}\n`);
        chain = mac(chain, line);
        lines.push(line);
        octets += line.length;
        if (octets < flushOctets && performance.now() - sliceFrom < sliceMs) continue;
        await flush();
        sliceFrom = performance.now();
      }
      await flush();
      await file.datasync();
    } finally {
      await file.close();
    }
    return { octets: at, chain };
  };

  const writeMark = async (next: Extent, mark: StoredMark): Promise<void> => {
    const body = Buffer.from(JSON.stringify({ ...next, mark }));
    const path = join(folder, 'mark');
    const file = await open(`${path}.new`, 'w', 0o600);
    try {
      await file.writeFile(Buffer.concat([mac(markStart, body), body]));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(`${path}.new`, path);
    extent = next;
  };

  const readMark = async (): Promise<Extent & { mark: StoredMark }> => {
    const bytes = await readFile(join(folder, 'mark'));
    const body = bytes.subarray(macOctets);
    requireMac(bytes.subarray(0, macOctets), mac(markStart, body), 'mark');
    return JSON.parse(body.toString()) as Extent & { mark: StoredMark };
  };

  const readLines = async (
    path: string,
    octets: number,
    before: Buffer,
  ): Promise<{ records: unknown[]; chain: Buffer }> => {
    const bytes = octets === 0 ? Buffer.alloc(0) : (await readFile(path)).subarray(0, octets);
    if (bytes.length !== octets) throw new Error(`${path} is shorter than it was`);
    let chain = before;
    const lines: Buffer[] = [];
    for (let at = 0; at < bytes.length;) {
      const end = bytes.indexOf(10, at) + 1 || bytes.length;
      lines.push(bytes.subarray(at, end));
      chain = mac(chain, lines.at(-1)!);
      at = end;
    }
    // Nothing is parsed before the chain is known to be right.
    return { chain, records: lines };
  };

  const removeOthers = async (generation: number): Promise<void> => {
    const old = (await readdir(folder)).filter((name) => {
      const [, of] = /^(?:base|journal)-(\d{1,15})$/.exec(name) ?? [];
      return of !== undefined && Number(of) !== generation;
    });
    for (const name of old) await rm(join(folder, name), { force: true });
  };

  return {
    /** What was kept last; a reason when there is nothing that can be trusted. */
    async read(): Promise<Found> {
      try {
        const { mark, ...found } = await readMark();
        const base = await readLines(pathOf('base', found.generation), found.baseOctets, start);
        const journal = await readLines(pathOf('journal', found.generation), found.journalOctets, base.chain);
        requireMac(Buffer.from(found.chain, 'hex'), journal.chain, 'state');
        extent = found;
        const lines = [...base.records, ...journal.records] as Buffer[];
        return { records: lines.map((line) => JSON.parse(line.toString()) as unknown), mark };
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        return { reason: code === 'ENOENT' ? nothing : message };
      }
    },

    /** Makes the folder, and keeps others out of it. @throws Error when it cannot be made */
    async prepare(): Promise<void> {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await chmod(folder, 0o700);
    },

    /** Replaces everything. @throws Error when it cannot be written */
    async replace(records: Iterable<unknown>, mark: StoredMark): Promise<void> {
      const generation = (extent?.generation ?? 0) + 1;
      const { octets, chain } = await writeLines(pathOf('base', generation), 0, start, records);
      await writeMark({ generation, baseOctets: octets, journalOctets: 0, chain: chain.toString('hex') }, mark);
      await removeOthers(generation);
    },

    /** Adds to what was written before. @throws Error when it cannot be written */
    async append(records: readonly unknown[], mark: StoredMark): Promise<void> {
      const { generation, baseOctets, journalOctets, chain } = extent!;
      if (records.length === 0) return writeMark(extent!, mark);
      const path = pathOf('journal', generation);
      const end = await writeLines(path, journalOctets, Buffer.from(chain, 'hex'), records);
      await writeMark({ generation, baseOctets, journalOctets: end.octets, chain: end.chain.toString('hex') }, mark);
    },

    /** True when it is time to replace everything: nothing was written yet, or what was added is more than what it was added to. */
    isFull: (): boolean => !extent || extent.journalOctets > Math.max(extent.baseOctets, leastJournalOctets),
  };
}

const leastJournalOctets = 1024 * 1024;

async function writeAll(file: FileHandle, bytes: Buffer, from: number): Promise<void> {
  for (let done = 0; done < bytes.length;)
    done += (await file.write(bytes, done, bytes.length - done, from + done)).bytesWritten;
}

function requireMac(given: Buffer, good: Buffer, what: string): void {
  if (given.length !== good.length || !timingSafeEqual(given, good))
    throw new Error(`the ${what} was not written by an edge with this API key, or it was changed since`);
}

import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { chmod, mkdir, open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { parseCursor } from '../../log/cursor.js';
import type { SnapshotPage } from './known.js';
import type { ShownPrincipal } from './principals.js';

/** What decisions are made from, and the place in the log of it. */
export type StoredState = { page: SnapshotPage; principals: ShownPrincipal[] };

/** How much of its trust an edge had used up, and when by the clock of the machine. Times in milliseconds since 1970. */
export type StoredTrust = { cursor: string; serverTime: number; wall: number; usedMs: number; refused?: boolean };

/** What was found on disk; `reason` says why there is nothing. */
export type Found = { state: StoredState; trust: StoredTrust } | { reason: string };

export type StateFolder = ReturnType<typeof createStateFolder>;

const macOctets = 32;

/**
 * Keeps what an edge knows over a restart, so that it decides while the control plane is away. Both files are under HMAC-SHA-256
 * with a key derived from the API key (RFC 5869): who cannot read the key cannot write them. `folder` gets mode 0700.
 */
export function createStateFolder(folder: string, apiKey: string) {
  const macKey = Buffer.from(hkdfSync('sha256', apiKey, '', 'thingward edge state', macOctets));
  const macOf = (name: string, body: Buffer): Buffer =>
    createHmac('sha256', macKey).update(`${name}\0`).update(body).digest();

  const write = async (name: string, value: object): Promise<void> => {
    const body = Buffer.from(JSON.stringify(value));
    const path = join(folder, name);
    const file = await open(`${path}.new`, 'w', 0o600);
    try {
      await file.writeFile(Buffer.concat([macOf(name, body), body]));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(`${path}.new`, path);
  };

  const read = async <Value>(name: string): Promise<Value> => {
    const bytes = await readFile(join(folder, name));
    const body = bytes.subarray(macOctets);
    const mac = bytes.subarray(0, macOctets);
    if (mac.length !== macOctets || !timingSafeEqual(mac, macOf(name, body)))
      throw new Error(`${name} was not written by an edge with this API key`);
    return JSON.parse(body.toString()) as Value;
  };

  return {
    /** What was kept last; a reason when there is nothing that can be trusted. */
    async read(): Promise<Found> {
      try {
        const [state, trust] = [await read<StoredState>('state'), await read<StoredTrust>('trust')];
        const [kept, applied] = [parseCursor(state.page.cursor), parseCursor(trust.cursor)];
        if (kept.epoch === applied.epoch && kept.position < applied.position)
          return { reason: 'the state is older than what this edge had applied: it was replaced' };
        return { state, trust };
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        return { reason: code === 'ENOENT' ? 'there is none' : message };
      }
    },

    /** Makes the folder, and keeps others out of it. @throws Error when it cannot be made */
    async prepare(): Promise<void> {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await chmod(folder, 0o700);
    },

    /** The state comes first: trust that names a place of which there is no state is refused. */
    writeState: (state: StoredState): Promise<void> => write('state', state),
    writeTrust: (trust: StoredTrust): Promise<void> => write('trust', trust),
  };
}

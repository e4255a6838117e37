import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { createOutlet, Remembered } from './outlets.js';
import type { Running, SavedPiece } from './running.js';
import { readState, writeState } from './saved-state.js';

type Outlet = Pick<ReturnType<typeof createOutlet>, 'save' | 'restore'>;
type Head = { position: number; now: number };
type Heard = Remembered & { heard: string };

const originOctets = 6;

/** What an edge keeps of pipelines beside their journal. Positions are those of the journal; -1 is before the first. */
export async function openKeeping(stateDir: string) {
  const folder = join(stateDir, 'pipelines');
  const file = (name: string): string => join(folder, name);
  await mkdir(folder, { recursive: true, mode: 0o700 });

  /** A new name for positions that begin again. */
  const newOrigin = async (): Promise<string> => {
    const origin = randomBytes(originOctets).toString('hex');
    await replace(file('origin'), origin, true);
    return origin;
  };

  const read = (name: string): Promise<string | undefined> =>
    readFile(file(name), 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });

  return {
    journal: file('journal'),

    /**
     * Keeps whose messages these are. @throws Error where they are of another account: they would be published below the topics of this one,
     * and judged by its policies
     */
    async requireAccount(account: string): Promise<void> {
      const kept = await read('account');
      if (kept === account) return;
      if (kept) throw new Error(`${folder} holds messages of the account ${kept}: give another stateDir`);
      await replace(file('account'), account, true);
    },

    /** What the ids of this journal begin with, and until where sinks have what came of it. `next` is where the journal continues. */
    async beginning(next: number): Promise<{ origin: string; done: number }> {
      const [origin, written] = [await read('origin'), await read('done')];
      const done = written !== undefined && /^\d{1,15}$/.test(written) ? Number(written) : -1;
      // Somebody removed the journal: its positions are given again.
      if (!origin || !/^[0-9a-f]{12}$/.test(origin) || done >= next) return { origin: await newOrigin(), done: -1 };
      return { origin, done };
    },

    /** Sinks have what came of the journal up to here. After a power failure it may be an earlier place, and no harm is done. */
    done: (position: number): Promise<void> => replace(file('done'), String(position), false),

    /** Keeps what pipelines and outlet know at a position. */
    save: (position: number, running: Running, outlet: Outlet): Promise<void> =>
      writeState(file('state'), piecesOf({ position, now: running.now() }, running, outlet)),

    /** Takes up what was kept, and returns its position. @throws Error for what is damaged; nothing is taken up then */
    async restore(running: Running, outlet: Outlet): Promise<number> {
      const pieces = await readState(file('state'));
      const [head, ...others] = (pieces ?? []) as [Head?, ...(Heard | SavedPiece)[]];
      if (!head) return -1;
      for (const piece of others) if ('heard' in piece) outlet.restore(piece);
      running.restore(
        others.filter((piece): piece is SavedPiece => !('heard' in piece)),
        head.now,
      );
      return head.position;
    },
  };
}

function* piecesOf(head: Head, running: Running, outlet: Outlet): Generator<Head | Heard | SavedPiece, void> {
  yield head;
  yield* outlet.save();
  yield* running.save();
}

async function replace(file: string, text: string, isLasting: boolean): Promise<void> {
  await writeFile(`${file}.next`, text, { mode: 0o600 });
  if (isLasting) {
    const handle = await open(`${file}.next`, 'r+');
    await handle.sync().finally(() => handle.close());
  }
  await rename(`${file}.next`, file);
}

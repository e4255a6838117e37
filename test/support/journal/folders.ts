import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openJournal, type Journal, type JournalOptions } from '../../../src/journal/journal.js';

/** Folders for journals, which are removed together. */
export function createFolders() {
  const root = mkdtempSync(join(tmpdir(), 'journal-'));
  let count = 0;
  const fresh = (): string => join(root, String(count++));
  return {
    fresh,
    /** The folder as a process that was killed would leave it. */
    copy(folder: string): string {
      const to = fresh();
      cpSync(folder, to, { recursive: true, filter: (path) => !path.includes('claim-') });
      return to;
    },
    drop: (folder: string): void => rmSync(folder, { recursive: true }),
    remove: (): void => rmSync(root, { recursive: true, force: true }),
  };
}

/** The files of records of a folder, oldest first. */
export function logsOf(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.log'))
    .sort()
    .map((name) => join(folder, name));
}

/** Opens a journal that is small and quick, unless said otherwise. */
export function openSmall(folder: string, options: Partial<JournalOptions> = {}): Promise<Journal> {
  return openJournal(folder, { maxBytes: 64_000, whenFull: 'refuse', fsync: false, now: () => 1_000_000, ...options });
}

/** Everything that a journal has, as it was written. */
export async function everything(journal: Journal): Promise<{ position: number; text: string }[]> {
  const kept = await journal.read(0, { records: Infinity, bytes: Infinity });
  return kept.map(({ position, payload }) => ({ position, text: payload.toString('latin1') }));
}

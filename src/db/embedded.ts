import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { tryLock } from 'fs-native-extensions';
import { PrismaPGlite } from 'pglite-prisma-adapter';
import { ConfigError } from '../config.js';
import { makePrivate } from './private-files.js';
import { createClient, type OpenDatabase, type SqlSession } from './client.js';

/**
 * Opens the embedded PostgreSQL in `directory`, made on first use.
 * `onPanic` must end the process: after a PANIC (a full disk, say) the engine spins and nothing it says is true.
 * `whenLocked` runs once the folder is locked and before the database in it is read or made.
 * @throws ConfigError when another process holds the folder
 */
export async function openEmbedded(
  directory: string,
  onPanic: (line: string) => void,
  whenLocked = () => {},
): Promise<OpenDatabase> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const unlock = lockDirectory(directory);
  makePrivate(directory);
  whenLocked();
  const pglite = await PGlite.create({
    dataDir: join(directory, 'postgresql'),
    onStderr: (line) => {
      if (line.includes('PANIC')) onPanic(line);
      return true;
    },
  });
  // The engine chooses the modes of its files, whatever the umask: the folder keeps others out meanwhile.
  makePrivate(directory);
  const client = createClient(new PrismaPGlite(pglite));
  const session: SqlSession = {
    exec: async (text) => void (await pglite.exec(text)),
    query: async <Row>(text: string, parameters: unknown[] = []) => (await pglite.query<Row>(text, parameters)).rows,
    end: async () => {},
  };
  const close = async () => {
    await client.$disconnect();
    await pglite.close();
    makePrivate(directory);
    unlock();
  };
  return { kind: 'embedded', place: `embedded database in ${resolve(directory)}`, client, session, close };
}

// INVARIANT: the lock is held before the first byte of the database is read, and dies with the process.
// Two processes on one directory destroy it without a word.
function lockDirectory(directory: string): () => void {
  const descriptor = openSync(join(directory, 'lock'), 'a+', 0o600);
  if (tryLock(descriptor)) return () => closeSync(descriptor);
  closeSync(descriptor);
  throw new ConfigError(
    `${directory} is in use by another Thingward process: stop it first, or set THINGWARD_DATA_DIR to another folder`,
  );
}

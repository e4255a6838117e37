import { randomBytes } from 'node:crypto';
import { closeSync, fstatSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { OperatorError } from './errors.js';

/** A server and the key for it, with its end where it is known. */
export type Context = { url: string; key: string; expiresAt?: string };
/** What `thingward login` has stored: contexts by name, and which of them is in use. */
export type Contexts = { current?: string; contexts: Record<string, Context> };

const mostOctets = 1024 * 1024;
const othersMayRead = 0o077;

const fileIn = (folder: string): string => join(folder, 'contexts.json');

/** Reads the contexts of a folder; there are none if it has no file. @throws OperatorError if others may read the keys */
export function readContexts(folder: string): Contexts {
  const file = fileIn(folder);
  const text = textOf(file);
  if (text === undefined) return { contexts: {} };
  try {
    const { current, contexts } = JSON.parse(text) as Contexts;
    const named = new Map(
      Object.entries(contexts).map(([name, { url, key, expiresAt }]) => [
        name,
        { url, key, ...(typeof expiresAt === 'string' ? { expiresAt } : {}) },
      ]),
    );
    return { ...(current === undefined ? {} : { current }), contexts: Object.fromEntries(named) };
  } catch {
    throw new OperatorError(`${file} cannot be read: remove it and log in again with: thingward login URL`);
  }
}

/** Stores the contexts in a file that its owner alone may read. It is replaced at once, so a crash leaves the old or the new one. */
export function writeContexts(folder: string, contexts: Contexts): void {
  const file = fileIn(folder);
  const draft = `${file}.${randomBytes(6).toString('hex')}`;
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeFileSync(draft, `${JSON.stringify(contexts, undefined, 2)}\n`, { mode: 0o600, flag: 'wx' });
    renameSync(draft, file);
  } catch (error) {
    rmSync(draft, { force: true });
    throw new OperatorError(`${file} cannot be written (${(error as Error).message}): check the folder`);
  }
}

function textOf(file: string): string | undefined {
  let handle: number;
  try {
    handle = openSync(file, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new OperatorError(`${file} cannot be read (${(error as Error).message}): check who owns it`);
  }
  try {
    const { mode, size } = fstatSync(handle);
    if ((mode & othersMayRead) !== 0 && process.platform !== 'win32')
      throw new OperatorError(`others may read the keys in ${file}: chmod 600 ${file}`);
    if (size > mostOctets) throw new OperatorError(`${file} has more than 1 MiB: remove it and log in again`);
    return readFileSync(handle, 'utf8');
  } finally {
    closeSync(handle);
  }
}

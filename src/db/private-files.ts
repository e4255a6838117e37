import { chmodSync, existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError } from '../config.js';

const others = 0o077;

/** What is Thingward's in a data folder: the folder may be somebody's who has other things in it. */
const ours = ['postgresql', 'key', 'lock'];

/**
 * Makes a data folder, and what is Thingward's in it, unreadable for other users of the machine. What is made from then on is
 * private by the umask of the process. @throws ConfigError when that is not possible
 */
export function makePrivate(folder: string): void {
  process.umask(others);
  tighten(folder, 0o700);
  for (const name of ours) tightenAll(join(folder, name));
}

function tightenAll(path: string): void {
  if (!existsSync(path)) return;
  if (!statSync(path).isDirectory()) return tighten(path, 0o600);
  tighten(path, 0o700);
  for (const name of readdirSync(path)) tightenAll(join(path, name));
}

function tighten(path: string, mode: number): void {
  // The database may remove one of its files meanwhile.
  if (!existsSync(path) || (statSync(path).mode & others) === 0) return;
  try {
    chmodSync(path, mode);
  } catch (error) {
    throw new ConfigError(
      `${path} can be read by other users of this machine and its mode cannot be changed (${(error as NodeJS.ErrnoException).code}): chmod ${mode.toString(8)} it as its owner, or set THINGWARD_DATA_DIR to another folder, for example inside it`,
    );
  }
}

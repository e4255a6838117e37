import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { EdgeStartError } from '../start-error.js';

// `edge check` looks at the lock for an instant, and an edge that ends holds it for as long as it writes.
const again = { times: 5, afterMs: 50 };

/**
 * Locks an existing folder, and returns what ends that. The lock dies with the process, whatever ends it.
 * @throws EdgeStartError when somebody else has it
 */
export async function lockFolder(folder: string): Promise<() => void> {
  for (let tries = 1; tries <= again.times; tries++) {
    const unlock = await tryFolder(folder);
    if (unlock) return unlock;
    await wait(again.afterMs);
  }
  throw new EdgeStartError(`${folder} is in use by another edge: stop that one first, or choose another stateDir`);
}

/** Whether an edge has locked an existing folder. @throws Error when that cannot be found out */
export async function isLocked(folder: string): Promise<boolean> {
  const unlock = await tryFolder(folder);
  unlock?.();
  return unlock === undefined;
}

async function tryFolder(folder: string): Promise<(() => void) | undefined> {
  // Only here: whoever follows revocations needs no native code.
  const { tryLock } = await import('fs-native-extensions');
  const descriptor = openSync(join(folder, 'lock'), 'a+', 0o600);
  if (tryLock(descriptor)) return () => closeSync(descriptor);
  closeSync(descriptor);
  return undefined;
}

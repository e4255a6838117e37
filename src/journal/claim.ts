import { randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

const form = /^claim-[\da-f]{16}$/;
const tries = 5;

/**
 * Claims a folder for one journal, and resolves with what ends that. A claim is a socket that somebody listens at: the kernel ends
 * it with its process, whatever ends that one, and answers across containers. Every claim has a name of its own and stands before
 * its owner looks for others, so that of two at once never both go on.
 * @throws Error when another one has it
 */
export async function claimFolder(folder: string): Promise<() => Promise<void>> {
  for (let left = tries; left > 0; left--) {
    const release = await standAlone(folder);
    if (release) return release;
    await wait(randomInt(20, 100));
  }
  throw new Error(`${folder} is in use by another process`);
}

async function standAlone(folder: string): Promise<(() => Promise<void>) | undefined> {
  const name = `claim-${randomBytes(8).toString('hex')}`;
  const descriptor = openSync(folder, 'r');
  // Paths of sockets have 107 octets at most, and that of a folder may be longer.
  const at = (each: string): string =>
    process.platform === 'linux' ? `/proc/self/fd/${descriptor}/${each}` : join(folder, each);
  const server = createServer((socket) => socket.destroy()).unref();
  const release = async (): Promise<void> => {
    server.close();
    await rm(join(folder, name), { force: true });
    closeSync(descriptor);
  };
  try {
    await once(server.listen(at(name)), 'listening');
    for (const other of (await readdir(folder)).filter((each) => form.test(each) && each !== name))
      if (await isHeld(at(other))) return void (await release());
      else await rm(join(folder, other), { force: true });
    return release;
  } catch (error) {
    await release();
    throw error;
  }
}

async function isHeld(path: string): Promise<boolean> {
  const socket = connect(path);
  try {
    await once(socket, 'connect');
    return true;
  } catch (error) {
    // Anything else than that nobody listens proves nothing.
    return !['ECONNREFUSED', 'ENOENT'].includes((error as NodeJS.ErrnoException).code!);
  } finally {
    socket.destroy();
  }
}

import { spawn } from 'node:child_process';
import { LaterError } from './errors.js';
import { openFolder } from './folder.js';

/**
 * Runs a command when the folder has a certificate that it was not run for yet, with the folder as `$1`. It is run again until it
 * succeeds, whatever is killed meanwhile. @throws LaterError when it fails
 */
export async function runHook(command: string | undefined, out: string): Promise<void> {
  if (command === undefined) return;
  const folder = openFolder(out);
  const { certificate } = folder.requireIdentity();
  const serialNumber = certificate.serialNumber.toLowerCase();
  if (folder.announced() === serialNumber) return;
  const result = await shell(command, out);
  if (result !== undefined)
    throw new LaterError(`the command of --exec ${result}: correct it; it runs again the next time`);
  folder.writeAnnounced(serialNumber);
}

/** Runs a command; undefined when it succeeded, and otherwise how it ended. */
function shell(command: string, out: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = spawn('/bin/sh', ['-c', command, 'thingward-agent', out], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    child.once('error', (error) => resolve(`cannot be run (${error.message})`));
    child.once('exit', (code, signal) => {
      if (code === 0) resolve(undefined);
      else resolve(signal ? `was ended by ${signal}` : `ended with ${code}`);
    });
  });
}

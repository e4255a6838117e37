import { readFileSync } from 'node:fs';

/** A socket that a program of this machine holds, whatever became of its other side. */
export type HeldSocket = { local: number; remote: number };

/** Where the kernel shows its sockets over IPv4 (proc(5)). */
export const socketTable = '/proc/net/tcp';

/**
 * All sockets over IPv4 that programs of this machine hold and that were connected, by their ports. The kernel is asked, so a
 * socket that was destroyed is not among them from the moment of the call to close(2), whoever has heard of it.
 */
export function heldSockets(): HeldSocket[] {
  const held: HeldSocket[] = [];
  for (const line of readFileSync(socketTable, 'latin1').split('\n').slice(1)) {
    const [, local, remote, state, , , , , , inode] = line.trim().split(/\s+/);
    // A socket that nobody holds any longer has no inode, and one that listens has no other side.
    if (inode === undefined || inode === '0' || state === '0A') continue;
    held.push({ local: portOf(local!), remote: portOf(remote!) });
  }
  return held;
}

function portOf(address: string): number {
  return Number.parseInt(address.slice(address.indexOf(':') + 1), 16);
}

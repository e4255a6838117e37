import { readFileSync } from 'node:fs';

// Listeners, the control plane, the state, the log, and what Node has for itself.
const besideConnections = 200;

/** How many files this process needs for so many connections, and how many it may open; undefined where that is enough, or cannot be found out. */
export function fileShortage(
  connections: number,
  limits = readLimits(),
): { needed: number; allowed: number } | undefined {
  // `unlimited` is no number.
  const [, soft] = /^Max open files +(\d+) /m.exec(limits) ?? [];
  // One for the device, and one for the upstream.
  const needed = 2 * connections + besideConnections;
  const allowed = Number(soft ?? Infinity);
  return allowed < needed ? { needed, allowed } : undefined;
}

/** What Linux says of this process; empty elsewhere. */
function readLimits(): string {
  try {
    return readFileSync('/proc/self/limits', 'utf8');
  } catch {
    return '';
  }
}

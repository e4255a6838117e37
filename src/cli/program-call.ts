import { basename, dirname } from 'node:path';

/**
 * How people run this program again, for what is printed: by its name where it is installed for the whole machine, and else by
 * its file, because a name that nothing is installed under may be another program in the registry.
 */
export function programCall(script: string | undefined): string {
  if (script === undefined) return 'thingward';
  const isCommand = basename(script) === 'thingward';
  if (isCommand && !dirname(script).includes('node_modules')) return 'thingward';
  return isCommand ? quoted(script) : `node ${quoted(script)}`;
}

function quoted(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}

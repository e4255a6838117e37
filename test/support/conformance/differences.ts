import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What differs through an edge, by the name of the case, with the reason that the contract of the edge gives for it. */
export type Differences = Map<string, { reason: string; lines: string[] }>;

/**
 * Reads a list of differences: a reason after `#`, then the names of cases, each with its lines, which begin with `-` without the
 * edge and with `+` through it.
 * @throws Error for a case without a reason or without lines, and for one that is there twice
 */
export function readDifferences(name: string): Differences {
  const found: Differences = new Map();
  let reason = '';
  let latest: string[] | undefined;
  for (const line of readFileSync(join(import.meta.dirname, 'differences', name), 'utf8').split('\n')) {
    if (line.startsWith('# ')) reason = line.slice(2);
    else if (line.startsWith('  ')) latest?.push(line.slice(2));
    else if (line !== '') {
      if (reason === '' || found.has(line)) throw new Error(`${name}: ${line} has no reason, or is there twice`);
      latest = [];
      found.set(line, { reason, lines: latest });
    }
  }
  for (const [each, { lines }] of found) if (lines.length === 0) throw new Error(`${name}: ${each} has no lines`);
  return found;
}

/** The same without the reasons, to be compared with what was found. */
export const linesOf = (differences: Differences): Record<string, string[]> =>
  Object.fromEntries([...differences].map(([name, { lines }]) => [name, lines]));

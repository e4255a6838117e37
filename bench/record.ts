import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';

const file = 'bench/RESULTS.md';

/**
 * Replaces what stands in RESULTS.md between `<!-- begin: NAME -->` and `<!-- end: NAME -->` with a table and where it comes from.
 * @throws Error where there is no such place
 */
export function record(name: string, origin: string, table: string): void {
  const text = readFileSync(file, 'utf8');
  const [begin, end] = [`<!-- begin: ${name} -->`, `<!-- end: ${name} -->`];
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${file} has no place for ${name}: ${begin} … ${end}`);
  writeFileSync(file, `${text.slice(0, from)}${begin}\n\n${origin}\n\n${table}\n\n${text.slice(to)}`);
  execFileSync('npx', ['prettier', '--write', file], { stdio: 'ignore' });
}

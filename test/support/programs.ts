import { existsSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'vitest';

/** Whether a program is there; `python3:module` asks for a module of Python, a name with slashes for a file. */
function hasProgram(name: string): boolean {
  if (name.startsWith('/')) return existsSync(name);
  if (name.startsWith('python3:'))
    return spawnSync('python3', ['-c', `import ${name.slice(8)}`], { stdio: 'ignore' }).status === 0;
  return spawnSync('sh', ['-c', `command -v ${name}`], { stdio: 'ignore' }).status === 0;
}

/**
 * A suite that needs other people's programs: run where they are, skipped with a line that names what
 * is missing elsewhere, and a failure in CI.
 */
export function describeWith(programs: string[], title: string, suite: () => void): void {
  const missing = programs.filter((name) => !hasProgram(name));
  describeUnless(missing, title, suite);
}

/** The same, where what is missing was found out in another way. */
export function describeUnless(missing: string[], title: string, suite: () => void): void {
  if (missing.length === 0) return void describe(title, suite);
  if (process.env['CI'] === 'true') {
    return void it(title, () => {
      throw new Error(`CI must have: ${missing.join(', ')}`);
    });
  }
  describe.skip(`${title} (needs ${missing.join(', ')})`, suite);
}

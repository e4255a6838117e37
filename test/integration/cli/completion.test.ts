import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runCli } from '../../support/cli/run.js';
import { describeWith } from '../../support/programs.js';

const folder = mkdtempSync(join(tmpdir(), 'thingward-completion-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What each shell offers for words, of which the last is not finished. */
const asking = {
  bash: (words: string[]) => `source ./bash
    COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}
    _thingward; printf '%s\\n' "\${COMPREPLY[@]}"`,
  zsh: (words: string[]) => `compdef() { :; }; _files() { :; }
    compadd() { shift; for each in "$@"; do [[ $each == "$words[CURRENT]"* ]] && print -r -- $each; done }
    words=(${words.map((word) => `'${word}'`).join(' ')}); CURRENT=${words.length}
    source ./zsh; _thingward`,
  fish: (words: string[]) => `source ./fish; complete -C '${words.join(' ')}'`,
};

for (const [shell, script] of Object.entries(asking)) {
  describeWith([shell], `completion in ${shell}`, () => {
    beforeAll(async () => {
      const { code, stdout } = await runCli(['completion', shell]);
      expect(code).toBe(0);
      writeFileSync(join(folder, shell), stdout);
    });

    const offered = (...words: string[]): string[] => {
      const { status, stdout, stderr } = spawnSync(shell, ['-c', script(['thingward', ...words])], {
        cwd: folder,
        encoding: 'utf8',
        env: { PATH: process.env['PATH'], HOME: folder },
      });
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      return stdout.trim().split('\n').sort();
    };

    it('offers commands, and those below them', () => {
      expect(offered('')).toEqual(expect.arrayContaining(['agent', 'login', 'policies', 'serve', 'things']));
      expect(offered('th')).toEqual(['things']);
      expect(offered('things', 're')).toEqual(['reenroll', 'resume', 'revoke']);
    });

    it('offers flags, after arguments and values too', () => {
      expect(offered('things', 'list', '--st')).toEqual(['--status']);
      expect(offered('things', 'revoke', 'pump-17', '--r')).toEqual(['--reason']);
      expect(offered('things', 'list', '--policy', 'telemetry', '--o')).toEqual(['--output']);
    });

    it('takes no argument for a command, whatever it is called', () => {
      expect(offered('things', 'show', 'list', '--st')).not.toContain('--status');
    });
  });
}

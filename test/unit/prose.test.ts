import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

// Each is wrong for a reason of its own, and the one beside it says the same in plain words.
const sentences = [
  ['makes a further tenant', 'creates another tenant'],
  ['It gets certificate authorities of its own.', 'It gets its own certificate authorities.'],
  ['Every list that is given afterwards goes by it.', 'Every later request sees it.'],
  ['What a crash interrupts is gone\non with.', 'A bulk revocation interrupted by a crash\nis resumed.'],
  ['The same reason again is the first answer again.', 'Revoking again returns the original answer.'],
  ['A filter takes the certificates that fit all of it.', 'A filter selects what matches all of its fields.'],
  ['An edge that is no more is forgotten.', 'Remove a retired edge.'],
  ['policies as far as they can be said', 'policies, as far as Thingward can express them'],
  ['Objects of other accounts are not there either.', 'Objects of other accounts are reported as missing too.'],
  ['Things say so.', 'Things have an `aws` member.'],
  ['the database was changed behind our back', 'the database was modified outside Thingward'],
  ['A device needs nothing of ours.', 'A device needs no Thingward software.'],
  ['Nobody is at it.', 'Unclaimed.'],
  ['They are of one mind.', 'They are consistent.'],
  ['It is not worth a word.', 'It is ignored.'],
  ['The incarnation is another for every run.', 'The incarnation differs for every run.'],
  ['The answer is made by the server.', 'The server answers.'],
  [`This one ${'goes along and '.repeat(25)}never ends.`, 'This one ends.'],
] as const;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'thingward-prose-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function read(name: string, text: string) {
  const path = join(folder, name);
  writeFileSync(path, text);
  const { status, stdout } = spawnSync(process.execPath, ['scripts/prose.mjs', path], { encoding: 'utf8' });
  return { status, lines: [...stdout.matchAll(/:(\d+): /g)].map(([, line]) => Number(line)) };
}

const paragraphs = (texts: readonly string[]) => `${texts.join('\n\n')}\n`;

describe('npm run lint:prose', () => {
  it('finds every sentence that reads as translated, in its line', () => {
    const wrong = paragraphs(sentences.map(([sentence]) => sentence));
    const starts = sentences.map(([sentence]) => wrong.slice(0, wrong.indexOf(sentence)).split('\n').length);
    const { status, lines } = read('wrong.md', wrong);
    expect(status).toBe(1);
    expect([...new Set(lines)]).toEqual(starts);
  });

  it('has nothing against plain ones, nor against code and commands', () => {
    const plain = sentences.map(([, sentence]) => sentence);
    const code = '```sh\necho ours goes by it\n```';
    expect(read('plain.md', paragraphs([...plain, code, 'Set `ours` to `goes by`.']))).toEqual({
      status: 0,
      lines: [],
    });
  });

  it('reads the comments and texts of programs, and nothing else of them', () => {
    const program = [
      "import { ours } from './goes by.js';",
      '/**',
      ' * Returns what is kept. What fails is gone',
      ' * on with.',
      ' */',
      'export function ours(we: string, sql: (text: TemplateStringsArray) => string): string {',
      '  // Nobody is at it.',
      '  if (we) throw new Error(`the list of ${we} goes by it: try again`);',
      "  return sql`we go by ours` + we + 'of_one_mind'; // Worth a word, not worth a word.",
      '}',
      "export const text = 'the database was changed behind our back';",
    ];
    expect(read('program.ts', program.join('\n'))).toEqual({ status: 1, lines: [3, 7, 8, 9, 11] });
  });
});

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';

/** What imports cannot show. Each rule names the files it forgives and a line that it must catch. */
const rules: { name: string; pattern: RegExp; forgiven: RegExp; caught: string }[] = [
  {
    name: 'the environment is read in config.ts alone',
    pattern: /process\.env/,
    forgiven: /^src\/config\.ts$/,
    caught: 'const port = process.env.PORT;',
  },
  {
    name: 'the clock is read in clock.ts alone',
    pattern: /new Date\(\)|Date\.now\(\)/,
    forgiven: /^src\/clock\.ts$/,
    caught: 'const at = new Date();',
  },
  {
    name: 'chance comes from node:crypto',
    pattern: /Math\.random/,
    forgiven: /^$/,
    caught: 'const id = Math.random();',
  },
  {
    name: 'node-forge makes no keys, signs nothing and verifies nothing',
    pattern: /forge\.(pki|rsa|ed25519|ssh|tls|random|prime|jsbn)\b/,
    forgiven: /^$/,
    caught: 'forge.pki.rsa.generateKeyPair(2048);',
  },
  {
    name: 'no classes but errors',
    pattern: /^\s*(export )?(abstract )?class (?!\w+ extends \w*Error\b)/m,
    forgiven: /^$/,
    caught: 'export class ThingService {',
  },
  {
    name: 'no rule is switched off',
    pattern: /eslint-disable|@ts-(ignore|expect-error|nocheck)/,
    forgiven: /^$/,
    caught: '// @ts-ignore',
  },
];

const sources = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts') && !/^(db|client)\/generated\//.test(path))
  .map((path) => ({ path: `src/${path}`, text: readFileSync(join('src', path), 'utf8') }));

const mostLines = 300;
const lineCount = (text: string): number => text.trimEnd().split('\n').length;

/** Every file of the program and its tests, but what is generated and what tests only read. */
const files = ['src', 'test', 'console/src']
  .flatMap((root) =>
    readdirSync(root, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name)),
  )
  .filter(
    (path) =>
      /\.(tsx?|css|mjs|go|java|py)$/.test(path) && !/^(src\/(db|client)\/generated|test\/fixtures)\//.test(path),
  );

describe('the nevers', () => {
  for (const { name, pattern, forgiven, caught } of rules) {
    it(name, () => {
      expect(pattern.test(caught)).toBe(true);
      const offenders = sources
        .filter(({ path, text }) => !forgiven.test(path) && pattern.test(text))
        .map(({ path }) => path);
      expect(offenders).toEqual([]);
    });
  }

  // What it imports, and that this is as pure, is for the import rules: judge-reaches-nothing, policy-is-pure.
  it('a decision cannot wait', () => {
    const deciding =
      /^src\/(policy\/(decide|compile|condition|time\/window|resource|matching\/(levels|path-trie|paths))|authorize\/(judge|question|rights|segment|snapshot))\.ts$/;
    const waiting = /\b(async|await|Promise)\b/;
    const files = sources.filter(({ path }) => deciding.test(path));
    expect(files).toHaveLength(13);
    expect(waiting.test('export async function decide() {')).toBe(true);
    expect(files.filter(({ text }) => waiting.test(text)).map(({ path }) => path)).toEqual([]);
  });

  it('no file of src/, test/ or console/src/ has more than 300 lines', () => {
    expect(files.length).toBeGreaterThan(300);
    const long = files.filter((path) => lineCount(readFileSync(path, 'utf8')) > mostLines);
    expect(long).toEqual([]);
  });

  // What belongs to no room, and starts and wires the rooms, lies in src/ itself.
  it('no folder has more than 20 files, src/ itself not more than 25', () => {
    const counts = new Map<string, number>();
    for (const path of files) counts.set(dirname(path), (counts.get(dirname(path)) ?? 0) + 1);
    const full = [...counts].filter(([folder, count]) => count > (folder === 'src' ? 25 : 20));
    expect(full).toEqual([]);
  });

  it('a room has folders, and these have none', () => {
    const deep = files.filter((path) => path.split('/').length > (path.startsWith('test/') ? 5 : 4));
    expect(deep).toEqual([]);
  });

  it('services.ts is a list of rooms, and has less than 150 lines', () => {
    const { text } = sources.find(({ path }) => path === 'src/services.ts')!;
    expect(text.trimEnd().split('\n').length).toBeLessThan(150);
  });

  it('no test mocks a module or runs only itself', () => {
    const tests = readdirSync('test', { recursive: true, encoding: 'utf8' }).filter(
      (path) => path.endsWith('.ts') && !path.endsWith('nevers.test.ts'),
    );
    const offenders = tests.filter((path) => /vi\.mock\(|\.only\(/.test(readFileSync(join('test', path), 'utf8')));
    expect(offenders).toEqual([]);
  });
});

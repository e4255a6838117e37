import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { decodeBase64, encodePem, hasPem } from '../../src/pki/pem.js';
import { readCorpus, reasons } from '../support/csr-corpus.js';
import { describeWith } from '../support/programs.js';

const programs = 'test/support/csr-corpus/readers';
type Readers = Record<'openssl' | 'go' | 'gnutls' | 'keytool', Map<string, boolean>>;

/** Runs a reader that takes file names on standard input and says a word about each. */
function readAll(command: string, args: string[], files: string[]): Map<string, boolean> {
  const input = files.join('\n');
  const output = execFileSync(command, args, { input, encoding: 'utf8', env: { ...process.env, GO111MODULE: 'off' } });
  const lines = output
    .trim()
    .split('\n')
    .map((line) => line.split('\t'));
  return new Map(lines.map(([file, verdict]) => [file!, verdict === 'accepted']));
}

/** Runs a reader for each file, by what it says. */
function readEach(
  files: string[],
  command: string,
  args: (file: string) => string[],
  word: RegExp,
): Map<string, boolean> {
  return new Map(
    files.map((file) => {
      const { stdout, stderr } = spawnSync(command, args(file), { encoding: 'utf8' });
      return [file, word.test(stdout + stderr)];
    }),
  );
}

describeWith(['openssl', 'certtool', 'go', 'java'], 'readers of certificate requests', () => {
  const corpus = readCorpus();
  let folder: string;
  let paths: string[];
  let readers: Readers;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'requests-'));
    paths = corpus.map(({ file, text }) => {
      const path = join(folder, file.replaceAll('/', '-'));
      // The other readers want a block around base64.
      writeFileSync(path, hasPem(text) ? text : encodePem('CERTIFICATE REQUEST', decodeBase64(text)));
      return path;
    });
    const java = [
      '--add-exports',
      'java.base/sun.security.pkcs10=ALL-UNNAMED',
      '--add-exports',
      'java.base/sun.security.util=ALL-UNNAMED',
    ];
    readers = {
      openssl: readEach(paths, 'openssl', (file) => ['req', '-verify', '-noout', '-in', file], /verify OK/),
      go: readAll('go', ['run', join(programs, 'read.go')], paths),
      gnutls: readEach(paths, 'certtool', (file) => ['--crq-info', '--infile', file], /Self signature: verified/),
      keytool: readAll('java', [...java, join(programs, 'Read.java')], paths),
    };
  }, 300_000);
  afterAll(() => rmSync(folder, { recursive: true }));

  it('take what Thingward takes; what they take and it does not has a row in docs/devices.md', () => {
    const docs = readFileSync('docs/devices.md', 'utf8');
    const names = Object.keys(readers) as (keyof Readers)[];
    const table = new Map<string, Record<string, number>>();
    corpus.forEach(({ file, maker, verdict }, index) => {
      const takers = names.filter((name) => readers[name].get(paths[index]!));
      const row = table.get(maker) ?? {};
      for (const word of ['files', ...(verdict === 'accepted' ? ['Thingward'] : []), ...takers])
        row[word] = (row[word] ?? 0) + 1;
      table.set(maker, row);
      if (verdict === 'accepted') {
        expect(takers, file).toContain('openssl');
        expect(takers.length, `${file}: ${takers.join(', ')}`).toBeGreaterThanOrEqual(2);
      } else if (takers.length > 0) {
        expect(verdict, file).not.toBe('other');
        expect(docs, file).toContain(reasons[verdict as keyof typeof reasons].docs);
      }
    });
    const columns = ['files', 'Thingward', ...names];
    const lines = [...table].map(
      ([maker, row]) =>
        `${maker.padEnd(22)} ${columns.map((column) => String(row[column] ?? 0).padStart(9)).join(' ')}`,
    );
    console.log(
      `requests by maker, and who takes them\n${' '.repeat(22)} ${columns.map((column) => column.padStart(9)).join(' ')}\n${lines.join('\n')}`,
    );
  });
});

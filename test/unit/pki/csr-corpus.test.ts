import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { corpusFolder, judge, readCorpus, reasons } from '../../support/csr-corpus.js';

describe('requests of other makers', () => {
  const corpus = readCorpus();

  it('get the verdict of the manifest, each refusal by name', () => {
    const counts = new Map<string, Map<string, number>>();
    for (const { file, maker, version, verdict, text } of corpus) {
      const judged = judge(text);
      expect(judged.verdict, `${file}: ${judged.detail}`).toBe(verdict);
      const ofMaker = counts.get(`${maker} ${version}`) ?? new Map<string, number>();
      counts.set(`${maker} ${version}`, ofMaker.set(verdict, (ofMaker.get(verdict) ?? 0) + 1));
    }
    const lines = [...counts].map(
      ([maker, verdicts]) => `${maker}: ${[...verdicts].map(([verdict, count]) => `${verdict}=${count}`).join(' ')}`,
    );
    console.log(`requests: files=${corpus.length} makers=${counts.size}\n${lines.join('\n')}`);
    expect(corpus.some(({ verdict }) => verdict === 'other')).toBe(false);
    expect(counts.size).toBeGreaterThanOrEqual(15);
  });

  it('are all in the manifest', () => {
    const files = readdirSync(corpusFolder, { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.pem'),
    );
    expect(corpus.map(({ file }) => file).sort()).toEqual(files.sort());
  });

  it('are refused for reasons that docs/devices.md names', () => {
    const docs = readFileSync('docs/devices.md', 'utf8');
    for (const { docs: row } of Object.values(reasons)) expect(docs).toContain(row);
    const used = new Set(corpus.map(({ verdict }) => verdict));
    expect([...used].sort()).toEqual(['accepted', ...Object.keys(reasons)].sort());
  });
});

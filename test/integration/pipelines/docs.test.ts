import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { builtInPipelines } from '../../../src/pipeline/built-in.js';
import { describeWith } from '../../support/programs.js';
import { startServer } from '../../support/server.js';

const run = promisify(execFile);
const paper = readFileSync('docs/gateway.md', 'utf8');
const examples = [...paper.matchAll(/<!-- test: pipelines -->\n\n```sh\n([^]*?)```\n\n```json\n([^]*?)```/g)];

describeWith(['curl'], 'docs/gateway.md', () => {
  it('its commands answer what it says', async () => {
    const server = await startServer('embedded');
    expect(examples).toHaveLength(2);
    const env = { PATH: process.env['PATH'], URL: server.url, OWNER: server.ownerKey };
    for (const [, command, answer] of examples) {
      const { stdout } = await run('sh', ['-euc', command!], { env });
      expect(JSON.parse(stdout)).toEqual(JSON.parse(answer!));
    }
    await server.stop();
  });

  it('its document is the built-in one, and it names every code of a finding', () => {
    const [, document] = /## Pipelines\n[^]*?```json\n([^]*?)```/.exec(paper)!;
    expect(JSON.parse(document!)).toEqual(builtInPipelines[0]);
    const [, codes] = /type FindingCode =([^;]*);/.exec(readFileSync('src/pipeline/read.ts', 'utf8'))!;
    const named = [...codes!.matchAll(/'([a-z-]+)'/g)].map(([, code]) => code);
    expect(named.length).toBeGreaterThan(10);
    expect(
      [...paper.matchAll(/^\| `([a-z-]+)` +\|[^|]*\|$/gm)]
        .map(([, code]) => code)
        .filter((code) => named.includes(code))
        .sort(),
    ).toEqual([...named].sort());
  });
});

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { builtInPipelines } from '../../../src/pipeline/built-in.js';
import { siteReport } from '../../support/edge/site.js';
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

  it('its plan of a site is what it says', async () => {
    const server = await startServer('embedded');
    const edge = server.as((await server.owner.post('/v1/api-keys', { role: 'edge' })).body.key as string);
    const { id } = (await edge.post('/v1/proxies', { name: 'berlin-1' })).body as { id: string };
    const report = siteReport(0.89, 0.25);
    report.load.messages = 2000;
    expect((await edge.post(`/v1/proxies/${id}/site`, report)).status).toBe(204);
    const [, command, answer] = /<!-- test: admission -->\n\n```sh\n([^]*?)```\n\n```json\n([^]*?)```/.exec(paper)!;
    const env = { PATH: process.env['PATH'], URL: server.url, OWNER: server.ownerKey };
    const { stdout } = await run('sh', ['-euc', command!], { env });
    const { sites } = JSON.parse(stdout) as { sites: { cpu: { planned: number }; memory: { planned: number } }[] };
    expect(sites[0]!.cpu.planned).toBeGreaterThan(0.9);
    expect(sites[0]!.memory.planned).toBeGreaterThan(0.25);
    // Its id is another each time, and what is planned is no matter of the paper.
    const plain = (text: string) =>
      JSON.parse(text, (key, value: unknown) => (['id', 'planned'].includes(key) ? key : value)) as object;
    expect(plain(stdout)).toEqual(plain(answer!));
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

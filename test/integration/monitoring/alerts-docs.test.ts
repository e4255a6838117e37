import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { eventTypeNames } from '../../../src/events/event-types.js';
import { describeWith } from '../../support/programs.js';
import { startServer } from '../../support/server.js';

const run = promisify(execFile);
const paper = readFileSync('docs/alerts.md', 'utf8');
const blocks = [...paper.matchAll(/<!-- test: alerts -->\n\n```sh\n([^]*?)```/g)].map(([, block]) => block!);

describeWith(['curl'], 'docs/alerts.md', () => {
  it('its commands do what it says', async () => {
    const server = await startServer('embedded');
    expect(blocks).toHaveLength(3);
    const env = { PATH: process.env['PATH'], URL: server.url, OWNER: server.ownerKey };
    const made = [];
    for (const block of blocks) made.push(JSON.parse((await run('sh', ['-euc', block], { env })).stdout));
    const [rule, channel, webhook] = made;
    expect(rule).toMatchObject({ name: 'Many denials', cooldownSeconds: 300 });
    expect(channel).toMatchObject({ name: 'On call', secret: expect.stringMatching(/^whsec_/) });
    expect(webhook).toMatchObject({ enabled: true, secret: expect.stringMatching(/^whsec_/) });
    await server.stop();
  });

  it('it lists every type of event and every built-in rule', async () => {
    for (const type of eventTypeNames) expect(paper).toContain(`\`${type}\``);
    const server = await startServer('embedded');
    const { items } = (await server.owner.get('/v1/alerts/rules')).body as {
      items: { name: string; severity: string }[];
    };
    for (const { name, severity } of items)
      expect(paper).toMatch(new RegExp(`^\\| \`${name}\` .*\\| ${severity} +\\|$`, 'm'));
    await server.stop();
  });
});

import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { describeWith } from '../../support/programs.js';
import { startServer } from '../../support/server.js';
import { runShell, userFolder } from '../../support/shell.js';

/** The commands of a tutorial in their order, each with the answer that stands below it. */
function readSteps(file: string): { command: string; answer: object }[] {
  const blocks = [...readFileSync(file, 'utf8').matchAll(/```(sh|json)\n([\s\S]*?)```/g)];
  return blocks.flatMap(([, kind, text], index) => {
    if (kind !== 'sh') return [];
    const next = blocks[index + 1];
    if (next?.[1] !== 'json') throw new Error(`${file}: a command has no answer below it: ${text}`);
    return [{ command: text!, answer: JSON.parse(next[2]!) as object }];
  });
}

/** What the server answered; the agent prints lines of its own. */
const lastJson = (output: string): unknown =>
  JSON.parse(output.split('\n').findLast((line) => line.startsWith('{')) ?? 'null');

describeWith(['bash', 'curl', 'sed'], 'docs/policies.md', () => {
  it('every command answers what stands below it', async () => {
    const server = await startServer('embedded');
    const user = userFolder();
    try {
      const steps = readSteps('docs/policies.md');
      const mark = '---- answer ----';
      const script = steps.map(({ command }) => `echo '${mark}'\n${command}\necho`).join('\n');
      const env = { THINGWARD_URL: server.url, THINGWARD_OWNER_KEY: server.ownerKey };
      const { code, output } = await runShell(script, user.path, env);
      expect(code, output).toBe(0);
      const answers = output.split(`${mark}\n`).slice(1);
      expect(answers).toHaveLength(steps.length);
      for (const [index, { command, answer }] of steps.entries())
        expect(lastJson(answers[index]!), command).toMatchObject(answer);
      expect(steps.length).toBeGreaterThan(15);
    } finally {
      await server.stop();
      user.remove();
    }
  });
});

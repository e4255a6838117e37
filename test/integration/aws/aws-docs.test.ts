import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { awsCalls } from '../../../src/aws/client/calls.js';
import { createClient } from '../../support/client.js';
import { freshDatabase } from '../../support/databases/databases.js';
import { awsEnvironment, startMoto } from '../../support/aws/moto.js';
import { startProgram } from '../../support/program.js';
import { describeWith } from '../../support/programs.js';
import { runShell, userFolder } from '../../support/shell.js';

const text = readFileSync('docs/aws.md', 'utf8');

it('docs/aws.md asks for the permissions of exactly the calls that are made', () => {
  const named = [...text.matchAll(/"iot:(\w+)"/g)].map(([, call]) => call);
  expect(named).toEqual([...awsCalls].sort());
});

describeWith(['moto_server', 'bash', 'curl'], 'docs/aws.md', () => {
  it('its commands run as printed', async () => {
    const moto = await startMoto();
    const database = await freshDatabase('embedded');
    const user = userFolder();
    const ownerKey = `twk_${randomBytes(24).toString('base64url')}`;
    // The SDK's own setting leads to the emulator.
    const program = await startProgram({
      ...database.settings,
      ...awsEnvironment,
      AWS_ENDPOINT_URL: moto.url,
      THINGWARD_OWNER_KEY: ownerKey,
    });
    try {
      const blocks = [...text.matchAll(/<!-- test: (\w+) -->\s+```sh\n([\s\S]*?)```/g)];
      expect(blocks.map(([, name]) => name)).toEqual(['mirror', 'policy', 'compare', 'import']);
      const owner = createClient(program.url, ownerKey);
      const outputs = [];
      for (const [, , code] of blocks) {
        const env = { THINGWARD_URL: program.url, THINGWARD_OWNER_KEY: ownerKey };
        const { code: status, output } = await runShell(code!, user.path, env);
        expect([status, output]).toEqual([0, expect.not.stringContaining('urn:thingward:problem')]);
        outputs.push(output);
        while ((await owner.get('/v1/aws')).body.queue.pending > 0)
          await new Promise((resolve) => setTimeout(resolve, 200));
      }
      expect(outputs[0]).toContain('"queue":{"pending":3');
      expect(outputs[1]).toContain('is left out: AWS IoT has no condition like timeWindows');
      expect(outputs[2]).toContain('"dryRun":true');
      expect((await owner.get('/v1/aws')).body).toMatchObject({ queue: { pending: 0, failed: 0 } });
    } finally {
      await program.kill();
      await moto.stop();
      user.remove();
      database.remove();
    }
  });
});

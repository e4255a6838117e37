import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../../support/edge/stage.js';
import { createPublishStage, type PublishStage } from '../../support/gateway/publish-stage.js';
import { freePort } from '../../support/ports.js';
import { describeWith } from '../../support/programs.js';
import { runShell } from '../../support/shell.js';

const paper = readFileSync('docs/gateway.md', 'utf8');
const block = (name: string): string =>
  new RegExp(`<!-- test: publishing ${name} -->\\n\\n\`\`\`\\w+\\n([^]*?)\`\`\``).exec(paper)![1]!;

describeWith(['mosquitto', 'curl', 'gunzip', 'sh'], 'docs/gateway.md, publishing', () => {
  let stage: PublishStage;
  let agent: ChildProcess | undefined;

  beforeAll(async () => {
    stage = await createPublishStage();
  });
  afterAll(async () => {
    agent?.kill('SIGKILL');
    await stage.stop();
  });

  it('works as it stands: stdin, HTTP, batches and their signatures', async () => {
    const edge = await stage.startEdge();
    await stage.provision('pump-17');
    const { received, stop } = await stage.subscribe('pump-17');
    const program = `'${process.execPath}' '${resolve('dist/main.js')}' agent`;
    const run = (text: string) =>
      runShell(
        text
          .replaceAll('thingward-agent', program)
          .replace('edge.example.com:8883', `localhost:${edge.portOf(0)}`)
          .replace('edge-ca.pem', 'tls.crt'),
        stage.at(''),
      );
    const arrived = (count: number): Promise<unknown> =>
      eventually(
        () => received,
        (all) => all.length === count,
      );

    const first = await run(block('agent'));
    expect(first.code, first.output).toBe(0);
    await arrived(1);
    expect(received[0]).toMatchObject({ topic: 'default/pump-17/telemetry', payload: Buffer.from('{"temp":21.5}') });

    const port = await freePort();
    const args = [
      '--out',
      'pump-17',
      '--mqtt',
      `localhost:${edge.portOf(0)}`,
      '--mqtt-ca',
      'tls.crt',
      '--http',
      `${port}`,
    ];
    const running = spawn(process.execPath, [resolve('dist/main.js'), 'agent', 'run', ...args], {
      cwd: stage.at(''),
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    agent = running;
    let said = '';
    running.stdout.on('data', (octets: Buffer) => (said += octets.toString()));
    await eventually(
      () => said,
      (text) => text.includes('messages are taken at'),
    );
    const posted = await run(block('http').replace(':8080', `:${port}`));
    expect(posted.output).toMatch(/^\{"id":"[0-9a-f-]{36}"\}$/);
    await arrived(2);
    running.kill('SIGKILL');
    await once(running, 'exit');

    const lines = ['a', 'b'].map((name) => JSON.stringify({ topic: `~/${name}`, payload: name, id: name }));
    writeFileSync(stage.at('messages.ndjson'), lines.join('\n'));
    const batched = await run(block('batch'));
    expect(batched.code, batched.output).toBe(0);
    await arrived(3);
    const { payload, packet } = received[2]!;
    writeFileSync(stage.at('batch.gz'), payload);
    writeFileSync(stage.at('batch.gz.jws'), String(packet.properties!.userProperties!['jws']));
    copyFileSync(stage.at('pump-17/device.crt'), stage.at('pump-17.crt'));
    const verified = await run(block('verify'));
    expect(verified.code, verified.output).toBe(0);
    expect(verified.output).toMatch(/batch\.gz is batch .* of default\/pump-17, signed at .*: 2 messages\n\{"id":"a"/);
    stop();
  });
});

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../../support/edge/stage.js';
import { enroll } from '../../support/fleet.js';
import { createCommandStage, type CommandStage } from '../../support/gateway/command-stage.js';
import { describeWith } from '../../support/programs.js';
import { runShell } from '../../support/shell.js';

const program = `'${process.execPath}' '${resolve('dist/main.js')}' agent`;

describeWith(['mosquitto'], 'the agent takes commands', () => {
  let stage: CommandStage;
  let edge: Awaited<ReturnType<CommandStage['startEdge']>>;
  let token: string;
  const agents: ChildProcess[] = [];

  beforeAll(async () => {
    stage = await createCommandStage();
    edge = await stage.startEdge();
    ({ token } = await enroll(stage.server, { policy: 'commanded' }));
  });
  afterAll(async () => {
    for (const agent of agents) agent.kill('SIGKILL');
    await stage.stop();
  });

  const provision = async (name: string): Promise<void> => {
    const line = `${program} provision --server ${stage.server.url} --enrollment ${token} --name ${name} --out ${name}`;
    const made = await runShell(line, stage.at(''));
    expect(made.code, made.output).toBe(0);
  };
  const run = (name: string, script: string, port: number, more: string[] = []) => {
    writeFileSync(stage.at(`${name}.sh`), script);
    const args = ['--out', name, '--mqtt', `localhost:${port}`, '--mqtt-ca', 'tls.crt'];
    const agent = spawn(
      process.execPath,
      [resolve('dist/main.js'), 'agent', 'run', ...args, '--on-command', `sh ${name}.sh "$@"`, ...more],
      { cwd: stage.at(''), stdio: ['ignore', 'pipe', 'pipe'] },
    );
    agents.push(agent);
    let output = '';
    for (const stream of [agent.stdout, agent.stderr])
      stream.on('data', (octets: Buffer) => (output += octets.toString()));
    return { agent, output: () => output };
  };

  it('runs a program with the payload, and answers how it ended', async () => {
    await provision('worker');
    const script = 'case "$1" in one) cat > got.json; echo "$2" done;; two) echo no >&2; exit 3;; esac';
    const { output } = run('worker', script, edge.portOf(0));
    const first = await stage.send('worker', { name: 'one', payload: { rpm: 5, text: 'ä "quoted"' } });
    const done = await stage.until('worker', first.id, 'acknowledged');
    expect(done.result).toEqual({ status: 'acknowledged', exitCode: 0, output: `${first.id} done\n` });
    expect(JSON.parse(readFileSync(stage.at('got.json'), 'utf8'))).toEqual({ rpm: 5, text: 'ä "quoted"' });
    const second = await stage.send('worker', { name: 'two' });
    const failed = await stage.until('worker', second.id, 'failed');
    expect(failed.result).toEqual({ status: 'failed', exitCode: 3, output: 'no\n' });
    expect(output()).toContain('command one: acknowledged');
  });

  it('a program has a limit of time and output, and leaves nothing behind', async () => {
    await provision('slow');
    const script = 'case "$1" in one) yes | head -c 100000;; two) echo $$ > pid; sleep 1000 & sleep 1000;; esac';
    run('slow', script, edge.portOf(0), ['--command-seconds', '1']);
    const long = await stage.send('slow', { name: 'one' });
    const said = (await stage.until('slow', long.id, 'acknowledged')).result as { output: string };
    expect(said.output).toHaveLength(4096);
    const hung = await stage.send('slow', { name: 'two' });
    const failed = await stage.until('slow', hung.id, 'failed');
    expect(failed.result).toMatchObject({ status: 'failed', error: 'it took longer than 1 s' });
    const group = readFileSync(stage.at('pid'), 'utf8').trim();
    const left = await eventually(
      () => runShell(`ps -o pgid= -A | grep -cw ${group}`, stage.at('')),
      (found) => found.output.trim() === '0',
    );
    expect(left.output.trim()).toBe('0');
  });

  it('an agent that was killed takes what waited, and nothing twice', async () => {
    await provision('mortal');
    const script = 'echo "$2" >> ran; sleep 0.2';
    const before = run('mortal', script, edge.portOf(0));
    const first = await stage.send('mortal', { name: 'one' });
    await stage.until('mortal', first.id, 'acknowledged');
    before.agent.kill('SIGKILL');
    await once(before.agent, 'exit');
    await eventually(
      async () => (await stage.server.owner.get('/v1/sessions?thing=mortal')).body.items as object[],
      (sessions) => sessions.length === 0,
    );
    const made = await Promise.all(['one', 'two', 'ping'].map((name) => stage.send('mortal', { name })));
    run('mortal', script, edge.portOf(0));
    for (const { id } of made) await stage.until('mortal', id, 'acknowledged');
    const ran = readFileSync(stage.at('ran'), 'utf8').trim().split('\n');
    expect(ran.sort()).toEqual([first, ...made].map(({ id }) => id).sort());
  });

  it('says what is wrong with its options, and with an edge that it does not believe', async () => {
    for (const line of [
      '--on-command true',
      '--socket s',
      '--http 8080',
      '--batch 10,10',
      '--exit-when-empty',
      '--mqtt localhost:1 --sign',
      '--mqtt localhost:1 --batch 10',
      '--mqtt localhost:1 --queue-bytes 1000',
      '--mqtt localhost:1 --queue-fsync maybe',
      '--mqtt localhost:1 --no-stdin --exit-when-empty',
      '--mqtt localhost:1 --http 70000',
      '--mqtt localhost --on-command true',
      '--mqtt localhost:1 --on-command true --once',
    ]) {
      const { code } = await runShell(`${program} run --out worker ${line}`, stage.at(''));
      expect(code, line).toBe(2);
    }
    await provision('doubter');
    const args = ['agent', 'run', '--out', 'doubter', '--mqtt', `localhost:${edge.portOf(0)}`, '--on-command', 'true'];
    const agent = spawn(process.execPath, [resolve('dist/main.js'), ...args], {
      cwd: stage.at(''),
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    agents.push(agent);
    let said = '';
    agent.stderr.on('data', (octets: Buffer) => (said += octets.toString()));
    await eventually(
      () => said,
      (text) => /edge: .*(self-signed|certificate).*connecting again/.test(text),
    );
  });
});

import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../../support/edge/stage.js';
import { createPublishStage, firsts, type PublishStage } from '../../support/gateway/publish-stage.js';
import { freePort } from '../../support/ports.js';
import { describeWith } from '../../support/programs.js';
import { runShell } from '../../support/shell.js';

const leastBytes = '4194304';
const large = 'x'.repeat(100_000);

describeWith(['mosquitto'], 'the queue of the agent', () => {
  let stage: PublishStage;
  let edge: Awaited<ReturnType<PublishStage['startEdge']>>;
  let closedPort: number;

  beforeAll(async () => {
    stage = await createPublishStage();
    edge = await stage.startEdge();
    closedPort = await freePort();
  });
  afterAll(() => stage.stop());

  const sizeOf = (folder: string): number =>
    readdirSync(stage.at(folder)).reduce((sum, name) => sum + statSync(stage.at(`${folder}/${name}`)).size, 0);

  const portOf = async (output: () => string): Promise<number> =>
    Number(/"http":(\d+)/.exec(await eventually(output, (text) => /"http":\d+/.test(text)))![1]);

  const poster = (port: number) => ({
    post: async (message: object) => {
      const answer = await fetch(`http://127.0.0.1:${port}/publish`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(message),
      });
      return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
    },
    counts: async () => (await (await fetch(`http://127.0.0.1:${port}/queue`)).json()) as Record<string, number>,
  });

  it('refuses what it has no room for, reads stdin no further, and loses nothing when the edge is back', async () => {
    await stage.provision('full');
    const { received, stop } = await stage.subscribe('full');
    const options = ['--queue-bytes', leastBytes, '--http', '0', '--json'];
    const first = stage.run('full', closedPort, options);
    const { post, counts } = poster(await portOf(first.output));
    const written: string[] = [];
    for (let n = 0; n < 60; n++) {
      first.say({ topic: '~/a', payload: large, id: `f-${n}` });
      written.push(`f-${n}`);
    }
    first.agent.stdin.end();
    await eventually(first.output, (text) => text.includes('stdin: nothing is read for now: the queue is full'));
    const refused = await post({ topic: '~/a', payload: large });
    expect(refused).toMatchObject({ status: 507, body: { type: 'urn:thingward:problem:queue-full' } });
    expect(refused.body['detail']).toContain('make --queue-bytes larger');
    expect(first.output()).not.toContain('stdinEnded');
    const { waiting, refused: count } = await counts();
    expect(count).toBe(1);
    expect(waiting).toBeGreaterThan(30);
    expect(waiting).toBeLessThan(42);
    expect(sizeOf('full/queue')).toBeLessThan(Number(leastBytes) + 8192);
    await first.kill();
    // What was not read yet is the producer's still.
    const second = stage.run('full', edge.portOf(0), [...options, '--exit-when-empty']);
    written.slice(waiting).forEach((id) => second.say({ topic: '~/a', payload: large, id }));
    second.agent.stdin.end();
    await once(second.agent, 'exit');
    expect(second.agent.exitCode, second.output()).toBe(0);
    await eventually(
      () => firsts(received),
      (ids) => ids.length === written.length,
    );
    expect(firsts(received)).toEqual(written);
    expect(sizeOf('full/queue')).toBeLessThan(600_000);
    stop();
  });

  it('drops the oldest if it is told to, and counts them', async () => {
    await stage.provision('dropper');
    const { received, stop } = await stage.subscribe('dropper');
    const options = ['--queue-bytes', leastBytes, '--queue-drop-oldest', '--http', '0', '--json'];
    const first = stage.run('dropper', closedPort, options);
    const { post, counts } = poster(await portOf(first.output));
    for (let n = 0; n < 80; n++) expect((await post({ topic: '~/a', payload: large, id: `d-${n}` })).status).toBe(202);
    const { dropped, waiting } = await counts();
    expect(dropped).toBeGreaterThan(30);
    expect(dropped! + waiting!).toBe(80);
    await first.kill();
    const second = stage.run('dropper', edge.portOf(0), [...options, '--exit-when-empty']);
    second.agent.stdin.end();
    await once(second.agent, 'exit');
    await eventually(
      () => firsts(received),
      (ids) => ids.length === waiting,
    );
    expect(firsts(received)).toEqual(Array.from({ length: waiting! }, (_, n) => `d-${dropped! + n}`));
    stop();
  });

  const canMount = ((): boolean => {
    try {
      execFileSync('unshare', ['-m', 'true'], { stdio: 'ignore' });
      return process.getuid?.() === 0;
    } catch {
      return false;
    }
  })();
  it.skipIf(!canMount)('says when the disk is full, and takes more when there is room', async () => {
    await stage.provision('disk');
    const { received, stop } = await stage.subscribe('disk');
    mkdirSync(stage.at('small'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', stage.at('small')]);
    try {
      const { agent, output, say } = stage.run('disk', closedPort, ['--queue', 'small/queue', '--http', '0', '--json']);
      const { post } = poster(await portOf(output));
      const kept: string[] = [];
      for (let n = 0; n < 30; n++) {
        const { status, body } = await post({ topic: '~/a', payload: large, id: `k-${n}` });
        if (status === 202) kept.push(`k-${n}`);
        else
          expect([status, body]).toEqual([503, expect.objectContaining({ type: 'urn:thingward:problem:disk-full' })]);
      }
      expect(kept.length).toBeGreaterThan(10);
      expect(kept.length).toBeLessThan(21);
      say({ topic: '~/a', payload: large, id: 'of-stdin' });
      await eventually(output, (text) => /stdin: nothing is read for now: .*disk is full/.test(text));
      agent.kill('SIGKILL');
      await once(agent, 'exit');
      const second = stage.run('disk', edge.portOf(0), ['--queue', 'small/queue']);
      await eventually(
        () => firsts(received),
        (ids) => ids.length === kept.length,
      );
      second.say({ topic: '~/a', payload: large, id: 'again' });
      await eventually(
        () => firsts(received),
        (ids) => ids.length === kept.length + 1,
      );
      expect(firsts(received)).toEqual([...kept, 'again']);
      await second.kill();
    } finally {
      execFileSync('umount', ['-l', stage.at('small')]);
    }
    stop();
  });

  it('stands thousands of sockets, halves of lines, noise, and those who read nothing', async () => {
    await stage.provision('flood');
    const { received, stop } = await stage.subscribe('flood');
    const path = stage.at('flood.sock');
    const { agent, output, kill } = stage.run('flood', edge.portOf(0), ['--socket', path]);
    await eventually(output, (text) => text.includes('messages are taken on the socket'));
    const open = () => {
      const socket = connect(path);
      socket.on('error', () => {});
      return socket;
    };
    const crowd = Array.from({ length: 2000 }, open);
    crowd.forEach((socket, n) => socket.write(n % 2 ? '{"topic":"~/half' : Buffer.alloc(1000, n % 256)));
    await sleep(1000);
    crowd.forEach((socket) => socket.destroy());
    // It asks for answers and takes none.
    const deaf = open();
    await once(deaf, 'connect');
    deaf.pause();
    let sent = 0;
    for (let round = 0; round < 2000 && deaf.writableLength < 1_000_000; round++) {
      deaf.write('{"topic":"~/x"}\n'.repeat(1000));
      sent += 1000;
      await sleep(1);
    }
    expect(sent).toBeLessThan(2_000_000);
    const resident = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${agent.pid}/status`, 'utf8'))![1]);
    expect(resident).toBeLessThan(200_000);
    const polite = open();
    const answers = createInterface(polite);
    polite.write('{"topic":"~/ok","payload":1,"id":"ok"}\n');
    const [answer] = (await once(answers, 'line')) as [string];
    expect(JSON.parse(answer)).toEqual({ id: 'ok', kept: true });
    await eventually(
      () => received,
      (all) => all.length === 1,
    );
    console.log(`2,000 sockets and one that reads nothing: ${Math.round(resident / 1000)} MB of RSS`);
    deaf.destroy();
    polite.destroy();
    await kill();
    stop();
  });

  it('goes on with a certificate that is renewed meanwhile, and keeps everything when it is revoked', async () => {
    await stage.provision('renewed');
    const { received, stop } = await stage.subscribe('renewed');
    const { say, output, kill, agent } = stage.run('renewed', edge.portOf(0));
    const ids: string[] = [];
    const tell = (): void => {
      ids.push(`r-${ids.length}`);
      say({ topic: '~/a', payload: 1, id: ids.at(-1) });
    };
    const arrived = (): Promise<unknown> =>
      eventually(
        () => firsts(received),
        (all) => all.length === ids.length,
      );
    tell();
    await arrived();
    const renew = `'${process.execPath}' ${resolve('dist/main.js')} agent renew --force --out renewed`;
    for (let round = 0; round < 2; round++) {
      expect((await runShell(renew, stage.at(''))).code).toBe(0);
      tell();
      await arrived();
    }
    expect(firsts(received)).toEqual(ids);

    const revoked = await stage.server.owner.post('/v1/things/renewed/revoke', { reason: 'keyCompromise' });
    expect(revoked.status, revoked.text).toBeLessThan(300);
    await eventually(output, (text) => /edge: .*(ended the session|does not allow).*connecting again/.test(text));
    tell();
    await sleep(1500);
    expect(agent.exitCode).toBe(null);
    expect(received.some(({ id }) => id === ids.at(-1))).toBe(false);
    await kill();
    stop();
  });

  it('gives up what an edge never takes, and publishes what is behind it', async () => {
    const strict = await stage.startEdge({ deniedPublish: 'disconnect', limits: { packetBytes: 20_000 } });
    await stage.provision('poison');
    const { received, stop } = await stage.subscribe('poison');
    const { say, agent, output } = stage.run('poison', strict.portOf(0), ['--exit-when-empty', '--json']);
    say({ topic: '~/a', payload: 1, id: 'p-1' });
    say({ topic: '~/secret/x', payload: 1, id: 'p-2' });
    say({ topic: '~/a', payload: large, id: 'p-3' });
    say({ topic: '~/a', payload: 2, id: 'p-4' });
    agent.stdin.end();
    await once(agent, 'exit');
    expect(agent.exitCode, output()).toBe(0);
    await eventually(
      () => firsts(received),
      (ids) => ids.length === 2,
    );
    expect(firsts(received)).toEqual(['p-1', 'p-4']);
    const ended = output()
      .split('\n')
      .find((line) => line.includes('"ended":true'))!;
    expect(JSON.parse(ended)).toMatchObject({ denied: 1, tooLarge: 1, waiting: 0 });
    stop();
  });

  it('leaves out what a disk damaged, and waits for nothing when the clock jumps', async () => {
    await stage.provision('late');
    const { received, stop } = await stage.subscribe('late');
    const first = stage.run('late', closedPort, ['--http', '0', '--json']);
    const { post } = poster(await portOf(first.output));
    for (let n = 0; n < 20; n++) await post({ topic: '~/a', payload: `${n}-${'y'.repeat(200)}`, id: `l-${n}` });
    await first.kill();
    const [name] = readdirSync(stage.at('late/queue')).filter(
      (each) => statSync(stage.at(`late/queue/${each}`)).size > 4000,
    );
    const file = stage.at(`late/queue/${name!}`);
    const octets = readFileSync(file);
    octets[octets.indexOf('10-yyyy')]! ^= 1;
    writeFileSync(file, octets);
    const state = JSON.parse(readFileSync(stage.at('late/agent.json'), 'utf8')) as object;
    writeFileSync(stage.at('late/agent.json'), JSON.stringify({ ...state, clockOffset: 1_000_000_000 }));
    const second = stage.run('late', edge.portOf(0), ['--exit-when-empty', '--batch', '10,1', '--json']);
    second.agent.stdin.end();
    await once(second.agent, 'exit');
    expect(second.agent.exitCode, second.output()).toBe(0);
    const [, counts] = /(\{"ended".*\})/.exec(second.output())!;
    expect(JSON.parse(counts!)).toMatchObject({ damaged: 1, sent: 19, waiting: 0 });
    const idsOf = (lines: string): string[] =>
      lines
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { id: string }).id);
    // The clock says that the certificate is due: the agent renews it, connects again, and may send a batch twice.
    const ids = await eventually(
      () => [...new Set(received.flatMap(({ payload }) => idsOf(gunzipSync(payload).toString('utf8'))))],
      (all) => all.length === 19,
    );
    expect(ids).toEqual(Array.from({ length: 20 }, (_, n) => `l-${n}`).filter((id) => id !== 'l-10'));
    rmSync(stage.at('late/queue'), { recursive: true });
    stop();
  });
});

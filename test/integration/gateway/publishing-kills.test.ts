import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { resolve } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../../support/edge/stage.js';
import { createPublishStage, firsts, type PublishStage } from '../../support/gateway/publish-stage.js';
import { writeEdgeFile } from '../../support/gateway/edge-file.js';
import { freePort } from '../../support/ports.js';
import { describeWith } from '../../support/programs.js';

const kills = Number(process.env['PUBLISH_KILLS'] ?? 3);

/** The next line; rejects when there is none. */
async function nextOf(lines: Interface, socket: Socket): Promise<unknown[]> {
  if (socket.destroyed) throw new Error('closed');
  const ending = new AbortController();
  try {
    return await Promise.race([
      once(lines, 'line', ending),
      once(socket, 'close', ending).then(() => {
        throw new Error('closed');
      }),
    ]);
  } finally {
    ending.abort();
  }
}

/** A producer that sends one line after the other on the socket of the agent, and remembers which were kept. */
function createProducer(path: string) {
  const kept: string[] = [];
  let number = 0;
  let isOver = false;
  let socket: Socket | undefined;
  let lines: Interface | undefined;

  /** Sends until the connection breaks; what was not answered is offered again, under its id. */
  const send = async (id: string): Promise<void> => {
    while (!isOver) {
      try {
        if (!socket || !lines) {
          socket = connect(path);
          await once(socket, 'connect');
          socket.on('error', () => {});
          lines = createInterface(socket);
        }
        socket.write(`${JSON.stringify({ topic: '~/n', payload: { id }, id })}\n`);
        const [answer] = (await nextOf(lines, socket)) as [string];
        expect(JSON.parse(answer)).toEqual({ id, kept: true });
        kept.push(id);
        return;
      } catch {
        socket?.destroy();
        socket = lines = undefined;
        await sleep(20);
      }
    }
  };

  const work = async (): Promise<void> => {
    while (!isOver) await send(`n-${number++}`);
    socket?.destroy();
  };
  const working = work();
  return {
    kept,
    stop: async () => {
      isOver = true;
      socket?.destroy();
      await working;
    },
  };
}

describeWith(['mosquitto'], 'what was kept is published, whatever is killed', () => {
  let stage: PublishStage;
  const programs: ChildProcess[] = [];

  beforeAll(async () => {
    stage = await createPublishStage();
  });
  afterAll(async () => {
    programs.forEach((program) => program.kill('SIGKILL'));
    await stage.stop();
  });

  const start = async (name: string, command: string, args: string[], ready: () => Promise<boolean>) => {
    const program = spawn(command, args, { cwd: stage.at(''), stdio: ['ignore', 'ignore', 'pipe'] });
    programs.push(program);
    program.stderr.resume();
    await eventually(ready, (isReady) => isReady || program.exitCode !== null);
    expect(program.exitCode, name).toBe(null);
    return {
      async kill(): Promise<void> {
        program.kill('SIGKILL');
        await once(program, 'exit');
      },
    };
  };
  const isOpen = async (port: number): Promise<boolean> => {
    const socket = connect(port, '127.0.0.1');
    const isThere = await Promise.race([
      once(socket, 'connect').then(() => true),
      once(socket, 'error').then(() => false),
    ]).catch(() => false);
    socket.destroy();
    return isThere;
  };

  it('in the order in which it was kept, twice only with the same id', async () => {
    const brokerPort = await freePort();
    mkdirSync(stage.at('broker-data'));
    writeFileSync(
      stage.at('durable.conf'),
      `listener ${brokerPort} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location ${stage.at('broker-data')}/\nmax_queued_messages 0\n`,
    );
    const startBroker = () => start('broker', 'mosquitto', ['-c', stage.at('durable.conf')], () => isOpen(brokerPort));
    const to = { broker: `mqtt://127.0.0.1:${brokerPort}`, gateway: {} };
    const { file, port: edgePort } = await writeEdgeFile(stage, 'killed', to);
    const startEdge = () =>
      start('edge', process.execPath, [resolve('dist/main.js'), 'edge', '--config', file], () => isOpen(edgePort));
    let broker = await startBroker();
    let edge = await startEdge();
    await stage.provision('mortal');
    let reader = await stage.subscribe('mortal', `mqtt://127.0.0.1:${brokerPort}`);
    const received = [...reader.received];
    const path = stage.at('mortal.sock');
    const startAgent = () => stage.run('mortal', edgePort, ['--socket', path]);
    let agent = startAgent();
    const producer = createProducer(path);
    const grow = (by: number): Promise<unknown> => {
      const upTo = producer.kept.length + by;
      return eventually(
        () => producer.kept.length,
        (length) => length >= upTo,
      );
    };
    await grow(50);
    for (let round = 0; round < kills; round++) {
      await sleep(Math.random() * 500);
      if (round % 3 === 0) {
        await agent.kill();
        agent = startAgent();
      } else if (round % 3 === 1) {
        await edge.kill();
        await grow(20);
        edge = await startEdge();
      } else {
        // The reader keeps no session, and a broker that is killed forgets what it did not write: it is read until here.
        await broker.kill();
        await reader.over;
        received.push(...reader.received);
        await grow(20);
        broker = await startBroker();
        reader = await stage.subscribe('mortal', `mqtt://127.0.0.1:${brokerPort}`);
      }
      await grow(30);
    }
    await producer.stop();
    const whole = await eventually(
      () => [...received, ...reader.received],
      (all) => producer.kept.every((id) => all.some((each) => each.id === id)),
    );
    const order = firsts(whole).filter((id) => producer.kept.includes(id));
    expect(order).toEqual(producer.kept);
    for (const { id, payload } of whole) expect(payload.toString()).toBe(JSON.stringify({ id }));
    console.log(
      `${kills} kills: ${producer.kept.length} kept, ${whole.length} received, ${order.length} of them different`,
    );
    reader.stop();
  });
});

import type { MqttClient } from 'mqtt';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startEdgeProgram, type EdgeProgram } from '../../support/edge/edge-program.js';
import { eventually } from '../../support/edge/stage.js';
import { createCommandStage, type CommandStage, type Got } from '../../support/gateway/command-stage.js';
import { writeEdgeFile } from '../../support/gateway/edge-file.js';
import { describeWith } from '../../support/programs.js';
import { seeded } from '../../support/seeded.js';

// `COMMAND_KILLS=100` kills edges that often.
const kills = Number(process.env['COMMAND_KILLS'] ?? 4);
const things = 4;
const over = ['acknowledged', 'failed', 'expired', 'unknown'];
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describeWith(['mosquitto'], 'edges that are killed while they carry commands', () => {
  let stage: CommandStage;
  const running: EdgeProgram[] = [];

  beforeAll(async () => {
    stage = await createCommandStage();
  });
  afterAll(async () => {
    for (const edge of running) await edge.kill('SIGKILL');
    await stage.stop();
  });

  /** An edge as a program of its own; the same again on the same port after it was killed. */
  const prepare = async (name: string) => {
    const { file, port } = await writeEdgeFile(stage, name, { broker: stage.url, gateway: { commands: {} } });
    let edge: EdgeProgram | undefined;
    return {
      port,
      async start(): Promise<void> {
        edge = await startEdgeProgram(file, { listeners: 1 });
        running.push(edge);
      },
      kill: async () => edge?.kill('SIGKILL'),
    };
  };

  it('no command comes twice or to another device, and every one has an end that is true', async () => {
    const random = seeded('command-kills');
    const edges = [await prepare('killed-1'), await prepare('killed-2')];
    for (const edge of edges) await edge.start();
    const names = await Promise.all(Array.from({ length: things }, () => stage.addThing()));
    const got = new Map(names.map((name): [string, Got[]] => [name, []]));
    let isOver = false;

    /** A device that stays connected, to whichever edge is there. */
    const live = async (name: string): Promise<void> => {
      while (!isOver) {
        const { port } = random.pick(edges);
        const client = await stage
          .open(name, port, { connectTimeout: 2000 })
          .catch((): MqttClient | undefined => undefined);
        if (client) {
          const closed = new Promise<void>((resolve) => client.once('close', () => resolve()));
          client.on('error', () => {});
          const answer = () => (random.chance(0.9) ? { status: 'acknowledged' } : undefined);
          // A subscription that is asked for after the connection broke waits for ever: the pause ends it.
          stage.obey(name, client, answer, got.get(name)).catch(() => {});
          await Promise.race([closed, pause(random.between(500, 3000))]);
          client.end(true);
        } else await pause(100);
      }
    };
    const living = Promise.all(names.map(live));

    const made: { name: string; id: string }[] = [];
    const command = async (): Promise<void> => {
      const name = random.pick(names);
      const expiresIn = random.between(3, 8);
      made.push({ name, id: (await stage.send(name, { name: 'one', payload: made.length, expiresIn })).id });
    };
    for (let killed = 0; killed < kills; killed++) {
      const edge = edges[killed % edges.length]!;
      for (let nth = 0; nth < 6; nth++) {
        await command();
        await pause(random.below(150));
      }
      await Promise.all([command(), command(), pause(random.below(60))]);
      await edge.kill();
      await pause(random.below(500));
      await edge.start();
    }
    const ends = new Map<string, string>();
    for (const { name, id } of made) {
      const { status } = await eventually(
        () => stage.read(name, id),
        (shown) => over.includes(shown.status),
      );
      ends.set(id, status);
    }
    isOver = true;
    await living;

    const counts = Object.fromEntries(
      over.map((state) => [state, [...ends.values()].filter((end) => end === state).length]),
    );
    console.log(`${made.length} commands, ${kills} kills: ${JSON.stringify(counts)}`);
    for (const [name, list] of got) {
      const ids = list.map(({ message }) => message.id);
      expect(new Set(ids).size, `${name} got a command twice`).toBe(ids.length);
      for (const id of ids) expect(made).toContainEqual({ name, id });
    }
    const received = new Set([...got.values()].flat().map(({ message }) => message.id));
    for (const [id, end] of ends) {
      if (end === 'acknowledged') expect(received).toContain(id);
      // What is said to be expired was never sent.
      if (end === 'expired') expect(received).not.toContain(id);
    }
    expect(counts['acknowledged']).toBeGreaterThan(made.length / 4);
    expect(counts['failed']).toBe(0);
  });
});

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { connectAsync, type MqttClient } from 'mqtt';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startMosquitto, type Listener } from '../../support/edge/brokers.js';
import { createStateDir, drained, firstsOf, openTestSinks, until } from '../../support/gateway/sink-stage.js';
import { describeWith } from '../../support/programs.js';
import { seeded } from '../../support/seeded.js';

const kills = Number(process.env['SINK_KILLS'] ?? 4);
const program = new URL('../../support/gateway/sink-putter.ts', import.meta.url).pathname;

describeWith(['mosquitto'], 'a sink whose edge is killed', () => {
  const state = createStateDir();
  const received: { id: string; thing: string; number: number }[] = [];
  let broker: Listener;
  let subscriber: MqttClient;

  beforeAll(async () => {
    broker = await startMosquitto(['max_queued_messages 0', 'max_inflight_messages 0']);
    subscriber = await connectAsync(`mqtt://127.0.0.1:${broker.port}`, { protocolVersion: 5 });
    subscriber.on('message', (topic, payload, { properties }) => {
      const { number } = JSON.parse(payload.toString()) as { number: number };
      received.push({ id: String(properties?.userProperties?.['id']), thing: topic.split('/')[1]!, number });
    });
    await subscriber.subscribeAsync('acme/#', { qos: 1 });
  });
  afterAll(async () => {
    subscriber?.end(true);
    await broker?.stop();
    state.remove();
  });

  /** Runs the program until it acknowledged so many messages, and kills it. */
  const run = async (start: number, messages: number, acknowledged: Set<number>): Promise<void> => {
    const words = ['--import', 'tsx', program, state.at('state'), `mqtt://127.0.0.1:${broker.port}`, String(start)];
    const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(child, 'exit');
    let left = messages;
    for await (const line of createInterface(child.stdout)) {
      acknowledged.add(Number(line));
      if (--left === 0) child.kill('SIGKILL');
    }
    await ended;
    expect(child.signalCode).toBe('SIGKILL');
  };

  it('has delivered everything that was acknowledged, in order for each thing', async () => {
    const random = seeded('sink kills');
    const acknowledged = new Set<number>();
    for (let kill = 0; kill < kills; kill++) await run(kill * 1_000_000, random.between(1, 600), acknowledged);
    const { sinks } = await openTestSinks(state.at('state'), {
      cloud: { kind: 'mqtt', url: `mqtt://127.0.0.1:${broker.port}`, maxBytes: 50_000_000 },
    });
    const counts = await drained(sinks, 'cloud');
    await sinks.close();
    const ids = (): Set<string> => new Set(received.map(({ id }) => id));
    await until(
      () => [...acknowledged].every((number) => ids().has(`m-${number}`)),
      'everything that was acknowledged',
    );
    expect(counts).toMatchObject({ dropped: 0, refused: 0, damaged: 0 });
    let seen = 0;
    for (const numbers of firstsOf(received).values()) {
      expect(numbers).toEqual([...numbers].sort((one, other) => one - other));
      seen += numbers.length;
    }
    // More than was acknowledged: what was on the disk when the edge was killed is delivered too.
    expect(seen).toBe(ids().size);
    expect(seen).toBeGreaterThanOrEqual(acknowledged.size);
    console.log(`sink kills=${kills} acked=${acknowledged.size} lost=0 repeated=${received.length - seen}`);
  });
});

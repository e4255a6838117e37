import { writeFileSync } from 'node:fs';
import { connectAsync, type MqttClient } from 'mqtt';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createProxyStage, type ProxyStage } from '../../support/brokers/proxies.js';
import { drained, firstsOf, numbered, openTestSinks, until } from '../../support/gateway/sink-stage.js';
import { describeWith } from '../../support/programs.js';
import { rabbitmqPrograms, startRabbitmq, type RabbitmqNode } from '../../support/reaper/rabbitmq.js';
import { startServer, type TestServer } from '../../support/server.js';

const messages = 900;
const kills = 2;
const login = { username: 'guest', password: 'guest' };

describeWith(rabbitmqPrograms, 'a sink for MQTT, with RabbitMQ', () => {
  let server: TestServer;
  let stage: ProxyStage;
  let node: RabbitmqNode;
  let subscriber: MqttClient | undefined;
  const received: { id: string; thing: string; number: number }[] = [];

  beforeAll(async () => {
    server = await startServer('embedded');
    stage = await createProxyStage(server);
    node = await startRabbitmq(stage, '');
    writeFileSync(stage.at('guest.pw'), `${login.password}\n`);
  });
  afterAll(async () => {
    subscriber?.end(true);
    await node?.kill();
    await stage?.stop();
    await server?.stop();
  });

  /** What subscribes keeps its session, and so its queue on the disk of the broker. */
  const subscribe = async (): Promise<void> => {
    const session = { clientId: 'lake', clean: false, protocolVersion: 4, reconnectPeriod: 0 } as const;
    subscriber = await connectAsync(`mqtt://127.0.0.1:${node.port}`, { ...login, ...session });
    subscriber.on('error', () => {});
    subscriber.on('message', (topic, payload) => {
      const { number } = JSON.parse(payload.toString()) as { number: number };
      received.push({ id: String(number), thing: topic.split('/')[1]!, number });
    });
    await subscriber.subscribeAsync('acme/#', { qos: 1 });
  };

  it('has every message in order for each thing, though the broker is killed while they come', async () => {
    await subscribe();
    const { sinks, heard } = await openTestSinks(stage.at('state'), {
      bus: {
        kind: 'mqtt',
        url: `mqtt://127.0.0.1:${node.port}`,
        protocolVersion: 4,
        username: login.username,
        passwordFile: stage.at('guest.pw'),
        perSecond: 300,
      },
    });
    try {
      for (let number = 0; number < messages; number++) await sinks.put('bus', numbered(number));
      for (let kill = 1; kill <= kills; kill++) {
        await until(() => sinks.counts()['bus']!.delivered > kill * 200, 'some messages');
        await node.kill();
        await until(() => heard.failed.length >= kill, 'that the broker is gone');
        await node.start();
        await subscribe();
      }
      expect(await drained(sinks, 'bus')).toMatchObject({ delivered: messages, dropped: 0, refused: 0, damaged: 0 });
      await until(() => new Set(received.map(({ id }) => id)).size === messages, 'everything');
    } finally {
      await sinks.close();
    }
    for (const [thing, numbers] of firstsOf(received))
      expect(numbers, thing).toEqual([...numbers].sort((one, other) => one - other));
    console.log(`RabbitMQ: ${messages} messages, ${kills} kills, ${received.length - messages} repeated`);
  });
});

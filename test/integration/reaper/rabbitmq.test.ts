import { connectAsync } from 'mqtt';
import { afterAll, beforeAll } from 'vitest';
import { createProxyStage, type ProxyStage } from '../../support/brokers/proxies.js';
import { createRabbitmq } from '../../../src/reaper/brokers/rabbitmq.js';
import type { Broker } from '../../../src/reaper/brokers/broker.js';
import { describeWith } from '../../support/programs.js';
import { brokerContract } from '../../support/reaper/contract.js';
import { rabbitmqPrograms, startRabbitmq, type RabbitmqNode } from '../../support/reaper/rabbitmq.js';
import { startServer, type TestServer } from '../../support/server.js';

const password = 'guest';
const limits = { concurrency: 4, timeout: 10_000, answerBytes: 1_048_576, sessions: 10_000 };

describeWith([...rabbitmqPrograms, 'openssl'], 'RabbitMQ, as the reaper sees it', () => {
  let server: TestServer;
  let stage: ProxyStage;
  let node: RabbitmqNode;
  let broker: Broker;

  const api = async (path: string, body: object): Promise<void> => {
    const authorization = `Basic ${Buffer.from('guest:guest').toString('base64')}`;
    const headers = { authorization, 'content-type': 'application/json' };
    const answer = await fetch(`${node.url}/api/${path}`, { method: 'PUT', headers, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(await answer.text());
  };

  beforeAll(async () => {
    server = await startServer('embedded');
    stage = await createProxyStage(server);
    node = await startRabbitmq(stage, '');
    for (const user of ['pump-1', 'pump-2']) {
      await api(`users/${user}`, { password, tags: '' });
      await api(`permissions/%2F/${user}`, { configure: '.*', write: '.*', read: '.*' });
    }
    const credentials = { username: 'guest', password };
    broker = createRabbitmq({ url: node.url, credentials, ca: undefined, limits, now: Date.now });
  });
  afterAll(async () => {
    broker?.close();
    await node?.kill();
    await stage?.stop();
    await server?.stop();
  });

  brokerContract({
    broker: () => broker,
    users: ['pump-1', 'pump-2'],
    async connect(user) {
      const client = await connectAsync(`mqtt://127.0.0.1:${node.port}`, {
        username: user,
        password,
        clientId: user,
        protocolVersion: 4,
        reconnectPeriod: 0,
      });
      client.on('error', () => {});
      const closed = new Promise<void>((resolve) => client.once('close', () => resolve()));
      return { closed, isClosed: () => !client.connected, leave: () => void client.end() };
    },
  });
});

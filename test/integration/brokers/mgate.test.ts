import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createProxyStage } from '../../support/brokers/proxies.js';
import { createDialectStage } from '../../support/brokers/stage.js';
import { addTried, connectTo, tryBroker, type Tried } from '../../support/brokers/trials.js';
import { startMosquitto, type Listener } from '../../support/edge/brokers.js';
import { enroll, provision } from '../../support/fleet.js';
import { freePort } from '../../support/ports.js';
import { describeWith } from '../../support/programs.js';
import { startServer } from '../../support/server.js';

// mGate in front of a Mosquitto that lets everybody in.
describeWith(['mgate-thingward', 'mosquitto'], 'mGate that asks Thingward', () => {
  let tried: Tried;
  let broker: Listener;
  beforeAll(async () => {
    const server = await startServer('embedded');
    const stage = await createProxyStage(server);
    const devices = await createDialectStage(server);
    broker = await startMosquitto();
    const port = await freePort();
    const url = stage.guide('mgate', 'mgate-url', port, devices.proxy).trim();
    await stage.start('mgate-thingward', [], port, {
      ADDRESS: `127.0.0.1:${port}`,
      TARGET: `127.0.0.1:${broker.port}`,
      THINGWARD_URL: url,
      THINGWARD_KEY: devices.proxy,
    });
    tried = { server, stage, devices, port, protocolVersion: 4, ...(await addTried(server)) };
  });
  afterAll(async () => {
    await tried?.stage.stop();
    await broker?.stop();
    await tried?.server.stop();
  });

  it('is built with the handler of its guide', () => {
    const guide = readFileSync('docs/integrations/mgate.md', 'utf8');
    expect(guide).toContain(readFileSync('test/support/brokers/mgate/handler.go', 'utf8'));
  });

  tryBroker(() => tried);

  /** Publishes behind mGate. */
  const publishInside = async (topic: string): Promise<void> => {
    const inside = await connectTo({ ...tried, port: broker.port }, tried.devices.other, { clientId: 'inside' });
    await inside.publishAsync(topic, 'x', { qos: 1 });
    inside.end(true);
  };

  it('delivers nothing that may not be received, though it may be subscribed to', async () => {
    const allow = (id: string, actions: string[], resource: string) => ({
      id,
      effect: 'allow',
      actions,
      resources: [resource],
    });
    const statements = [
      allow('in', ['connect'], 'client:${thing.name}'),
      allow('all', ['subscribe'], 'topic:things/${thing.name}/#'),
      allow('some', ['receive'], 'topic:things/${thing.name}/state'),
    ];
    await tried.server.owner.post('/v1/policies', { name: 'some', statements });
    const { token } = await enroll(tried.server, { policies: ['some'] });
    const device = await connectTo(tried, await provision(tried.server, token, 'pump-8'));
    device.on('error', () => {});
    const heard: string[] = [];
    device.on('message', (topic) => heard.push(topic));
    await device.subscribeAsync('things/pump-8/#', { qos: 1 });
    const ended = new Promise<void>((resolve) => device.once('close', () => resolve()));
    await publishInside('things/pump-8/state');
    await expect.poll(() => heard).toEqual(['things/pump-8/state']);
    await publishInside('things/pump-8/other');
    await ended;
    expect(heard).toEqual(['things/pump-8/state']);
  });

  it('cuts a suspended device with the next message that it would get', async () => {
    const device = await connectTo(tried, tried.devices.device);
    device.on('error', () => {});
    await device.subscribeAsync('things/pump-1/state/#', { qos: 1 });
    const ended = new Promise<void>((resolve) => device.once('close', () => resolve()));
    await tried.server.owner.post('/v1/things/pump-1/suspend');
    await publishInside('things/pump-1/state/fresh');
    await ended;
  });
});

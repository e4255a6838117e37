import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createProxyStage } from '../../support/brokers/proxies.js';
import { createDialectStage } from '../../support/brokers/stage.js';
import { addTried, connectTo, tryBroker, type Tried } from '../../support/brokers/trials.js';
import { startMosquitto, type Listener } from '../../support/edge/brokers.js';
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

  tryBroker(() => tried, { judgesDeliveries: true });

  it('delivers nothing that may not be received', async () => {
    const device = await connectTo(tried, tried.devices.device);
    device.on('error', () => {});
    const heard: string[] = [];
    device.on('message', (topic) => heard.push(topic));
    await device.subscribeAsync('things/pump-1/#', { qos: 1 });
    const ended = new Promise<void>((resolve) => device.once('close', () => resolve()));
    const inside = await connectTo({ ...tried, port: broker.port }, tried.devices.other, { clientId: 'inside' });
    await inside.publishAsync('things/pump-1/state', 'x', { qos: 1 });
    await expect.poll(() => heard).toEqual(['things/pump-1/state']);
    await inside.publishAsync('things/pump-1/secret', 'x', { qos: 1 });
    await ended;
    expect(heard).toEqual(['things/pump-1/state']);
    inside.end(true);
  });

  it('cuts a revoked device with the next message that it would get', async () => {
    const device = await connectTo(tried, tried.devices.device);
    device.on('error', () => {});
    await device.subscribeAsync('things/pump-1/+', { qos: 1 });
    const ended = new Promise<void>((resolve) => device.once('close', () => resolve()));
    await tried.server.owner.post('/v1/things/pump-1/suspend');
    const inside = await connectTo({ ...tried, port: broker.port }, tried.devices.other, { clientId: 'inside' });
    await inside.publishAsync('things/pump-1/fresh', 'x', { qos: 1 });
    await ended;
    inside.end(true);
  });
});

import { createAccount } from '@nats-io/nkeys';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { loadNatsConfig } from '../../../src/nats/config.js';
import { openCallout, type OpenCallout } from '../../../src/nats/serve.js';
import { anySignal, brokerOf, usersIn } from '../../support/brokers/adapters.js';
import { createProxyStage } from '../../support/brokers/proxies.js';
import { createDialectStage, tokenOf } from '../../support/brokers/stage.js';
import { addTried, connectTo, giveSayable, isRefused, tryBroker, type Tried } from '../../support/brokers/trials.js';
import { provision } from '../../support/fleet.js';
import { freePort } from '../../support/ports.js';
import { describeWith } from '../../support/programs.js';
import { startServer } from '../../support/server.js';

const silent = { info: () => {}, warn: () => {}, error: () => {} };

// As its guide sets it up.
describeWith(['nats-server'], 'NATS that asks Thingward', () => {
  let tried: Tried;
  let callout: OpenCallout;
  let client: number;
  beforeAll(async () => {
    const server = await startServer('embedded');
    const stage = await createProxyStage(server);
    const devices = await createDialectStage(server);
    const port = await freePort();
    client = await freePort();
    const issuer = createAccount();
    stage.file('nats-key', devices.proxy);
    stage.file('callout-password', 'for-the-callout');
    stage.file('issuer-seed', new TextDecoder().decode(issuer.getSeed()));
    const settings = stage
      .guide('nats', 'nats', port, devices.proxy)
      .replace('127.0.0.1:4222', `127.0.0.1:${client}`)
      .replace('0.0.0.0:1883', `127.0.0.1:${port}`)
      .replace('CALLOUT_PASSWORD', 'for-the-callout')
      .replace('REAPER_PASSWORD', 'for-the-reaper')
      .replace('ISSUER', issuer.getPublicKey());
    await stage.start('nats-server', ['-c', stage.file('nats.conf', settings)], port);
    const yaml = stage
      .guide('nats', 'nats-callout', port, devices.proxy)
      .replace('https://', 'http://')
      .replace('127.0.0.1:4222', `127.0.0.1:${client}`);
    callout = await openCallout(loadNatsConfig(stage.file('nats.yaml', yaml)), silent);
    tried = { server, stage, devices, port, protocolVersion: 4, ...(await addTried(server)) };
    await giveSayable(server);
  });
  afterAll(async () => {
    await callout?.close();
    await tried?.stage.stop();
    await tried?.server.stop();
  });

  tryBroker(() => tried, { keepsRights: true });

  it('lets nobody into what it keeps for itself', async () => {
    const device = await connectTo(tried, tried.devices.device);
    for (const filter of ['$MQTT/sub/#', '$MQTT/deliver/pubrel/#', '$MQTT/#', '$SYS/#', '$JS/#'])
      await expect(device.subscribeAsync(filter), filter).rejects.toThrow();
    device.end(true);
  });

  it('delivers QoS 2 too', async () => {
    const device = await connectTo(tried, tried.devices.device);
    const heard = new Promise<string>((resolve) => device.once('message', (topic) => resolve(topic)));
    await device.subscribeAsync('things/pump-1/state/#', { qos: 2 });
    await device.publishAsync('things/pump-1/state/two', 'x', { qos: 2 });
    expect(await heard).toBe('things/pump-1/state/two');
    device.end(true);
  });

  it('refuses a device that does not say its name, which could not be ended', async () => {
    await isRefused(tried, tried.devices.device, { username: '' });
  });

  it('ends the session of a revoked device by the adapter of the reaper', async () => {
    const device = await provision(tried.server, tried.devices.token, 'pump-7');
    const broker = brokerOf('nats', `nats://127.0.0.1:${client}`, { username: 'reaper', password: 'for-the-reaper' });
    expect(await broker.check(anySignal())).toBe('NATS answers: 1 server');
    const live = await connectTo(tried, device);
    const other = await connectTo(tried, tried.devices.device);
    expect((await usersIn(broker)).sort()).toEqual(['pump-1', 'pump-7']);
    expect((await broker.sessionsOf('pump-7', anySignal())).map(({ user }) => user)).toEqual(['pump-7']);
    const closed = new Promise<void>((resolve) => live.once('close', () => resolve()));
    await tried.server.owner.post('/v1/things/pump-7/revoke', { reason: 'keyCompromise' });
    const from = performance.now();
    await broker.end('pump-7', anySignal());
    await closed;
    console.log(`NATS: cut after ${(performance.now() - from).toFixed(0)} ms`);
    await expect.poll(() => broker.sessionsOf('pump-7', anySignal())).toEqual([]);
    expect(other.connected).toBe(true);
    await isRefused(tried, device);
    await broker.end('pump-7', anySignal());
    other.end(true);
    broker.close();
    const stranger = brokerOf('nats', `nats://127.0.0.1:${client}`, { username: 'reaper', password: 'wrong' });
    await expect(stranger.check(anySignal())).rejects.toThrow();
    stranger.close();
  });

  it('lets nobody in without its callout', async () => {
    await callout.close();
    await isRefused(tried, tried.devices.device, { password: tokenOf(tried.devices.device) });
  });
});

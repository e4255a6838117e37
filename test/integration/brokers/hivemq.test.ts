import type { MqttClient } from 'mqtt';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { missingForExtension, startHiveMq } from '../../support/brokers/hivemq.js';
import { anySignal, brokerOf, usersIn } from '../../support/brokers/adapters.js';
import { createProxyStage } from '../../support/brokers/proxies.js';
import { createDialectStage } from '../../support/brokers/stage.js';
import { addTried, connectTo, isRefused, tryBroker, type Tried } from '../../support/brokers/trials.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { freePort } from '../../support/ports.js';
import { provision } from '../../support/fleet.js';
import { describeUnless } from '../../support/programs.js';
import { startServer } from '../../support/server.js';

const controlKey = 'the-key-of-those-who-end-sessions';
/** The code of the DISCONNECT that ends a session. */
const reasonOf = (client: MqttClient): Promise<number | undefined> =>
  new Promise((resolve) => {
    client.once('disconnect', ({ reasonCode }) => resolve(reasonCode));
  });

// As its guide sets it up.
describeUnless(missingForExtension(), 'HiveMQ that asks Thingward', () => {
  let tried: Tried;
  let control: string;
  beforeAll(async () => {
    // Leases run out on PostgreSQL alone.
    const server = await startServer(databaseKinds.at(-1)!);
    const stage = await createProxyStage(server);
    const devices = await createDialectStage(server);
    const [port, controlPort] = [await freePort(), await freePort()];
    control = `http://127.0.0.1:${controlPort}`;
    stage.file('hivemq-key', devices.proxy);
    stage.file('hivemq-control-key', `${controlKey}\n`);
    const settings = stage
      .guide('hivemq', 'hivemq', port, devices.proxy)
      .replace('https://127.0.0.1', 'http://127.0.0.1')
      .replace('127.0.0.1:8890', `127.0.0.1:${controlPort}`)
      .replace('recheck-seconds = 30', 'recheck-seconds = 1');
    await startHiveMq(stage, port, settings);
    tried = { server, stage, devices, port, protocolVersion: 5, ...(await addTried(server)) };
  });
  afterAll(async () => {
    await tried?.stage.stop();
    await tried?.server.stop();
  });

  tryBroker(() => tried);

  const ask = async (path: string, key = controlKey, body?: object) => {
    const answer = await fetch(`${control}${path}`, {
      headers: { authorization: `Basic ${Buffer.from(`reaper:${key}`).toString('base64')}` },
      ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
    });
    return { status: answer.status, body: (await answer.json()) as { sessions: { id: string }[] } };
  };

  it('lists sessions and ends them for those alone who have its key', async () => {
    const client = await connectTo(tried, tried.devices.device);
    const { status, body } = await ask('/sessions?thing=pump-1');
    expect(status).toBe(200);
    const session = body.sessions[0]!;
    expect(body.sessions).toEqual([{ ...session, clientId: 'pump-1', thing: 'pump-1' }]);
    expect((await ask(`/sessions?thing=pump-1&after=${session.id}`)).body).toEqual({ sessions: [] });
    expect((await ask('/sessions?thing=pump-2')).body).toEqual({ sessions: [] });
    for (const [path, given] of [['/sessions'], ['/disconnect', { thing: 'pump-1' }]] as [string, object?][])
      for (const key of [`${controlKey}x`, '']) expect(await ask(path, key, given)).toEqual({ status: 401, body: {} });
    expect((await fetch(`${control}/sessions`, { headers: { authorization: `Bearer ${controlKey}` } })).status).toBe(
      401,
    );
    expect((await fetch(`${control}/sessions`, { headers: { authorization: 'Basic %%%' } })).status).toBe(401);
    expect((await ask('/disconnect', controlKey, { thing: ['pump-1', 'pump-2'] })).status).toBe(400);
    expect((await ask('/disconnect', controlKey, { thing: 'x'.repeat(5000) })).status).toBe(413);
    expect((await ask('/sessions?name=pump-1')).status).toBe(400);
    expect((await ask('/elsewhere')).status).toBe(404);
    expect(client.connected).toBe(true);
    client.end(true);
  });

  it('ends the session of a revoked device by the adapter of the reaper, with the code of an operator', async () => {
    const device = await provision(tried.server, tried.devices.token, 'pump-7');
    const broker = brokerOf('hivemq', control, { username: 'reaper', password: controlKey });
    expect(await broker.check(anySignal())).toMatch(/answers/);
    const client = await connectTo(tried, device);
    const [before] = await broker.sessionsOf('pump-7', anySignal());
    expect(await usersIn(broker)).toContain('pump-7');
    const reason = reasonOf(client);
    await tried.server.owner.post('/v1/things/pump-7/revoke', { reason: 'keyCompromise' });
    await broker.end('pump-7', anySignal());
    expect([0x98, 0x87]).toContain(await reason);
    await expect.poll(() => broker.sessionsOf('pump-7', anySignal())).toEqual([]);
    await isRefused(tried, device);
    expect(before).toMatchObject({ user: 'pump-7' });
    await broker.end('pump-7', anySignal());
    const other = brokerOf('hivemq', control, { username: 'reaper', password: 'something-else' });
    await expect(other.check(anySignal())).rejects.toThrow('401');
    broker.close();
    other.close();
  });

  it('ends the session of a suspended device by itself, without its will', async () => {
    const witness = await connectTo(tried, tried.witness);
    const heard: string[] = [];
    witness.on('message', (topic) => heard.push(topic));
    await witness.subscribeAsync('things/#', { qos: 1 });
    const device = await provision(tried.server, tried.devices.token, 'pump-6');
    const will = { topic: 'things/pump-6/will', payload: Buffer.from('x'), qos: 1 as const };
    const client = await connectTo(tried, device, { will });
    const reason = reasonOf(client);
    await tried.server.owner.post('/v1/things/pump-6/suspend');
    expect(await reason).toBe(0x87);
    const again = await connectTo(tried, tried.devices.device);
    await again.publishAsync('things/pump-1/after', 'x', { qos: 1 });
    await expect.poll(() => heard).toEqual(['things/pump-1/after']);
    again.end(true);
    witness.end(true);
  });

  it('takes from a resumed session what it may no longer subscribe to', async () => {
    const { device } = tried.devices;
    const kept = { clean: false, properties: { sessionExpiryInterval: 3600 } };
    const first = await connectTo(tried, device, kept);
    await first.subscribeAsync(['things/pump-1/a', 'things/pump-1/b'], { qos: 1 });
    await first.endAsync();
    const statements = [{ id: 'no-b', effect: 'deny', actions: ['receive'], resources: ['topic:things/+/b'] }];
    await tried.server.owner.post('/v1/policies', { name: 'narrow', statements });
    await tried.server.owner.send('PUT', '/v1/things/pump-1/policies', { policies: ['own', 'narrow'] });
    const second = await connectTo(tried, device, kept);
    const heard: string[] = [];
    second.on('message', (topic) => heard.push(topic));
    for (const topic of ['things/pump-1/b', 'things/pump-1/a']) await second.publishAsync(topic, 'x', { qos: 1 });
    await expect.poll(() => heard).toEqual(['things/pump-1/a']);
    await second.endAsync();
    await tried.server.owner.send('PUT', '/v1/things/pump-1/policies', { policies: ['own'] });
  });

  it.runIf(databaseKinds.includes('postgresql'))('lets nobody in while Thingward has lost its lease', async () => {
    (await connectTo(tried, tried.devices.device)).end(true);
    await tried.server.services.log.close();
    await isRefused(tried, tried.devices.device);
  });
});

describeUnless(missingForExtension(), 'HiveMQ with settings of its extension that cannot be used', () => {
  it('lets nobody in', async () => {
    const server = await startServer('embedded');
    const stage = await createProxyStage(server);
    const devices = await createDialectStage(server);
    const port = await freePort();
    await startHiveMq(stage, port, 'url = http://192.0.2.1/\nkey-file = absent');
    try {
      const tried = {
        server,
        stage,
        devices,
        port,
        protocolVersion: 5 as const,
        witness: devices.device,
        late: devices.device,
      };
      await isRefused(tried, devices.device);
    } finally {
      await stage.stop();
      await server.stop();
    }
  });
});

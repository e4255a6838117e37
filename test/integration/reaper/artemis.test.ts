import { connectAsync, type MqttClient } from 'mqtt';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { anySignal, brokerOf, usersIn } from '../../support/brokers/adapters.js';
import { missingForArtemis, startArtemis } from '../../support/brokers/artemis.js';
import { createProxyStage, type ProxyStage } from '../../support/brokers/proxies.js';
import { describeUnless } from '../../support/programs.js';
import { startServer, type TestServer } from '../../support/server.js';

describeUnless(missingForArtemis(), 'The adapter of the reaper for a real Artemis', () => {
  let server: TestServer;
  let stage: ProxyStage;
  let artemis: Awaited<ReturnType<typeof startArtemis>>;
  beforeAll(async () => {
    server = await startServer('embedded');
    stage = await createProxyStage(server);
    artemis = await startArtemis(stage, { 'pump-1': 'one', 'pump-2': 'two' });
  });
  afterAll(async () => {
    await stage?.stop();
    await server?.stop();
  });

  const connect = (username: string, password: string, clientId = username): Promise<MqttClient> =>
    connectAsync(`mqtt://127.0.0.1:${artemis.port}`, { username, password, clientId, reconnectPeriod: 0 });
  const closed = (client: MqttClient): Promise<void> =>
    new Promise((resolve) => {
      client.on('error', () => {});
      client.once('close', () => resolve());
    });

  it('lists who is there, and ends every session of one user and of no other', async () => {
    const broker = brokerOf('artemis', artemis.jolokia, { username: 'admin', password: 'admin' });
    expect(await broker.check(anySignal())).toBe('Artemis 2.40.0 answers');
    const first = await connect('pump-1', 'one');
    const second = await connect('pump-1', 'one', 'another');
    const other = await connect('pump-2', 'two');
    expect((await usersIn(broker)).sort()).toEqual(['pump-1', 'pump-1', 'pump-2']);
    const listed = await broker.sessionsOf('pump-1', anySignal());
    expect(listed.map(({ user }) => user)).toEqual(['pump-1', 'pump-1']);
    expect(new Set(listed.map(({ id }) => id)).size).toBe(2);
    expect(Math.abs(listed[0]!.since! - Date.now())).toBeLessThan(24 * 3_600_000);
    const ended = Promise.all([closed(first), closed(second)]);
    await broker.end('pump-1', anySignal());
    await ended;
    await expect.poll(() => broker.sessionsOf('pump-1', anySignal())).toEqual([]);
    expect(other.connected).toBe(true);
    expect(await usersIn(broker)).toEqual(['pump-2']);
    // Nobody is there: no error.
    await broker.end('pump-1', anySignal());
    other.end(true);
    broker.close();
  });

  it('says so when it may not ask', async () => {
    const stranger = brokerOf('artemis', artemis.jolokia, { username: 'admin', password: 'wrong' });
    await expect(stranger.check(anySignal())).rejects.toThrow(/40[13]/);
    stranger.close();
  });
});

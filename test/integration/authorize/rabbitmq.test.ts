import { existsSync, readFileSync } from 'node:fs';
import { connectAsync, type MqttClient } from 'mqtt';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createDialectStage, tokenOf, type DialectStage } from '../../support/brokers/stage.js';
import type { Device } from '../../support/fleet.js';
import { freePort } from '../../support/ports.js';
import { describeWith } from '../../support/programs.js';
import { createProxyStage, type ProxyStage } from '../../support/brokers/proxies.js';
import { startServer, type TestServer } from '../../support/server.js';

const folder = '/usr/lib/rabbitmq/bin';

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

// As its guide sets it up, without AMQP.
describeWith([`${folder}/rabbitmq-server`, 'epmd', 'openssl'], 'RabbitMQ that asks Thingward', () => {
  let server: TestServer;
  let stage: ProxyStage;
  let devices: DialectStage;
  let port: number;

  beforeAll(async () => {
    server = await startServer('embedded');
    devices = await createDialectStage(server);
    stage = await createProxyStage(server);
    port = await freePort();
    const guided = stage
      .guide('rabbitmq', 'rabbitmq', port, devices.proxy)
      .replace('mqtt.listeners.tcp.default = 1883', `mqtt.listeners.tcp.default = 127.0.0.1:${port}`);
    const mapper = await freePort();
    const plugins = stage.file('enabled_plugins', '[rabbitmq_mqtt,rabbitmq_auth_backend_http].');
    const env = {
      RABBITMQ_NODENAME: `thingward-${port}@localhost`,
      RABBITMQ_CONFIG_FILE: stage.file('rabbitmq.conf', `${guided}\nlisteners.tcp = none\n`),
      RABBITMQ_ENABLED_PLUGINS_FILE: plugins,
      RABBITMQ_MNESIA_BASE: stage.at('mnesia'),
      RABBITMQ_LOG_BASE: stage.at('log'),
      RABBITMQ_PID_FILE: stage.at('pid'),
      RABBITMQ_DIST_PORT: String(await freePort()),
      ERL_EPMD_PORT: String(mapper),
      ERL_EPMD_ADDRESS: '127.0.0.1',
    };
    // A node that finds no port mapper starts one, which outlives it.
    await stage.start('epmd', ['-port', String(mapper), '-address', '127.0.0.1'], mapper);
    await stage.start(`${folder}/rabbitmq-server`, [], port, env);
  });
  afterAll(async () => {
    // The node runs apart from the script that started it.
    const pidFile = stage?.at('pid');
    if (pidFile !== undefined && existsSync(pidFile)) endProcess(Number(readFileSync(pidFile, 'utf8')));
    await stage?.stop();
    await server?.stop();
  });

  const connect = (device: Device, more: object = {}): Promise<MqttClient> =>
    connectAsync(`mqtt://127.0.0.1:${port}`, {
      username: device.name,
      password: tokenOf(device),
      clientId: device.name,
      clean: true,
      protocolVersion: 4,
      reconnectPeriod: 0,
      connectTimeout: 300_000,
      ...more,
    });
  /** Whether the broker takes a publication, rather than ending the session. */
  const publishes = async (device: Device, topic: string): Promise<boolean> => {
    const client = await connect(device);
    const ended = new Promise<boolean>((resolve) => client.once('close', () => resolve(false)));
    client.on('error', () => {});
    const taken = client.publishAsync(topic, 'x', { qos: 1 }).then(
      () => true,
      () => false,
    );
    const isTaken = await Promise.race([taken, ended]);
    client.end(true);
    return isTaken;
  };
  const isRefused = async (device: Device, more: object = {}): Promise<void> => {
    await expect(connect(device, more), JSON.stringify(more)).rejects.toThrow();
  };

  it('lets a device in by its token, to its own topics', async () => {
    const client = await connect(devices.device);
    const heard = new Promise<string>((resolve) => client.once('message', (topic) => resolve(topic)));
    await client.subscribeAsync('things/pump-1/state/#', { qos: 1 });
    await client.publishAsync('things/pump-1/state/a', 'x', { qos: 1 });
    expect(await heard).toBe('things/pump-1/state/a');
    client.end(true);
  });

  it('refuses other topics, other client ids and names, and whoever may do nothing', async () => {
    const { device, other, suspended, revoked } = devices;
    expect(await publishes(device, 'things/pump-1/state/a')).toBe(true);
    expect(await publishes(device, 'things/pump-2/state/a')).toBe(false);
    expect(await publishes(device, 'things/pump-1/secret')).toBe(false);
    await isRefused(device, { clientId: 'pump-2' });
    await isRefused(device, { username: 'pump-2', clientId: 'pump-2' });
    await isRefused(device, { password: 'x.y.z' });
    await isRefused(other, { password: tokenOf(device) });
    await isRefused(suspended);
    await isRefused(revoked);
  });

  it('refuses a revoked device at its next login, and everybody while Thingward is away', async () => {
    const { other, device } = devices;
    (await connect(other)).end(true);
    await server.owner.post('/v1/things/pump-2/suspend');
    await isRefused(other);
    await server.owner.post('/v1/things/pump-2/resume');
    for (const weather of ['gone', 'slow', 'failing'] as const) {
      stage.become(weather);
      await isRefused(device);
    }
    stage.become('fine');
    (await connect(device)).end(true);
  });
});

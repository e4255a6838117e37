import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { connect as dialTcp } from 'node:net';
import { promisify } from 'node:util';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { openMqtt } from '../../../src/edge/mqtt/connection.js';
import { mqttDefaults } from '../../../src/edge/mqtt/options.js';
import type { MqttSession } from '../../../src/edge/mqtt/options.js';
import { listen, startMosquitto, startSpy, type Listener } from '../../support/edge/brokers.js';
import { allow, createTestGate } from '../../support/edge/gate.js';
import { readByOracle } from '../../support/edge/oracle.js';
import { describeWith } from '../../support/programs.js';

const run = promisify(execFile);
const statements = [
  allow(['connect'], ['client:${thing.name}']),
  allow(['publish', 'subscribe', 'receive'], ['topic:acme/${thing.name}/#', 'topic:acme/all/#']),
];
const timers = {
  setTimeout: (work: () => void, ms: number) => setTimeout(work, ms),
  clearTimeout: (timer: unknown) => clearTimeout(timer as NodeJS.Timeout),
  now: () => performance.now(),
};

const event = (client: MqttClient, name: 'connect' | 'close'): Promise<void> =>
  new Promise((resolve) => void client.once(name, () => resolve()));

async function eventually(what: string, isSo: () => boolean): Promise<void> {
  for (const deadline = performance.now() + 60_000; !isSo();) {
    if (performance.now() > deadline) throw new Error(`never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describeWith(['mosquitto', 'mosquitto_pub', 'mosquitto_sub'], 'MQTT between real clients and a real broker', () => {
  let broker: Listener;
  let spy: Awaited<ReturnType<typeof startSpy>>;
  let edge: Listener;
  let gate: ReturnType<typeof createTestGate>;
  const sessions: MqttSession[] = [];
  const errors: unknown[] = [];
  const clients: MqttClient[] = [];

  beforeAll(async () => {
    broker = await startMosquitto(['max_queued_messages 0', 'max_inflight_messages 20']);
    spy = await startSpy(broker.port);
    edge = await listen((client) => {
      client.setNoDelay(true);
      openMqtt({
        client,
        facts: { sourceIp: '127.0.0.1', protocol: 'mqtt', withoutCertificates: true },
        gate: gate.gate,
        dial: async () => {
          const socket = dialTcp(spy.port, '127.0.0.1');
          await once(socket, 'connect');
          return socket;
        },
        upstream: ({ account, thingName }) => ({ username: `${account}/${thingName}`, password: 'upstream' }),
        settings: mqttDefaults,
        timers,
        events: {
          onOpened: (session) => void sessions.push(session),
          onClosed: () => {},
          onDenied: () => {},
          onError: (error) => void errors.push(error),
        },
      });
    });
  });

  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.endAsync(true)));
    expect(errors).toEqual([]);
  });

  afterAll(async () => {
    for (const listener of [edge, spy, broker]) await listener.stop();
  });

  const open = async (
    port: number,
    name: string,
    version: 4 | 5,
    options: IClientOptions = {},
  ): Promise<MqttClient> => {
    const client = mqtt.connect({
      host: '127.0.0.1',
      port,
      clientId: name,
      username: 'x',
      password: name,
      protocolVersion: version,
      reconnectPeriod: 0,
      ...options,
    });
    clients.push(client);
    client.on('error', () => {});
    await event(client, 'connect');
    return client;
  };

  const direct = (name: string, options: IClientOptions = {}) => open(broker.port, name, 5, options);

  const heardBy = (client: MqttClient): string[] => {
    const heard: string[] = [];
    client.on(
      'message',
      (topic, payload) => void heard.push(`${topic} ${payload.length > 40 ? payload.length : payload.toString()}`),
    );
    return heard;
  };

  /** What came to the broker from the edge. */
  const passed = (version: number) =>
    spy.connections.flatMap((octets) => readByOracle(Buffer.concat(octets), version).packets);

  it.each([4, 5] as const)('passes what is allowed, with MQTT %i', async (version) => {
    gate = createTestGate(statements);
    const receiver = await open(edge.port, 'valve', version);
    const heard = heardBy(receiver);
    const granted = await receiver.subscribeAsync({ 'acme/all/#': { qos: 2 } });
    expect(granted.map(({ qos }) => qos)).toEqual([2]);
    const sender = await open(edge.port, 'pump', version);
    for (const qos of [0, 1, 2] as const) await sender.publishAsync(`acme/all/${qos}`, `q${qos}`, { qos });
    await sender.publishAsync('acme/all/large', Buffer.alloc(200_000, 1), { qos: 1 });
    await eventually('all messages arrive', () => heard.length === 4);
    expect(heard.sort()).toEqual(['acme/all/0 q0', 'acme/all/1 q1', 'acme/all/2 q2', 'acme/all/large 200000']);
    await receiver.unsubscribeAsync('acme/all/#');
  });

  it('keeps what is denied from the broker, and says so in MQTT 5', async () => {
    gate = createTestGate(statements);
    spy.connections.length = 0;
    const watcher = await direct('watcher');
    const heard = heardBy(watcher);
    await watcher.subscribeAsync('#', { qos: 2 });
    const client = await open(edge.port, 'pump', 5);
    await client.publishAsync('acme/valve/x', 'no', { qos: 0 });
    for (const qos of [1, 2] as const)
      await expect(client.publishAsync('acme/valve/x', 'no', { qos })).rejects.toThrow(/Not authorized/);
    await expect(client.subscribeAsync('acme/valve/#')).rejects.toThrow(/Not authorized|Unspecified/);
    await client.publishAsync('acme/pump/x', 'yes', { qos: 2 });
    await eventually('the allowed message arrives', () => heard.length > 0);
    expect(heard).toEqual(['acme/pump/x yes']);
    const older = await open(edge.port, 'valve', 4);
    const closed = event(older, 'close');
    older.publish('acme/pump/x', 'no');
    await closed;
    const packets = passed(5);
    expect(
      packets.filter(({ cmd }) => cmd === 'connect').map((packet) => (packet as { clientId: string }).clientId),
    ).toContain('pump');
    expect(packets.filter((packet) => packet.cmd === 'publish' && packet.topic === 'acme/valve/x')).toEqual([]);
    expect(spy.connections.every((octets) => !Buffer.concat(octets).includes('acme/valve/x'))).toBe(true);
  });

  it('lets the broker go on where deliveries are denied', async () => {
    gate = createTestGate(statements);
    const options = { clean: false, properties: { sessionExpiryInterval: 600 } };
    const before = await open(edge.port, 'pump', 5, options);
    await before.subscribeAsync({ 'acme/all/#': { qos: 2 }, 'acme/pump/#': { qos: 2 } });
    await before.endAsync();
    const publisher = await direct('publisher');
    for (let count = 0; count < 60; count++)
      await publisher.publishAsync(`acme/all/${count}`, 'x', { qos: ((count % 2) + 1) as 1 | 2 });
    await publisher.publishAsync('acme/pump/x', 'for you', { qos: 2 });
    // The session has subscriptions that the device may no longer have: each delivery is judged.
    gate.grant([statements[0]!, allow(['publish', 'subscribe', 'receive'], ['topic:acme/${thing.name}/#'])]);
    const client = mqtt.connect({
      host: '127.0.0.1',
      port: edge.port,
      clientId: 'pump',
      username: 'x',
      password: 'pump',
      protocolVersion: 5,
      reconnectPeriod: 0,
      ...options,
    });
    clients.push(client);
    const heard = heardBy(client);
    await eventually('the message behind them arrives', () => heard.length > 0);
    expect(heard).toEqual(['acme/pump/x for you']);
    await publisher.publishAsync('acme/pump/y', 'and more', { qos: 1 });
    await eventually('the next one arrives', () => heard.length > 1);
  });

  it('ends the session of a revoked device, and its will is not heard', async () => {
    gate = createTestGate(statements);
    const watcher = await direct('watcher');
    const heard = heardBy(watcher);
    await watcher.subscribeAsync('acme/#', { qos: 1 });
    for (const version of [4, 5] as const) {
      const will = (name: string) => ({
        topic: `acme/${name}/will`,
        payload: Buffer.from('gone'),
        qos: 1 as const,
        retain: false,
      });
      const client = await open(edge.port, `pump${version}`, version, { will: will(`pump${version}`) });
      const told: (number | undefined)[] = [];
      client.on('disconnect', ({ reasonCode }) => void told.push(reasonCode));
      const closed = event(client, 'close');
      gate.revoke(`pump${version}`);
      const session = sessions.at(-1)!;
      await session.end(session.recheck()!);
      await closed;
      expect(told).toEqual(version === 5 ? [0x98] : []);
      // Somebody who vanishes is heard.
      const vanishing = await open(edge.port, `gone${version}`, version, { will: will(`gone${version}`) });
      vanishing.stream.destroy();
    }
    await eventually('the wills of those who vanished arrive', () => heard.length === 2);
    expect(heard).toEqual(['acme/gone4/will gone', 'acme/gone5/will gone']);
  });

  it.each(['mqttv31', 'mqttv311', 'mqttv5'])('serves the clients of Mosquitto with %s', async (version) => {
    gate = createTestGate(statements);
    const common = ['-h', '127.0.0.1', '-p', String(edge.port), '-V', version, '-u', 'x', '-q', '2'];
    const publisher = ['-i', 'pump', '-P', 'pump', '-t', 'acme/all/shown', '-r', '-m', version];
    await run('mosquitto_pub', [...common, ...publisher]);
    const { stdout } = await run('mosquitto_sub', [
      ...common,
      ...['-i', 'valve', '-P', 'valve', '-t', 'acme/all/shown', '-C', '1', '-W', '30'],
    ]);
    expect(stdout.trim()).toBe(version);
    // Somebody else's name, and a token that is none.
    for (const [id, password] of [
      ['valve', 'pump'],
      ['pump', 'wrong'],
    ]) {
      const refused = run('mosquitto_pub', [...common, '-i', id!, '-P', password!, '-t', 'acme/all/x', '-m', 'x']);
      await expect(refused).rejects.toThrow(/not authori[sz]ed/i);
    }
  });

  it('passes large deliveries as they come', async () => {
    gate = createTestGate(statements);
    const client = await open(edge.port, 'pump', 5);
    const heard = heardBy(client);
    await client.subscribeAsync('acme/pump/#', { qos: 1 });
    const publisher = await direct('publisher');
    await publisher.publishAsync('acme/pump/large', Buffer.alloc(5_000_000, 1), { qos: 1 });
    await eventually('it arrives', () => heard.length > 0);
    expect(heard).toEqual(['acme/pump/large 5000000']);
  });
});

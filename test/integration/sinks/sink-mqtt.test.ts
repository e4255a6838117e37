import { writeFileSync, mkdirSync } from 'node:fs';
import { connectAsync, type MqttClient } from 'mqtt';
import { afterAll, afterEach, beforeEach, expect, it } from 'vitest';
import { createDriver } from '../../../src/edge/sink-kinds/kinds.js';
import { sink } from '../../../src/edge/settings/sink-shapes.js';
import type { Sinks } from '../../../src/edge/sinks/sinks.js';
import { startMosquitto, type Listener } from '../../support/edge/brokers.js';
import { createStateDir, drained, firstsOf, numbered, openTestSinks, until } from '../../support/gateway/sink-stage.js';
import { describeWith } from '../../support/programs.js';
import { runProgram } from '../../support/pki/openssl.js';

type Received = { id: string; thing: string; number: number; topic: string };

describeWith(['mosquitto', 'mosquitto_passwd'], 'a sink for MQTT, with Mosquitto', () => {
  const state = createStateDir();
  mkdirSync(state.at('files'), { recursive: true });
  let broker: Listener;
  let open: Sinks | undefined;
  let subscriber: MqttClient | undefined;
  let received: Received[];
  let count = 0;

  const subscribe = async (port: number, options = {}): Promise<void> => {
    subscriber = await connectAsync(`mqtt://127.0.0.1:${port}`, { protocolVersion: 5, ...options });
    subscriber.on('message', (topic, payload, { properties }) => {
      const { number } = JSON.parse(payload.toString()) as { number: number };
      received.push({ id: String(properties?.userProperties?.['id']), thing: topic.split('/')[1]!, number, topic });
    });
    await subscriber.subscribeAsync('acme/#', { qos: 1 });
  };
  const stateDir = (): string => state.at(`state-${count}`);

  beforeEach(() => {
    received = [];
    count++;
  });
  afterEach(async () => {
    await open?.close();
    subscriber?.end(true);
    await broker.stop().catch(() => {});
    open = subscriber = undefined;
  });
  afterAll(() => state.remove());

  it('has every message in order, with its id, on its own topic', async () => {
    broker = await startMosquitto();
    await subscribe(broker.port);
    const { sinks } = await openTestSinks(stateDir(), {
      cloud: { kind: 'mqtt', url: `mqtt://127.0.0.1:${broker.port}` },
    });
    open = sinks;
    await Promise.all(Array.from({ length: 1000 }, (_, number) => sinks.put('cloud', numbered(number))));
    const counts = await drained(sinks, 'cloud');
    expect(counts).toMatchObject({ delivered: 1000, dropped: 0, refused: 0, damaged: 0, connected: true, bytes: 0 });
    await until(() => received.length >= 1000, 'all messages');
    expect(received.map(({ number }) => number)).toEqual(Array.from({ length: 1000 }, (_, number) => number));
    expect(received[7]).toEqual({ id: 'm-7', thing: 'thing-1', number: 7, topic: 'acme/thing-1/telemetry' });
    await expect(sinks.put('nowhere', numbered(1))).rejects.toThrow('there is no sink nowhere');
    await expect(sinks.put('cloud', { ...numbered(1), id: 'a\r\nb' })).rejects.toThrow(RangeError);
  });

  it('keeps messages while the broker is away, over a restart, and delivers them when it is back', async () => {
    broker = await startMosquitto();
    const url = `mqtt://127.0.0.1:${broker.port}`;
    const { port } = broker;
    await broker.stop();
    const given = { cloud: { kind: 'mqtt', url } } as const;
    const first = await openTestSinks(stateDir(), given);
    for (let number = 0; number < 50; number++) await first.sinks.put('cloud', numbered(number));
    await until(() => first.heard.failed.length > 0, 'that the broker is away');
    expect(first.sinks.counts()['cloud']).toMatchObject({ kept: 50, delivered: 0, connected: false });
    expect(first.sinks.counts()['cloud']!.oldestAt).toBeLessThanOrEqual(Date.now());
    await first.sinks.close();
    broker = await startMosquitto([`listener ${port} 127.0.0.1`]);
    await subscribe(port);
    const second = await openTestSinks(stateDir(), given);
    open = second.sinks;
    await until(() => received.length >= 50, 'what was kept');
    expect(await drained(open, 'cloud')).toMatchObject({ delivered: 50 });
    expect(received.map(({ number }) => number)).toEqual(Array.from({ length: 50 }, (_, number) => number));
  });

  it('counts what the broker will never take, and goes on', async () => {
    const acl = state.at('files/acl');
    writeFileSync(acl, 'topic readwrite acme/good/#\n');
    broker = await startMosquitto(['user root', `acl_file ${acl}`, 'max_packet_size 2000']);
    await subscribe(broker.port);
    const { sinks, heard } = await openTestSinks(stateDir(), {
      cloud: { kind: 'mqtt', url: `mqtt://127.0.0.1:${broker.port}` },
    });
    open = sinks;
    for (let number = 0; number < 20; number++)
      await sinks.put('cloud', numbered(number, number % 4 === 0 ? 'bad' : 'good'));
    await sinks.put('cloud', { ...numbered(20, 'good'), payload: Buffer.alloc(5000) });
    await sinks.put('cloud', numbered(21, 'good'));
    expect(await drained(sinks, 'cloud')).toMatchObject({ delivered: 16, refused: 6, dropped: 0 });
    await until(() => received.length >= 16, 'the others');
    expect(heard.refused).toEqual(['m-0', 'm-4', 'm-8', 'm-12', 'm-16', 'm-20']);
  });

  it('speaks MQTT 3.1.1 too, and gives up what ends one connection after the other', async () => {
    broker = await startMosquitto(['max_packet_size 2000']);
    await subscribe(broker.port);
    const url = `mqtt://127.0.0.1:${broker.port}`;
    const settings = sink.parse({ kind: 'mqtt', url, protocolVersion: 4 });
    const driver = createDriver(settings, 'thingward/edge/berlin/sinks/cloud');
    const { signal } = new AbortController();
    const large = { ...numbered(0), payload: Buffer.alloc(5000), order: 0 };
    const rest = [1, 2, 3].map((number) => ({ ...numbered(number), order: number }));
    let tries = 0;
    for (let results: string[] = []; results.length === 0; tries++) {
      const outcome = await driver.deliver([large, ...rest], signal);
      results = outcome.results;
      expect(outcome.error).toBeInstanceOf(Error);
      if (results.length > 0) expect(results).toEqual(['refused']);
    }
    expect(tries).toBe(11);
    expect(await driver.deliver(rest, signal)).toEqual({ results: ['delivered', 'delivered', 'delivered'] });
    await driver.close();
    await until(() => received.some(({ number }) => number === 3), 'the others');
    expect([...new Set(received.map(({ number }) => number))]).toEqual([1, 2, 3]);
  });

  it('comes in with its certificate, and with a password that is read again', async () => {
    const at = (name: string): string => state.at(`files/${name}`);
    const newKey = (name: string) => [
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      at(`${name}.key`),
    ];
    runProgram('openssl', ['req', '-x509', ...newKey('ca'), '-subj', '/CN=ca', '-days', '2', '-out', at('ca.pem')]);
    for (const name of ['server', 'client']) {
      runProgram('openssl', ['req', ...newKey(name), '-subj', `/CN=${name}`, '-out', at(`${name}.csr`)]);
      writeFileSync(at('names'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n');
      const by = ['-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-CAcreateserial', '-extfile', at('names')];
      runProgram('openssl', ['x509', '-req', '-in', at(`${name}.csr`), ...by, '-days', '2', '-out', at(`${name}.pem`)]);
    }
    runProgram('mosquitto_passwd', ['-b', '-c', at('passwords'), 'edge', 'right']);
    writeFileSync(at('password'), 'wrong\n');
    broker = await startMosquitto([
      'user root',
      ...[
        `cafile ${at('ca.pem')}`,
        `certfile ${at('server.pem')}`,
        `keyfile ${at('server.key')}`,
        'require_certificate true',
      ],
      `password_file ${at('passwords')}`,
    ]);
    const files = {
      caFile: at('ca.pem'),
      certFile: at('client.pem'),
      keyFile: at('client.key'),
      passwordFile: at('password'),
    };
    const cloud = { kind: 'mqtt', url: `mqtts://localhost:${broker.port}`, username: 'edge', ...files } as const;
    const { sinks, heard } = await openTestSinks(stateDir(), { cloud });
    open = sinks;
    await sinks.put('cloud', numbered(1));
    await until(() => heard.failed.some((why) => /not authorized/i.test(why)), 'that the password is wrong');
    expect(sinks.counts()['cloud']).toMatchObject({ kept: 1, refused: 0 });
    writeFileSync(at('password'), 'right\n');
    sinks.reload();
    expect(await drained(sinks, 'cloud')).toMatchObject({ delivered: 1, refused: 0 });
  });

  it('goes no faster than it may when the broker is back', async () => {
    broker = await startMosquitto();
    await subscribe(broker.port);
    const url = `mqtt://127.0.0.1:${broker.port}`;
    const { sinks } = await openTestSinks(stateDir(), { cloud: { kind: 'mqtt', url, perSecond: 100 } });
    open = sinks;
    const started = performance.now();
    await Promise.all(Array.from({ length: 250 }, (_, number) => sinks.put('cloud', numbered(number))));
    await drained(sinks, 'cloud');
    expect(performance.now() - started).toBeGreaterThan(1500);
    expect([...firstsOf(received).values()].flat().length).toBeGreaterThan(200);
  });

  it('says which queues belong to nobody any longer', async () => {
    broker = await startMosquitto();
    const url = `mqtt://127.0.0.1:${broker.port}`;
    const first = await openTestSinks(stateDir(), { old: { kind: 'mqtt', url: 'mqtt://127.0.0.1:1' } });
    await first.sinks.put('old', numbered(1));
    await first.sinks.close();
    const second = await openTestSinks(stateDir(), { cloud: { kind: 'mqtt', url } });
    open = second.sinks;
    expect(second.heard.forgotten).toEqual(['old']);
  });
});

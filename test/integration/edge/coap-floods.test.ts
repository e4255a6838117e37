import { connect } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { classOf, formatCode, signal } from '../../../src/edge/coap-messages/codes.js';
import { createMessageStream, writeStreamMessage } from '../../../src/edge/coap-messages/streams.js';
import { observe, openEnd, requestOf, wordsOf } from '../../support/coap/device.js';
import { createEdgeStage, eventually, type EdgeStage } from '../../support/edge/stage.js';
import { useKey } from '../../support/fleet.js';
import { describeWith } from '../../support/programs.js';
import mqtt, { type MqttClient } from 'mqtt';

const none = Buffer.alloc(0);
const megabyte = 1_048_576;

describeWith(['mosquitto'], 'floods, and slow and silent devices of CoAP', () => {
  let stage: EdgeStage;
  let edge: Awaited<ReturnType<EdgeStage['startEdge']>>;
  let broker: MqttClient;

  beforeAll(async () => {
    stage = await createEdgeStage();
    const url = await stage.startBroker();
    broker = await mqtt.connectAsync(url, { reconnectPeriod: 0 });
    edge = await stage.startEdge([{ protocol: 'coap' }, { protocol: 'coap+tcp' }], {
      upstream: { mqtt: { url } },
      limits: { perAddress: 40 },
    });
  });
  afterAll(async () => {
    await broker.endAsync(true);
    await stage.stop();
  });

  /** What the memory of this process, which the edge is in, grew by. */
  const growth = async (work: () => Promise<void>): Promise<number> => {
    const used = (): number => process.memoryUsage().external + process.memoryUsage().heapUsed;
    const before = used();
    await work();
    return (used() - before) / megabyte;
  };
  const isServed = async (name: string, token: string): Promise<void> => {
    const end = await openEnd(edge.portOf(0));
    await end.send(requestOf({ method: 'post', path: `${name}/other`, token, payload: 'x' }));
    await eventually(
      () => end.got.map(wordsOf),
      ([first]) => first === 'ack 2.04',
    );
    end.close();
  };

  it.each([0, 1] as const)('hold no more than a few values of QoS %i for a device that confirms none', async (qos) => {
    const [{ name, token }, other] = [await stage.addDevice(), await stage.addDevice()];
    const end = await openEnd(edge.portOf(0));
    await end.send(requestOf({ path: `${name}/a`, token, more: [observe(0)] }));
    await eventually(
      () => end.got.length,
      (count) => count === 1,
    );
    const grown = await growth(async () => {
      for (let at = 0; at < 300; at++) await broker.publishAsync(`${name}/a`, Buffer.alloc(60_000, at), { qos });
      await isServed(other.name, other.token);
    });
    expect(grown).toBeLessThan(40);
    expect(end.got.length).toBeLessThan(10);
    end.close();
  });

  it('pause the broker for a device that does not read, and end it all the same', async () => {
    const [{ name, token }, other] = [await stage.addDevice(), await stage.addDevice()];
    const socket = connect(edge.portOf(1), '127.0.0.1');
    socket.on('error', () => {});
    const options = [...`${name}/a`.split('/').map((each) => ({ number: 11, value: Buffer.from(each) })), observe(0)];
    const shown = { number: 65_001, value: Buffer.from(token) };
    socket.write(writeStreamMessage({ code: signal.csm, token: none, options: [], payload: none }));
    socket.write(writeStreamMessage({ code: 1, token: Buffer.of(1), options: [...options, shown], payload: none }));
    await eventually(
      async () => (await stage.server.owner.get(`/v1/sessions?thing=${name}`)).body.items as object[],
      (items) => items.length === 1,
    );
    socket.pause();
    const grown = await growth(async () => {
      for (let at = 0; at < 600; at++) await broker.publishAsync(`${name}/a`, Buffer.alloc(60_000, at), { qos: 0 });
      await isServed(other.name, other.token);
    });
    expect(grown).toBeLessThan(60);
    const { status } = await stage.server.owner.post(`/v1/things/${name}/suspend`);
    expect(status).toBe(200);
    await eventually(
      async () => (await stage.server.owner.get(`/v1/sessions?thing=${name}`)).body.items as object[],
      (items) => items.length === 0,
    );
    socket.destroy();
  });

  it('give no more places to one address than it may have, and take them back', async () => {
    const live = async (): Promise<number> => {
      const text = await (await fetch(`${edge.monitorUrl}/metrics`)).text();
      return Number(/thingward_edge_sessions (\d+)/.exec(text)?.[1]);
    };
    const before = await live();
    const devices = [];
    for (let at = 0; at < 8; at++) devices.push(await stage.addDevice());
    const ends = await Promise.all(Array.from({ length: 60 }, () => openEnd(edge.portOf(0))));
    for (const [at, end] of ends.entries()) {
      const { name, token } = devices[at % devices.length]!;
      const client = { number: 15, value: Buffer.from(`client=${name}`) };
      await end.send(requestOf({ path: `${name}/a`, token, more: [observe(0), client] }));
    }
    await eventually(
      () => ends.filter(({ got }) => got.length > 0).length,
      (count) => count === ends.length,
    );
    const codes = ends.map(({ got }) => wordsOf(got[0]!).slice(4, 8));
    expect(codes.filter((code) => code === '4.29').length).toBeGreaterThanOrEqual(20);
    // A client id has one session: each of the same device ended the one before.
    await eventually(live, (count) => count <= before + devices.length);
    for (const end of ends) end.close();
  });

  it('verify no more than a few wrong tokens a second over one connection', async () => {
    const socket = connect(edge.portOf(1), '127.0.0.1');
    socket.on('error', () => {});
    const codes: string[] = [];
    const messages = createMessageStream(100_000, {
      take: ({ code }) => (classOf(code) < 7 && codes.push(formatCode(code)), true),
    });
    socket.on('data', (bytes: Buffer) => messages.push(bytes));
    socket.write(writeStreamMessage({ code: signal.csm, token: none, options: [], payload: none }));
    const asked = (at: number) => {
      const options = [
        { number: 11, value: Buffer.from('a') },
        { number: 65_001, value: Buffer.from(`wrong-${at}`) },
      ];
      return writeStreamMessage({ code: 1, token: Buffer.of(at >> 8, at & 255), options, payload: none });
    };
    socket.write(Buffer.concat(Array.from({ length: 1000 }, (_, at) => asked(at))));
    await eventually(
      () => codes.length,
      (count) => count === 1000,
    );
    expect(new Set(codes)).toEqual(new Set(['4.01', '4.29']));
    // A machine that is busy takes some seconds.
    expect(codes.filter((code) => code === '4.01').length).toBeLessThan(500);
    socket.destroy();
    await new Promise((resolve) => setTimeout(resolve, 1100));
  });

  it('read no further where requests come faster than they are answered', async () => {
    const { name, token } = await stage.addDevice();
    const socket = connect(edge.portOf(1), '127.0.0.1');
    socket.on('error', () => {});
    socket.pause();
    socket.write(writeStreamMessage({ code: signal.csm, token: none, options: [], payload: none }));
    const flood = Buffer.concat(Array.from({ length: 100_000 }, () => Buffer.of(0x00, 0x01)));
    const grown = await growth(async () => {
      socket.write(Buffer.concat([flood, flood, flood, flood]));
      await new Promise((resolve) => setTimeout(resolve, 1500));
      await isServed(name, token);
    });
    expect(grown).toBeLessThan(60);
    socket.destroy();
  });

  it('tell all observers that a policy took their right, within a second', async () => {
    const { owner } = stage.server;
    const document = (topics: string[]) => ({
      name: 'for-all',
      statements: [
        { id: 'connect', effect: 'allow', actions: ['connect'], resources: ['client:${thing.name}'] },
        { id: 'topics', effect: 'allow', actions: ['subscribe', 'receive'], resources: topics },
      ],
    });
    await owner.post('/v1/policies', document(['topic:shared/#']));
    const ends: { end: Awaited<ReturnType<typeof openEnd>> }[] = [];
    for (let at = 0; at < 20; at++) {
      const device = await stage.addDevice();
      await owner.send('PUT', `/v1/things/${device.name}/policies`, { policies: ['for-all'] });
      const { body: fresh } = await useKey(stage.server, device);
      const end = await openEnd(edge.portOf(0));
      ends.push({ end });
      await end.send(requestOf({ path: 'shared/a', token: fresh.access_token as string, more: [observe(0)] }));
    }
    // A machine that is busy answers separately, and then again.
    const count = (words: RegExp): number =>
      ends.filter(({ end }) => end.got.map(wordsOf).some((each) => words.test(each))).length;
    await eventually(
      () => count(/ 2\.05$/),
      (some) => some === ends.length,
    );
    const { body } = await owner.post('/v1/policies/for-all/versions', document(['topic:other/#']));
    const activated = await owner.post('/v1/policies/for-all/activate', { version: body.version });
    expect(activated.status, activated.text).toBe(200);
    const at = performance.now();
    await eventually(
      () => count(/^non 4\.03 subscribe: no-matching-statement$/),
      (some) => some === ends.length,
    );
    expect(performance.now() - at).toBeLessThan(1000);
    for (const { end } of ends) end.close();
  });
});

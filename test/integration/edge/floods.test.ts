import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEdgeStage, eventually, type EdgeStage } from '../../support/edge/stage.js';
import * as packets from '../../support/edge/packets.js';
import { describeWith } from '../../support/programs.js';

const limits = { unauthenticated: 40, perAddress: 400, connectTimeout: '2s', packetBytes: 65_536 };
const mebibyte = 1024 * 1024;

describeWith(['mosquitto', 'openssl'], 'floods', () => {
  let stage: EdgeStage;
  let edge: Awaited<ReturnType<EdgeStage['startEdge']>>;
  let good: { name: string; token: string };
  const sockets: Socket[] = [];
  const kinds = ['mqtt', 'http', 'ws', 'mqtts', 'https'] as const;

  beforeAll(async () => {
    stage = await createEdgeStage();
    const url = await stage.startBroker();
    const upstream = { mqtt: { url }, http: { url: stage.serviceUrl } };
    const listeners = kinds.map((protocol) => ({
      protocol,
      ...(protocol.endsWith('s') && protocol !== 'ws' ? { clientCertificates: 'none' } : {}),
    }));
    edge = await stage.startEdge(listeners, { upstream, limits });
    good = await stage.addDevice();
  });
  afterAll(async () => {
    sockets.forEach((socket) => socket.destroy());
    await stage?.stop();
  });

  const portOf = (kind: (typeof kinds)[number]): number => edge.portOf(kinds.indexOf(kind));

  /** A connection that keeps what it was told. */
  const dial = (kind: (typeof kinds)[number]) => {
    const socket = connect(portOf(kind), '127.0.0.1');
    socket.setNoDelay(true);
    sockets.push(socket);
    const heard: Buffer[] = [];
    let isClosed = false;
    socket.on('error', () => {});
    socket.on('data', (octets: Buffer) => void heard.push(octets));
    socket.once('close', () => (isClosed = true));
    return { socket, heard: () => Buffer.concat(heard), isClosed: () => isClosed };
  };
  type Line = ReturnType<typeof dial>;
  const closed = (lines: Line[]) => lines.filter((line) => line.isClosed()).length;
  const send = (lines: Line[], octets: Buffer | string): void =>
    lines.forEach(({ socket }) => socket.writable && void socket.write(octets));

  /** An MQTT 5 connection of a device. */
  const join = async ({ name, token }: { name: string; token: string }): Promise<Line> => {
    const line = dial('mqtt');
    line.socket.write(packets.connect({ version: 5, clientId: name, password: token }));
    const answer = await eventually(line.heard, ({ length }) => length >= 4);
    expect(answer[3]).toBe(0);
    return line;
  };

  /** A device that does nothing wrong is served, in MQTT and HTTP. */
  const expectServed = async (): Promise<void> => {
    const { name, token } = good;
    const headers = { authorization: `Bearer ${token}` };
    const answer = await fetch(`http://127.0.0.1:${portOf('http')}/${name}/a`, { headers });
    expect(answer.status).toBe(200);
    const line = await join(good);
    const before = line.heard().length;
    const block = packets.properties();
    line.socket.write(packets.publish(`${name}/a`, { qos: 1, id: 7, properties: block }));
    const told = await eventually(line.heard, ({ length }) => length > before);
    expect(told[before]).toBe(0x40);
    line.socket.destroy();
  };
  const figure = async (name: string): Promise<number> => {
    const text = await (await fetch(`${edge.monitorUrl}/metrics`)).text();
    return Number(
      text
        .split('\n')
        .find((line) => line.startsWith(`${name} `))
        ?.split(' ')[1] ?? 0,
    );
  };

  it.each(['http', 'ws'] as const)('of headers that never end come to an end, on %s', async (kind) => {
    const lines = Array.from({ length: 30 }, () => dial(kind));
    send(lines, 'GET /mqtt HTTP/1.1\r\nHost: a\r\n');
    let drops = 0;
    const drip = setInterval(() => send(lines, `x-${drops++}: y\r\n`), 100);
    await expectServed();
    await eventually(
      () => closed(lines),
      (count) => count === lines.length,
    );
    clearInterval(drip);
    expect(drops).toBeGreaterThan(3);
  });

  it.each([
    ['http', 'GET / HTTP/1.1\r\n', 413],
    ['ws', 'GET /mqtt HTTP/1.1\r\n', undefined],
  ] as const)('of headers that are too large are not kept, on %s', async (kind, begin, status) => {
    const lines = Array.from({ length: 10 }, () => dial(kind));
    send(lines, begin);
    for (let times = 0; times < 40; times++) send(lines, `x-${times}: ${'y'.repeat(1000)}\r\n`);
    await expectServed();
    await eventually(
      () => closed(lines),
      (count) => count === lines.length,
    );
    if (status !== undefined) expect(lines[0]!.heard().toString()).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  });

  it.each(kinds)('of connections that say nothing cost each other their place, on %s', async (kind) => {
    // The first go for the last, and the last when their time is over; on a slow machine more of them.
    const refused = async (): Promise<number> => {
      const of = (limit: string) => figure(`thingward_edge_refused_connections_total{limit="${limit}"}`);
      return (await of('unauthenticated')) + (await of('connectTimeout'));
    };
    const before = await refused();
    const lines: Line[] = [];
    for (let count = 0; count < 100; count++) {
      const line = dial(kind);
      lines.push(line);
      await once(line.socket, 'connect');
    }
    await expectServed();
    expect(await figure('thingward_edge_unauthenticated')).toBeLessThanOrEqual(limits.unauthenticated);
    await eventually(
      () => closed(lines),
      (count) => count === lines.length,
    );
    expect(await refused()).toBe(before + lines.length);
    expect(await figure('thingward_edge_connections')).toBeLessThanOrEqual(limits.unauthenticated);
  });

  describe('of an MQTT 5 device', () => {
    const block = packets.properties();

    it('with lengths of 268 MB are ended at the first octets, before and after CONNECT', async () => {
      const huge = (first: number): Buffer => Buffer.of(first, 0xff, 0xff, 0xff, 0x7f);
      const before = process.memoryUsage().arrayBuffers;
      const early = Array.from({ length: 30 }, () => dial('mqtt'));
      send(early, huge(0x10));
      const late: Line[] = [];
      for (let count = 0; count < 10; count++) late.push(await join(await stage.addDevice()));
      send(late, huge(0x30));
      await expectServed();
      await eventually(
        () => closed([...early, ...late]),
        (count) => count === early.length + late.length,
      );
      // DISCONNECT: packet too large.
      for (const line of late) expect(line.heard().toString('hex')).toMatch(/e0..95[0-9a-f]*$/);
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * mebibyte);
    });

    it('with a length of five octets end at once', async () => {
      const lines = Array.from({ length: 10 }, () => dial('mqtt'));
      send(lines, Buffer.of(0x10, 0x80, 0x80, 0x80, 0x80, 0x01));
      await eventually(
        () => closed(lines),
        (count) => count === lines.length,
      );
      await expectServed();
    });

    it('with aliases hold no more than there may be', async () => {
      const device = await stage.addDevice();
      const line = await join(device);
      const before = process.memoryUsage().arrayBuffers;
      // Denied, so that nothing of it reaches the broker; each takes the place of another.
      for (let count = 0; count < 400; count++) {
        const alias = packets.properties(0x23, packets.short(1 + (count % 10)));
        const flooding = packets.publish(`other/${String(count)}${'x'.repeat(50_000)}`, { properties: alias });
        if (!line.socket.write(flooding)) await once(line.socket, 'drain');
      }
      await expectServed();
      line.socket.write(packets.publish(`${device.name}/a`, { qos: 1, id: 9, properties: block }));
      await eventually(
        () => line.heard().toString('hex'),
        (text) => text.includes('40020009') || /40..0009/.test(text),
      );
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * mebibyte);
      line.socket.write(packets.publish('a', { properties: packets.properties(0x23, packets.short(65_535)) }));
      await eventually(line.isClosed, (isClosed) => isClosed);
      expect(line.heard().toString('hex')).toMatch(/e0..94[0-9a-f]*$/);
    });

    it('with one octet at a time are served like others, and delay nobody', async () => {
      const devices = await Promise.all(Array.from({ length: 5 }, () => stage.addDevice()));
      const lines = devices.map((device) => ({ device, line: dial('mqtt') }));
      const speaking = lines.map(async ({ device: { name, token }, line }) => {
        const all = packets.octets(
          packets.connect({ version: 5, clientId: name, password: token }),
          packets.subscribe(1, [[`${name}/#`, 1]], block),
          packets.publish(`${name}/slow`, { qos: 1, id: 2, payload: 'arrived', properties: block }),
        );
        for (const octet of all) {
          if (!line.socket.write(Buffer.of(octet))) await once(line.socket, 'drain');
          await new Promise((resolve) => setImmediate(resolve));
        }
        await eventually(
          () => line.heard().toString('latin1'),
          (text) => text.includes('arrived'),
        );
      });
      await expectServed();
      await Promise.all(speaking);
    });
  });
});

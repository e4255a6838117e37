import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import mqtt from 'mqtt';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createEdgeStage, eventually, type EdgeStage } from '../../support/edge/stage.js';
import { describeWith } from '../../support/programs.js';

describeWith(['mosquitto', 'openssl'], 'an edge whose surroundings go away', () => {
  let stage: EdgeStage;
  let wire: Server;
  let isCut = false;
  const sockets = new Set<Socket>();

  beforeAll(async () => {
    stage = await createEdgeStage();
    const { port } = new URL(stage.server.url);
    wire = createServer((socket) => {
      if (isCut) return void socket.destroy();
      const server = connect(Number(port), '127.0.0.1');
      for (const [one, other] of [
        [socket, server],
        [server, socket],
      ] as const) {
        sockets.add(one);
        one.on('error', () => {});
        one.once('close', () => {
          sockets.delete(one);
          other.destroy();
        });
        one.pipe(other);
      }
    }).listen(0, '127.0.0.1');
    await once(wire, 'listening');
  });
  afterAll(async () => {
    await stage?.stop();
    sockets.forEach((socket) => socket.destroy());
    wire?.close();
  });

  it('has one line in its log when the control plane goes away, and one when it is back', async () => {
    const server = `http://127.0.0.1:${(wire.address() as AddressInfo).port}`;
    await stage.startEdge([{ protocol: 'http' }], { server });
    isCut = true;
    let attempts = 0;
    wire.on('connection', () => void attempts++);
    sockets.forEach((socket) => socket.destroy());
    await eventually(
      () => attempts,
      (count) => count >= 4,
    );
    const said = () => stage.lines.filter((line) => line.includes('control plane'));
    expect(said()).toEqual([expect.stringMatching(/^warn the control plane is away: .*"why":"[^"]+"}$/)]);
    isCut = false;
    const lines = await eventually(said, ({ length }) => length > 1);
    expect(lines[1]).toMatch(/^info the control plane is back \{"seconds":\d+,"attempts":\d+\}$/);
    expect(Number(/"attempts":(\d+)/.exec(lines[1]!)![1])).toBeGreaterThanOrEqual(4);
    expect(stage.lines.join('\n')).not.toMatch(/"stack"|"err"/);
  });

  it('has one line in its log when the service goes away, and one when it is back', async () => {
    const { name, token } = await stage.addDevice();
    const port = (stage.service.server.address() as AddressInfo).port;
    const edge = await stage.startEdge([{ protocol: 'http' }]);
    const ask = async (): Promise<number> => {
      const url = `http://127.0.0.1:${edge.portOf(0)}/${name}/a`;
      return (await fetch(url, { headers: { authorization: `Bearer ${token}` } })).status;
    };
    expect(await ask()).toBe(200);
    stage.service.server.closeAllConnections();
    stage.service.server.close();
    await once(stage.service.server, 'close');
    for (let times = 0; times < 5; times++) expect(await ask()).toBe(502);
    stage.service.server.listen(port, '127.0.0.1');
    await once(stage.service.server, 'listening');
    expect(await ask()).toBe(200);
    const lines = stage.lines.filter((line) => line.includes('service'));
    expect(lines).toEqual([
      expect.stringMatching(/^warn the service cannot be reached \{"why":".*ECONNREFUSED.*"\}$/),
      expect.stringMatching(/^info the service is back \{"seconds":\d+,"attempts":5\}$/),
    ]);
  });

  it('ends live sessions when trust is over, or keeps them and lets in nobody new, as it was told', async () => {
    const url = await stage.startBroker();
    const server = `http://127.0.0.1:${(wire.address() as AddressInfo).port}`;
    const upstream = { mqtt: { url }, http: { url: stage.serviceUrl } };
    const { name, token } = await stage.addDevice();
    const headers = { authorization: `Bearer ${token}` };
    const start = async (then: string) => {
      const offline = { trustFor: '1s', then };
      const edge = await stage.startEdge([{ protocol: 'mqtt' }, { protocol: 'http' }], { server, upstream, offline });
      const connectNow = () =>
        mqtt.connectAsync(`mqtt://127.0.0.1:${edge.portOf(0)}`, {
          clientId: `${name}`,
          username: 'x',
          password: token,
          protocolVersion: 5,
          reconnectPeriod: 0,
        });
      const request = (path: string) => fetch(`http://127.0.0.1:${edge.portOf(1)}/${name}/${path}`, { headers });
      return { edge, connectNow, request };
    };
    for (const then of ['refuse-new', 'close']) {
      const { edge, connectNow, request } = await start(then);
      const client = await connectNow();
      let isOver = false;
      client.once('close', () => (isOver = true));
      client.on('error', () => {});
      const slow = (await request('slow')).body!.getReader();
      await slow.read();
      let isBroken = false;
      void slow.read().catch(() => (isBroken = true));
      isCut = true;
      sockets.forEach((socket) => socket.destroy());
      await eventually(
        async () => (await fetch(`${edge.monitorUrl}/metrics`)).text(),
        (text) => /^thingward_edge_trust_spent 1$/m.test(text),
      );
      expect((await request('a')).status).toBe(503);
      if (then === 'close') {
        await eventually(
          () => isOver && isBroken,
          (both) => both,
        );
        await expect(connectNow()).rejects.toMatchObject({ code: 0x88 });
      } else {
        await client.publishAsync(`${name}/a`, 'still here', { qos: 1 });
        expect([isOver, isBroken]).toEqual([false, false]);
      }
      client.end(true);
      isCut = false;
    }
  });
});

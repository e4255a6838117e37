import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import { connect, type AddressInfo } from 'node:net';
import mqtt, { type MqttClient } from 'mqtt';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createEdgeStage, eventually, type EdgeStage } from '../../support/edge/stage.js';
import { freePort } from '../../support/ports.js';
import { describeWith } from '../../support/programs.js';

describeWith(['mosquitto', 'nginx', 'openssl'], 'an edge whose upstream speaks', () => {
  let stage: EdgeStage;
  const ports: Record<string, number> = {};
  const clients: MqttClient[] = [];
  const servers: Server[] = [];

  const listening = (port: number, child: ChildProcess): Promise<boolean> =>
    eventually(
      async () => {
        if (child.exitCode !== null) throw new Error('the program does not start');
        const socket = connect(port, '127.0.0.1');
        const isOpen = await Promise.race([
          once(socket, 'connect').then(() => true),
          once(socket, 'error').then(() => false),
        ]).catch(() => false);
        socket.destroy();
        return isOpen;
      },
      (isOpen) => isOpen,
    );

  beforeAll(async () => {
    stage = await createEdgeStage();
    const secure = [`certfile ${stage.at('tls.crt')}`, `keyfile ${stage.at('tls.key')}`];
    const lines = ['allow_anonymous true', 'user root'];
    for (const [scheme, more] of [
      ['mqtt', []],
      ['mqtts', secure],
      ['ws', ['protocol websockets']],
      ['wss', ['protocol websockets', ...secure]],
    ] as const) {
      ports[scheme] = await freePort();
      lines.push(`listener ${ports[scheme]} 127.0.0.1`, ...more);
    }
    writeFileSync(stage.at('upstreams.conf'), `${lines.join('\n')}\n`);
    const child = spawn('mosquitto', ['-c', stage.at('upstreams.conf')], { stdio: 'ignore' });
    stage.children.push(child);
    for (const port of Object.values(ports)) await listening(port, child);
  });
  afterAll(async () => {
    clients.forEach((client) => client.end(true));
    servers.forEach((server) => server.close());
    servers.forEach((server) => server.closeAllConnections());
    await stage?.stop();
  });

  const open = async (upstream: object, protocolVersion: 4 | 5) => {
    const device = await stage.addDevice();
    const edge = await stage.startEdge([{ protocol: 'mqtt' }], { upstream: { mqtt: upstream } });
    const client = mqtt.connect(`mqtt://127.0.0.1:${edge.portOf(0)}`, {
      reconnectPeriod: 0,
      clientId: device.name,
      username: 'x',
      password: device.token,
      protocolVersion,
    });
    clients.push(client);
    client.on('error', () => {});
    return { client, name: device.name, edge };
  };

  it.each([
    ['mqtt', 4],
    ['mqtts', 5],
    ['ws', 4],
    ['wss', 5],
    ['mqtts', 4],
    ['ws', 5],
    ['wss', 4],
  ] as const)('%s, to a device of MQTT version %i', async (scheme, version) => {
    const host = version === 5 ? 'localhost' : '127.0.0.1';
    const upstream = { url: `${scheme}://${host}:${ports[scheme]}`, caFile: stage.at('tls.crt') };
    const { client, name, edge } = await open(upstream, version);
    await new Promise((resolve) => client.once('connect', resolve));
    const heard: string[] = [];
    client.on('message', (topic, payload) => heard.push(`${topic} ${payload.toString()}`));
    await client.subscribeAsync(`${name}/#`, { qos: 2 });
    // In frames and records of every size, and at once. Mosquitto's WebSockets read 4 KiB every 100 ms, also without an edge.
    const sizes = [0, 1, 126, 65_535, 65_536, ...(scheme.startsWith('ws') ? [] : [200_000])];
    await Promise.all(sizes.map((size) => client.publishAsync(`${name}/${size}`, 'x'.repeat(size), { qos: 2 })));
    await eventually(
      () => heard,
      ({ length }) => length === sizes.length,
    );
    expect(heard.sort()).toEqual(sizes.map((size) => `${name}/${size} ${'x'.repeat(size)}`).sort());
    const closed = new Promise<void>((resolve) => client.once('close', () => resolve()));
    await edge.close();
    await closed;
  });

  it.each(['mqtts', 'wss'])('%s, with a certificate that nobody vouches for, as one that is away', async (scheme) => {
    const { client } = await open({ url: `${scheme}://localhost:${ports[scheme]}` }, 5);
    const refused = await new Promise<Error & { code?: unknown }>((resolve) => client.once('error', resolve));
    expect(refused.code).toBe(0x88);
    expect(stage.lines.filter((line) => line.includes('the broker cannot be reached')).at(-1)).toMatch(
      /self-signed certificate/,
    );
  });

  it('https, of Node, with requests, bodies and upgrades', async () => {
    const tls = { cert: readFileSync(stage.at('tls.crt')), key: readFileSync(stage.at('tls.key')) };
    const server = createServer(tls, (message, response) => {
      let octets = 0;
      message.on('data', (chunk: Buffer) => (octets += chunk.length));
      message.on('end', () => response.end(JSON.stringify({ url: message.url, octets, host: message.headers.host })));
    });
    server.on('upgrade', (_message, socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n');
      socket.pipe(socket);
    });
    servers.push(server.listen(0, '127.0.0.1'));
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const { name, token } = await stage.addDevice();
    for (const host of ['localhost', '127.0.0.1']) {
      const upstream = { http: { url: `https://${host}:${port}`, caFile: stage.at('tls.crt') } };
      const edge = await stage.startEdge([{ protocol: 'http' }], { upstream });
      const at = `http://127.0.0.1:${edge.portOf(0)}/${name}/a?b`;
      const headers = { authorization: `Bearer ${token}` };
      const answer = await fetch(at, { method: 'POST', headers, body: 'x'.repeat(300_000) });
      expect(await answer.json()).toEqual({ url: `/${name}/a?b`, octets: 300_000, host: `${host}:${port}` });
      const socket = connect(edge.portOf(0), '127.0.0.1');
      socket.write(
        `GET /${name}/u HTTP/1.1\r\nHost: a\r\nUpgrade: echo\r\nConnection: Upgrade\r\nAuthorization: Bearer ${token}\r\n\r\n`,
      );
      let said = '';
      socket.on('data', (octets) => (said += octets.toString()));
      await eventually(
        () => said,
        (text) => text.includes('\r\n\r\n'),
      );
      expect(said).toMatch(/^HTTP\/1\.1 101 /);
      socket.write('ping');
      await eventually(
        () => said,
        (text) => text.endsWith('ping'),
      );
      socket.destroy();
    }
    const unknown = await stage.startEdge([{ protocol: 'http' }], {
      upstream: { http: { url: `https://localhost:${port}` } },
    });
    const headers = { authorization: `Bearer ${token}` };
    expect((await fetch(`http://127.0.0.1:${unknown.portOf(0)}/${name}/a`, { headers })).status).toBe(502);
  });

  it('https, of NGINX', async () => {
    const port = await freePort();
    const folder = stage.at('nginx');
    mkdirSync(folder);
    const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (kind) => `${kind}_temp_path ${folder}/${kind};`,
    );
    writeFileSync(
      stage.at('nginx.conf'),
      `daemon off; master_process off; pid ${folder}/pid; error_log stderr; user root; worker_processes 1; events {}
      http { access_log off; ${paths.join(' ')}
        server { listen 127.0.0.1:${port} ssl; ssl_certificate ${stage.at('tls.crt')}; ssl_certificate_key ${stage.at('tls.key')};
          location / { return 200 "$request_method $request_uri $http_x_thingward_thing $ssl_protocol"; } } }\n`,
    );
    const child = spawn('nginx', ['-c', stage.at('nginx.conf')], { stdio: 'ignore' });
    stage.children.push(child);
    await listening(port, child);
    const { name, token } = await stage.addDevice();
    const upstream = { http: { url: `https://localhost:${port}`, caFile: stage.at('tls.crt') } };
    const edge = await stage.startEdge([{ protocol: 'http' }], { upstream });
    const headers = { authorization: `Bearer ${token}` };
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => fetch(`http://127.0.0.1:${edge.portOf(0)}/${name}/a%20b?c`, { headers })),
    );
    for (const answer of answers)
      expect(await answer.text()).toMatch(new RegExp(`^GET /${name}/a%20b\\?c ${name} TLSv1`));
  });
});

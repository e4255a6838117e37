import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createEdgeStage, eventually, type EdgeStage } from '../../support/edge/stage.js';
import { serialOf } from '../../support/pki/crl.js';
import { describeWith } from '../../support/programs.js';
import { runShell } from '../../support/shell.js';

type StartedEdge = Awaited<ReturnType<EdgeStage['startEdge']>>;

describeWith(['mosquitto', 'mosquitto_pub', 'mosquitto_sub', 'openssl'], 'an edge in front of Mosquitto', () => {
  let stage: EdgeStage;
  let edge: StartedEdge;
  const clients: MqttClient[] = [];

  beforeAll(async () => {
    stage = await createEdgeStage();
    const url = await stage.startBroker();
    edge = await stage.startEdge(
      [
        { protocol: 'mqtts', clientCertificates: 'required' },
        { protocol: 'mqtt', proxyProtocol: ['127.0.0.2'] },
        { protocol: 'ws' },
        { protocol: 'wss', clientCertificates: 'none', origins: ['https://app.example.com'] },
      ],
      { upstream: { mqtt: { url, username: '${account}/${thing.name}', passwordFile: stage.at('broker.pw') } } },
    );
  });
  afterAll(async () => {
    clients.forEach((client) => client.end(true));
    await stage.stop();
  });

  const certificateOf = (name: string): string[] => [
    '--cafile',
    'tls.crt',
    '--cert',
    `${name}.crt`,
    '--key',
    `${name}.key`,
  ];
  const secure = (name: string): string[] => [
    '-h',
    'localhost',
    '-p',
    String(edge.portOf(0)),
    ...certificateOf(name),
    '-i',
    name,
  ];
  const publish = (args: string[]) =>
    runShell(`mosquitto_pub ${args.map((each) => `'${each}'`).join(' ')}`, stage.at(''));

  /** A subscriber that runs until it is ended; `said` is what it printed. */
  const subscribe = (args: string[]): { child: ChildProcess; said(): string } => {
    const child = spawn('stdbuf', ['-oL', 'mosquitto_sub', ...args], {
      cwd: stage.at(''),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    stage.children.push(child);
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (octets: Buffer) => (said += octets.toString()));
    return { child, said: () => said };
  };
  const open = async (url: string, options: IClientOptions): Promise<MqttClient> => {
    const client = await mqtt.connectAsync(url, { reconnectPeriod: 0, ...options });
    clients.push(client);
    return client;
  };

  it('carries messages over TLS with a client certificate, and refuses what is denied', async () => {
    const { name } = await stage.addDevice();
    const subscriber = subscribe([...secure(name), '-V', '5', '-t', `${name}/#`, '-v']);
    await eventually(
      async () => (await stage.server.owner.get(`/v1/sessions?thing=${name}`)).body.items as object[],
      (items) => items.length === 1,
    );
    const other = await stage.addDevice();
    const denied = await publish([...secure(other.name), '-V', '5', '-q', '1', '-t', `${name}/a`, '-m', 'no', '-d']);
    expect(denied.output).toContain('RC:135');
    const good = await publish([
      ...secure(other.name),
      '-V',
      '5',
      '-q',
      '1',
      '-t',
      `${other.name}/a`,
      '-m',
      'yes',
      '-d',
    ]);
    // 16: nobody subscribes to it.
    expect(good.output).toMatch(/RC:(?:0|16)\b/);
    const wrongId = await publish([
      ...secure(other.name),
      '-i',
      name,
      '-V',
      '5',
      '-q',
      '1',
      '-t',
      `${other.name}/a`,
      '-m',
      'no',
    ]);
    expect(wrongId.code).not.toBe(0);
    const own = await open(`mqtt://127.0.0.1:${edge.portOf(1)}`, {
      clientId: other.name,
      username: 'anybody',
      password: other.token,
    });
    await own.publishAsync(`${other.name}/b`, 'more', { qos: 1 });
    expect(subscriber.said()).toBe('');
    subscriber.child.kill();
  });

  it('carries messages over WebSockets, with a token', async () => {
    const device = await stage.addDevice();
    const options = { clientId: device.name, username: 'x', password: device.token };
    for (const [url, protocolVersion] of [
      [`ws://127.0.0.1:${edge.portOf(2)}/mqtt`, 4],
      [`wss://localhost:${edge.portOf(3)}/mqtt`, 5],
    ] as const) {
      const client = await open(url, { ...options, protocolVersion, ca: readFileSync(stage.at('tls.crt')) });
      const heard: string[] = [];
      client.on('message', (topic, payload) => heard.push(`${topic} ${payload.toString()}`));
      await client.subscribeAsync(`${device.name}/#`, { qos: 1 });
      await client.publishAsync(`${device.name}/a`, 'x'.repeat(100_000), { qos: 2 });
      await eventually(
        () => heard,
        (messages) => messages.length === 1,
      );
      expect(heard[0]).toHaveLength(`${device.name}/a `.length + 100_000);
      await client.endAsync();
    }
  });

  it('refuses WebSockets of foreign pages, of other paths, and without the subprotocol', async () => {
    const ask = async (path: string, headers: string[]): Promise<string> => {
      const common = [
        '-H "connection: Upgrade"',
        '-H "upgrade: websocket"',
        '-H "sec-websocket-version: 13"',
        '-H "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA=="',
      ];
      const all = [...common, ...headers.map((each) => `-H "${each}"`)].join(' ');
      const url = `https://localhost:${edge.portOf(3)}${path}`;
      return (
        await runShell(
          `curl -sS --http1.1 -m 3 -o /dev/null -w '%{http_code}' --cacert tls.crt ${all} ${url} 2> /dev/null || true`,
          stage.at(''),
        )
      ).output.slice(0, 3);
    };
    const subprotocol = 'sec-websocket-protocol: mqtt';
    expect(await ask('/mqtt', [subprotocol, 'origin: https://evil.example'])).toBe('403');
    expect(await ask('/other', [subprotocol])).toBe('404');
    expect(await ask('/mqtt', [])).toBe('400');
    expect(await ask('/mqtt', ['sec-websocket-protocol: chat'])).toBe('400');
    expect(await ask('/mqtt', [subprotocol, 'origin: https://app.example.com'])).toBe('101');
  });

  it('ends sessions with the certificate, with the reason in MQTT 5, and says when all are ended', async () => {
    const device = await stage.addDevice();
    const { name } = device;
    const subscriber = subscribe([...secure(name), '-V', '5', '-t', `${name}/#`, '-d']);
    await eventually(subscriber.said, (text) => text.includes('SUBACK'));
    const { position } = (
      await stage.server.owner.post(`/v1/certificates/${serialOf(device)}/revoke`, { reason: 'keyCompromise' })
    ).body;
    await eventually(
      async () => (await stage.server.owner.get(`/v1/revocations/${position}`)).body,
      ({ items }) => items.some((each: any) => each.name === edge.name && each.enforcedAt && each.sessionsClosed === 1),
    );
    await eventually(subscriber.said, (text) => /DISCONNECT \(152\)/i.test(text));
    subscriber.child.kill();
  });

  it('ends sessions whose rights a policy takes away, and only those', async () => {
    const { owner } = stage.server;
    const statement = (id: string, topics: string[]) => ({
      name: id,
      statements: [
        { id: 'connect', effect: 'allow', actions: ['connect'], resources: ['client:${thing.name}'] },
        { id: 'topics', effect: 'allow', actions: ['publish', 'subscribe', 'receive'], resources: topics },
      ],
    });
    await owner.post('/v1/policies', statement('narrowed', ['topic:shared/#', 'topic:${thing.name}/#']));
    const [wide, narrow] = [await stage.addDevice(), await stage.addDevice()];
    for (const { name } of [wide, narrow])
      expect((await owner.send('PUT', `/v1/things/${name}/policies`, { policies: ['narrowed'] })).status).toBe(200);
    const connectTo = (device: { name: string; token: string }) =>
      open(`mqtts://localhost:${edge.portOf(0)}`, {
        clientId: device.name,
        protocolVersion: 5,
        ca: readFileSync(stage.at('tls.crt')),
        cert: readFileSync(stage.at(`${device.name}.crt`)),
        key: readFileSync(stage.at(`${device.name}.key`)),
      });
    const [first, second] = [await connectTo(wide), await connectTo(narrow)];
    await first.subscribeAsync('shared/a');
    await second.subscribeAsync(`${narrow.name}/a`);
    const ended = new Promise<{ reasonCode?: number }>((resolve) => first.once('disconnect', resolve));
    const versioned = await owner.post(
      '/v1/policies/narrowed/versions',
      statement('narrowed', ['topic:${thing.name}/#']),
    );
    if (versioned.status >= 300) throw new Error(versioned.text);
    const activated = await owner.post(`/v1/policies/narrowed/activate`, { version: versioned.body.version });
    if (activated.status >= 300) throw new Error(activated.text);
    expect((await ended).reasonCode).toBe(0x87);
    expect(second.connected).toBe(true);
    await second.publishAsync(`${narrow.name}/b`, 'still here', { qos: 1 });
  });

  it('takes PROXY headers from those who must send them, and closes others that do', async () => {
    const { name, token } = await stage.addDevice();
    const port = edge.portOf(1);
    const header = Buffer.from('PROXY TCP4 192.0.2.77 192.0.2.1 4711 1883\r\n');
    const hello = connectPacket(name, token);
    const firstOctet = (from: string, octets: Buffer): Promise<number | undefined> =>
      new Promise((resolve) => {
        const socket = connect({ port, host: '127.0.0.1', localAddress: from }, () => socket.write(octets));
        socket.on('error', () => {});
        socket.once('data', (answer) => resolve(answer[3]));
        socket.once('close', () => resolve(undefined));
        socket.once('data', () => socket.destroy());
      });
    expect(await firstOctet('127.0.0.2', Buffer.concat([header, hello]))).toBe(0);
    expect(await firstOctet('127.0.0.1', hello)).toBe(0);
    expect(await firstOctet('127.0.0.2', hello)).toBeUndefined();
    expect(await firstOctet('127.0.0.1', Buffer.concat([header, hello]))).toBeUndefined();
  });

  it('tells devices to connect again when it drains', async () => {
    const { name } = await stage.addDevice();
    const settings = JSON.parse(readFileSync(edge.file, 'utf8')) as { upstream: object };
    const second = await stage.startEdge([{ protocol: 'mqtts' }], { upstream: settings.upstream });
    const subscriber = subscribe([
      '-h',
      'localhost',
      '-p',
      String(second.portOf(0)),
      ...certificateOf(name),
      '-i',
      name,
      '-V',
      '5',
      '-t',
      `${name}/#`,
      '-d',
    ]);
    await eventually(subscriber.said, (text) => text.includes('SUBACK'));
    await second.close();
    await eventually(subscriber.said, (text) => /DISCONNECT \(139\)/i.test(text));
    subscriber.child.kill();
  });
});

/** CONNECT of MQTT 3.1.1 with a user name and password. */
function connectPacket(clientId: string, password: string): Buffer {
  const text = (value: string): Buffer => {
    const octets = Buffer.from(value);
    return Buffer.concat([Buffer.of(octets.length >> 8, octets.length & 255), octets]);
  };
  const body = Buffer.concat([text('MQTT'), Buffer.of(4, 0xc2, 0, 60), text(clientId), text('x'), text(password)]);
  const length: number[] = [];
  for (let rest = body.length; ; rest >>= 7) {
    length.push((rest & 127) | (rest > 127 ? 128 : 0));
    if (rest <= 127) break;
  }
  return Buffer.concat([Buffer.of(0x10, ...length), body]);
}

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import mqtt, { type MqttClient } from 'mqtt';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { blockOf, edgePaper, quotedIn, tableOf } from '../../support/deployment/documented.js';
import { createEdgeStage, eventually, type EdgeStage } from '../../support/edge/stage.js';
import { freePort } from '../../support/ports.js';
import { describeWith } from '../../support/programs.js';
import { runProgram } from '../../support/pki/openssl.js';
import { runShell, userFolder } from '../../support/shell.js';

describeWith(['openssl', 'mosquitto', 'curl', 'sed'], 'docs/edge.md', () => {
  const user = userFolder();
  let stage: EdgeStage;
  let settings: string;
  let mqttsPort: number;
  let monitorUrl: string;
  const clients: MqttClient[] = [];

  beforeAll(async () => {
    stage = await createEdgeStage();
    const [monitor, httpsPort, wssPort] = await Promise.all([freePort(), freePort(), freePort()]);
    mqttsPort = await freePort();
    monitorUrl = `http://127.0.0.1:${monitor}`;
    for (const name of ['tls.crt', 'tls.key', 'broker.pw']) symlinkSync(stage.at(name), `${user.path}/${name}`);
    symlinkSync(process.cwd(), `${user.path}/node_modules/thingward`);
    settings = blockOf('settings')
      .replace('https://things.example.com', stage.server.url)
      .replace('mqtt://127.0.0.1:1884', await stage.startBroker())
      .replace('http://127.0.0.1:3000', stage.serviceUrl)
      .replace('port: 9443', `port: ${httpsPort}, host: 127.0.0.1`)
      .replace('port: 8883', `port: ${mqttsPort}, host: 127.0.0.1`)
      .replace('port: 8443', `port: ${wssPort}, host: 127.0.0.1`);
    settings += `monitor: { host: 127.0.0.1, port: ${monitor} }\n`;
    writeFileSync(`${user.path}/edge.yaml`, settings);
    await stage.addDevice('pump-17');
  });
  afterAll(async () => {
    clients.forEach((client) => client.end(true));
    await stage.stop();
    user.remove();
  });

  const run = async (script: string): Promise<string> => {
    const env = { THINGWARD_URL: stage.server.url, THINGWARD_OWNER_KEY: stage.server.ownerKey };
    const { code, output } = await runShell(script, user.path, env);
    expect(code, output).toBe(0);
    return output;
  };

  /** Runs a program in the folder until the test ends. */
  const start = (program: string, args: string[]): { child: ChildProcess; output(): string } => {
    const env = { PATH: process.env['PATH'], HOME: user.path };
    const child = spawn(program, args, { cwd: user.path, env, stdio: ['ignore', 'pipe', 'pipe'] });
    stage.children.push(child);
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (octets: Buffer) => (output += octets.toString()));
    return { child, output: () => output };
  };
  const startEdge = () => {
    const [command, ...args] = blockOf('run').trim().split(' ');
    expect(command).toBe('thingward');
    return start(process.execPath, [resolve('dist/main.js'), ...args]);
  };

  const open = async (name: string, port = mqttsPort): Promise<MqttClient> => {
    const files = { cert: readFileSync(stage.at(`${name}.crt`)), key: readFileSync(stage.at(`${name}.key`)) };
    const options = {
      clientId: name,
      protocolVersion: 5,
      reconnectPeriod: 0,
      ca: readFileSync(stage.at('tls.crt')),
    } as const;
    const client = await mqtt.connectAsync(`mqtts://localhost:${port}`, { ...options, ...files });
    clients.push(client);
    return client;
  };
  const stop = async ({ child }: { child: ChildProcess }): Promise<void> => {
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    expect((await ended)[0]).toBe(0);
  };

  it('has commands that make a key, check, run, list sessions and show a receipt', async () => {
    await run(blockOf('key'));
    expect(await run('stat -c %a edge.key')).toBe('600\n');
    expect(await run(blockOf('check'))).toContain('This edge can run.');
    const edge = startEdge();
    await eventually(edge.output, (text) => text.split('the edge listens').length === 4);
    const client = await open('pump-17');
    const ended = new Promise<void>((resolve) => client.once('close', () => resolve()));
    await client.subscribeAsync('pump-17/#');
    await eventually(
      async () => (await stage.server.owner.get('/v1/sessions')).body.items as object[],
      (items) => items.length === 1,
    );
    expect(await run(blockOf('sessions'))).toContain('"thingName":"pump-17"');
    await ended;
    const receipt = await eventually(
      () => run(`${functionsOf('sessions')}\n${blockOf('receipt')}`).then((text) => JSON.parse(text)),
      ({ enforced }) => enforced,
    );
    expect(receipt.items).toEqual([
      expect.objectContaining({
        name: 'berlin-1',
        appliedAt: expect.any(String),
        enforcedAt: expect.any(String),
        sessionsClosed: 1,
      }),
    ]);

    await expectMetrics();
    const lines = edge
      .output()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const described = new Map(tableOf('log').map(([text, level, members]) => [quotedIn(text!)[0], { level, members }]));
    for (const { msg, level, time, ...members } of lines) {
      const row = described.get(
        (msg as string).replace(/^Node \S+ (.*) since \S+: install Node \d+ /, 'Node … $1 since …: install Node … '),
      );
      expect([msg, String(level), typeof time]).toEqual([msg, row?.level, 'string']);
      for (const member of Object.keys(members))
        expect(quotedIn(row!.members!), `${msg as string}: ${member}`).toContain(member);
    }
    expect(lines.map(({ msg }) => msg)).toContain('session ended');
    await stop(edge);
  });

  /** What is measured, with all of its labels, is what the table says. */
  async function expectMetrics(): Promise<void> {
    const text = await (await fetch(`${monitorUrl}/metrics`)).text();
    const measured = [...text.matchAll(/^# TYPE (thingward_\w+) /gm)].map(([, name]) => name!);
    const described = new Map(tableOf('metrics').map(([name, labels]) => [quotedIn(name!)[0]!, quotedIn(labels!)]));
    expect([...described.keys()].sort()).toEqual(measured.sort());
    const found = [...text.matchAll(/^(thingward_\w+)\{([^}]*)\} /gm)];
    expect(found.length).toBeGreaterThan(2);
    for (const [, name, labels] of found)
      expect(
        [...labels!.matchAll(/(\w+)=/g)].map(([, label]) => label),
        name,
      ).toEqual(described.get(name!));
  }

  it('has hooks that run', async () => {
    await stage.addDevice('pump-18');
    const [, example] = /```js\n(import \{ createEdge \}[^]*?)```/.exec(edgePaper)!;
    writeFileSync(`${user.path}/hooks.mjs`, `${example!}console.log('it runs');`);
    const edge = start(process.execPath, ['hooks.mjs']);
    await eventually(edge.output, (text) => text.includes('it runs'));
    const client = await open('pump-18');
    const heard: string[] = [];
    client.on('message', (topic) => heard.push(topic));
    await client.subscribeAsync('pump-18/#', { qos: 1 });
    await client.publishAsync('v1/state', 'x', { qos: 1 });
    await eventually(
      () => heard,
      (topics) => topics.length > 0,
    );
    expect(heard).toEqual(['pump-18/state']);
    const refused = await client
      .subscribeAsync(['pump-18/a', 'pump-18/b', 'pump-18/c'])
      .catch((error: Error) => error.message);
    expect(refused).toMatch(/unspecified|not authorized/i);
    await client.endAsync();
    await eventually(edge.output, (text) => text.includes('pump-18 left'));
    await stop(edge);
  });
});

describeWith(['promtool'], 'the alerts of docs/edge.md', () => {
  it('are rules of Prometheus, about figures that there are', () => {
    const folder = userFolder();
    writeFileSync(`${folder.path}/alerts.yml`, blockOf('alerts'));
    expect(runProgram('promtool', ['check', 'rules', `${folder.path}/alerts.yml`])).toContain('9 rules found');
    folder.remove();
    const used = [...blockOf('alerts').matchAll(/thingward_\w+/g)].map(([name]) => name);
    const measured = tableOf('metrics').map(([name]) => quotedIn(name!)[0]);
    for (const name of used) expect(measured).toContain(name);
  });
});

describeWith(['haproxy', 'openssl', 'mosquitto'], 'HAProxy in front of edges, as docs/edge.md has it', () => {
  let stage: EdgeStage;
  let client: MqttClient | undefined;

  beforeAll(async () => {
    stage = await createEdgeStage();
  });
  afterAll(async () => {
    client?.end(true);
    await stage.stop();
  });

  it('passes on the address of a device, and its TLS unopened', async () => {
    const url = await stage.startBroker();
    const upstream = { mqtt: { url } };
    const listener = { protocol: 'mqtts', proxyProtocol: ['127.0.0.1'] };
    const [one, other] = [
      await stage.startEdge([listener], { upstream }),
      await stage.startEdge([listener], { upstream }),
    ];
    const port = await freePort();
    const config = blockOf('haproxy')
      // How many descriptors this machine allows is not what is tested.
      .replace('maxconn 20000', 'maxconn 100')
      .replace('bind :8883', `bind 127.0.0.1:${port}`)
      .replace('127.0.0.1:18883 port 9464', `127.0.0.1:${one.portOf(0)} port ${new URL(one.monitorUrl).port}`)
      .replace('127.0.0.1:18884 port 9465', `127.0.0.1:${other.portOf(0)} port ${new URL(other.monitorUrl).port}`);
    writeFileSync(stage.at('haproxy.cfg'), config);
    expect(runProgram('haproxy', ['-c', '-f', stage.at('haproxy.cfg')])).toContain('valid');
    stage.children.push(spawn('haproxy', ['-f', stage.at('haproxy.cfg')], { stdio: 'ignore' }));
    const { name } = await stage.addDevice();
    const files = { cert: readFileSync(stage.at(`${name}.crt`)), key: readFileSync(stage.at(`${name}.key`)) };
    client = await eventually(
      () =>
        mqtt
          .connectAsync(`mqtts://localhost:${port}`, {
            clientId: name,
            reconnectPeriod: 0,
            ca: readFileSync(stage.at('tls.crt')),
            localAddress: '127.0.0.6',
            ...files,
          } as mqtt.IClientOptions)
          .catch(() => undefined),
      (connected) => connected !== undefined,
    );
    const [session] = await eventually(
      async () => (await stage.server.owner.get(`/v1/sessions?thing=${name}`)).body.items as Record<string, string>[],
      (items) => items.length === 1,
    );
    expect(session).toMatchObject({ protocol: 'mqtts', sourceIp: '127.0.0.6' });
  });
});

/** The lines of a block that define functions. */
function functionsOf(name: string): string {
  return blockOf(name)
    .split('\n')
    .filter((line) => /^\w+\(\)/.test(line))
    .join('\n');
}

import { spawn, type ChildProcess } from 'node:child_process';
import { createServer, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEdge } from '../../../src/edge/proxy/create-edge.js';
import type { Edge } from '../../../src/edge/proxy/edge.js';
import type { Hooks } from '../../../src/edge/mqtt/hooks.js';
import { enroll, pemOf, provision, useKey, type Device } from '../fleet.js';
import { freePort } from '../ports.js';
import { startServer } from '../server.js';
import { makeListenerCertificate } from './listener-certificate.js';

const headMs = 1000;

export type EdgeStage = Awaited<ReturnType<typeof createEdgeStage>>;

/** What devices of the stage may do: their own topics, and requests below their name. */
const policy = {
  name: 'everything-own',
  statements: [
    { id: 'connect', effect: 'allow', actions: ['connect'], resources: ['client:${thing.name}'] },
    {
      id: 'topics',
      effect: 'allow',
      actions: ['publish', 'subscribe', 'receive'],
      resources: ['topic:${thing.name}/#'],
    },
    { id: 'requests', effect: 'allow', actions: ['request'], resources: ['http:* /${thing.name}/#'] },
  ],
};

/** A real server, a service and perhaps Mosquitto on closed ports, and everything about devices in files. */
export async function createEdgeStage() {
  const folder = mkdtempSync(join(tmpdir(), 'thingward-edge-'));
  const at = (name: string): string => join(folder, name);
  const server = await startServer('embedded');
  // Chores of a server in a test run when they are told to, and an edge that hears no head for 12 seconds is in the dark.
  const beat = setInterval(() => {
    server.services.chores.run('tell-edge-streams-the-head').catch(() => {});
  }, headMs);
  const children: ChildProcess[] = [];
  const edges: Edge[] = [];
  const lines: string[] = [];
  let brokerLog = '';
  let names = 0;

  makeListenerCertificate(at);
  const made = await server.owner.post('/v1/policies', policy);
  if (made.status >= 300) throw new Error(made.text);
  const { token } = await enroll(server, { policy: policy.name });
  const { body } = await server.owner.post('/v1/api-keys', { role: 'edge', bearer: true });
  writeFileSync(at('edge.key'), `${body.key as string}\n`);
  writeFileSync(at('broker.pw'), 'broker-secret\n');

  const service = createService();
  service.server.listen(0, '127.0.0.1');
  await once(service.server, 'listening');
  const serviceUrl = `http://127.0.0.1:${(service.server.address() as AddressInfo).port}`;

  /** A device of an enrollment, with its certificate and key in files. */
  async function enter(name: string, enrollment: string): Promise<Device> {
    const device = await provision(server, enrollment, name);
    if (device.answer.status !== 201) throw new Error(device.answer.text);
    writeFileSync(at(`${name}.crt`), pemOf(device));
    writeFileSync(at(`${name}.key`), device.key.export({ type: 'pkcs8', format: 'pem' }));
    return device;
  }

  /** The same of the enrollment of the stage, and an access token. */
  async function addDevice(name = `device-${names++}`): Promise<Device & { token: string }> {
    const device = await enter(name, token);
    const { body: tokens } = await useKey(server, device);
    return { ...device, token: tokens.access_token as string };
  }

  /** Starts an edge. In `listeners`, port 0 stands for any free port; its protocols come back with their ports. */
  async function startEdge(listeners: object[], more: object = {}, hooks?: Hooks) {
    const name = `edge-${names++}`;
    const monitor = { host: '127.0.0.1', port: await freePort() };
    const certificates = { certFile: at('tls.crt'), keyFile: at('tls.key') };
    const isSecure = ({ protocol }: { protocol?: string }): boolean =>
      ['mqtts', 'wss', 'https', 'coaps+tcp'].includes(protocol!);
    const settings = {
      server: server.url,
      keyFile: at('edge.key'),
      name,
      stateDir: at(`state-${name}`),
      monitor,
      upstream: { http: { url: serviceUrl } },
      ...more,
      listeners: listeners.map((each) => ({
        host: '127.0.0.1',
        port: 0,
        ...(isSecure(each) ? certificates : {}),
        ...each,
      })),
    };
    const file = at(`${name}.yaml`);
    writeFileSync(file, JSON.stringify(settings, null, 2));
    const say = (level: string) => (fields: object, message: string) =>
      void lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
    const tell = { info: say('info'), warn: say('warn'), error: say('error') };
    const edge = await createEdge({ config: file, tell, ...(hooks && { hooks }) });
    edges.push(edge);
    return {
      ...edge,
      name,
      file,
      monitorUrl: `http://127.0.0.1:${monitor.port}`,
      portOf: (nth: number) => edge.ports[nth]!.port,
    };
  }

  /** Starts Mosquitto with a password that only the edge has. Resolves with its URL. */
  async function startBroker(): Promise<string> {
    const port = await freePort();
    writeFileSync(at('broker.conf'), `listener ${port} 127.0.0.1\nallow_anonymous true\n`);
    const child = spawn('mosquitto', ['-v', '-c', at('broker.conf')], { stdio: ['ignore', 'ignore', 'pipe'] });
    child.stderr.on('data', (octets: Buffer) => (brokerLog += octets.toString()));
    children.push(child);
    for (let isOpen = false; !isOpen;) {
      if (child.exitCode !== null) throw new Error('Mosquitto does not start');
      const socket = connect(port, '127.0.0.1');
      isOpen = await Promise.race([
        once(socket, 'connect').then(() => true),
        once(socket, 'error').then(() => false),
      ]).catch(() => false);
      socket.destroy();
      if (!isOpen) await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return `mqtt://127.0.0.1:${port}`;
  }

  return {
    server,
    at,
    lines,
    service,
    serviceUrl,
    enter,
    addDevice,
    startEdge,
    startBroker,
    /** What Mosquitto said. */
    brokerLog: () => brokerLog,
    children,
    async stop(): Promise<void> {
      clearInterval(beat);
      for (const edge of edges) await edge.close();
      for (const child of children) child.kill('SIGKILL');
      service.server.closeAllConnections();
      service.server.close();
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A service that says what it got, and keeps what is below `/NAME/slow` open. */
function createService() {
  const got: { method: string; url: string; rawHeaders: string[]; body: string }[] = [];
  let aborted = 0;
  const read = async (message: IncomingMessage): Promise<string> => {
    let body = '';
    for await (const chunk of message) body += (chunk as Buffer).toString('latin1');
    return body;
  };
  const server = createServer((message, response) => {
    const { method, url, rawHeaders } = message;
    response.once('close', () => void (response.writableFinished || aborted++));
    if (url!.endsWith('/slow')) {
      response.writeHead(200);
      return void response.write('begun\n');
    }
    const answer = async (): Promise<void> => {
      const body = await read(message);
      got.push({ method: method!, url: url!, rawHeaders, body });
      response.end(JSON.stringify(got.at(-1)));
    };
    answer().catch(() => response.destroy());
  });
  server.on('upgrade', (_message, socket) => {
    socket.on('error', () => {});
    socket.once('close', () => void aborted++);
    socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n');
    socket.pipe(socket);
  });
  return { server, got, aborted: () => aborted };
}

/** Asks until something holds, a few times a second. */
export async function eventually<Value>(
  read: () => Promise<Value> | Value,
  holds: (value: Value) => boolean,
): Promise<Value> {
  for (let tries = 0; tries < 1200; tries++) {
    const value = await read();
    if (holds(value)) return value;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`it never happened: ${JSON.stringify(await read())}`);
}

import { writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { connectAsync, type MqttClient } from 'mqtt';
import { loadReaperConfig } from '../../../src/reaper/settings/config.js';
import { openReaper, type Reaper } from '../../../src/reaper/reaper.js';
import { createProxyStage } from '../brokers/proxies.js';
import { tokenOf } from '../brokers/stage.js';
import { heldSockets, type HeldSocket } from '../edge/socket-table.js';
import { startTruthRelay, type Claim } from '../edge/truth.js';
import { enroll, provision, type Device } from '../fleet.js';
import { startServer } from '../server.js';

const headMs = 500;
const lookMs = 50;

export type ReaperStage = Awaited<ReturnType<typeof createReaperStage>>;

/** A real client of MQTT that stays, or comes back whenever it is put out. */
export type LiveClient = {
  device: Device;
  client: MqttClient;
  isIn(): boolean;
  times(): number;
};

/** Policies of the stage: a thing's own topics, and one more that a test takes away. */
const own = [
  { id: 'connect', effect: 'allow', actions: ['connect'], resources: ['client:${thing.name}'] },
  {
    id: 'topics',
    effect: 'allow',
    actions: ['publish', 'subscribe', 'receive'],
    resources: ['topic:things/${thing.name}/#'],
  },
];
const extra = [{ id: 'alarms', effect: 'allow', actions: ['publish'], resources: ['topic:alarms/${thing.name}'] }];

/** A real server whose log reapers follow through a relay, which looks at the sockets of this machine at each claim of `enforced`. */
export async function createReaperStage() {
  const server = await startServer('embedded');
  const stage = await createProxyStage(server);
  const relay = await startTruthRelay(Number(new URL(server.url).port));
  // Chores of a server in a test run when they are told to.
  const beat = setInterval(() => {
    server.services.chores.run('tell-edge-streams-the-head').catch(() => {});
  }, headMs);
  const must = async (answer: Promise<{ status: number; text: string; body: Record<string, unknown> }>) => {
    const { status, text, body } = await answer;
    if (status >= 300) throw new Error(text);
    return body;
  };
  await must(server.owner.post('/v1/policies', { name: 'own', statements: own }));
  await must(server.owner.post('/v1/policies', { name: 'extra', statements: extra }));
  const { token } = await enroll(server, { policies: ['own'] });
  const { token: wider } = await enroll(server, { policies: ['own', 'extra'] });
  const edge = (await must(server.owner.post('/v1/api-keys', { role: 'edge' })))['key'] as string;
  const proxy = (await must(server.owner.post('/v1/api-keys', { role: 'proxy', bearer: true })))['key'] as string;
  stage.file('reaper.key', `${edge}\n`);
  const reapers: Reaper[] = [];
  const clients: MqttClient[] = [];
  const lines: string[] = [];

  const settingsOf = (name: string, brokers: object[], more: object = {}): string => {
    const file = stage.at(`${name}.yaml`);
    const settings = {
      server: `http://127.0.0.1:${relay.port}`,
      keyFile: 'reaper.key',
      name,
      stateDir: `state-${name}`,
      ...more,
      brokers,
    };
    writeFileSync(file, JSON.stringify({ monitor: { port: 0 }, ...settings }, null, 2));
    return file;
  };

  return {
    ...stage,
    server,
    relay,
    token,
    proxy,
    edge,
    lines,
    must,
    settingsOf,

    /** A device that may connect; `wide` ones have the policy `extra` too. */
    async device(name: string, wide = false): Promise<Device> {
      const device = await provision(server, wide ? wider : token, name);
      if (device.answer.status >= 300) throw new Error(device.answer.text);
      return device;
    },

    async startReaper(file: string, variables: Record<string, string> = {}): Promise<Reaper> {
      const say = (level: string) => (fields: object, message: string) =>
        void lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
      const tell = { info: say('info'), warn: say('warn'), error: say('error') };
      const reaper = await openReaper({ config: loadReaperConfig(file), variable: (name) => variables[name], tell });
      reapers.push(reaper);
      return reaper;
    },

    /** What the monitor of a reaper says of its brokers. */
    async brokersOf(reaper: Reaper): Promise<Record<string, string>> {
      const answer = await fetch(`http://127.0.0.1:${reaper.monitorPort!}/readyz`);
      return ((await answer.json()) as { brokers: Record<string, string> }).brokers;
    },

    /** Connects a device by its token. */
    async connect(device: Device, port: number, reconnects = false, more: object = {}): Promise<LiveClient> {
      let times = 0;
      const client = await connectAsync(`mqtt://127.0.0.1:${port}`, {
        username: device.name,
        password: tokenOf(device),
        clientId: device.name,
        clean: true,
        protocolVersion: 4,
        connectTimeout: 60_000,
        ...more,
        reconnectPeriod: reconnects ? 200 : 0,
      });
      times++;
      client.on('error', () => {}).on('connect', () => void times++);
      clients.push(client);
      return { device, client, isIn: () => client.connected, times: () => times };
    },

    /** Who enforces the entry at a position, by name, with the sessions that were closed for it. */
    async enforcedBy(position: number): Promise<Map<string, number>> {
      const { body } = await server.owner.get(`/v1/revocations/${position}`);
      const edges = body.enforcedBy as { name: string; sessionsClosed: number }[];
      return new Map(edges.map(({ name, sessionsClosed }) => [name, sessionsClosed]));
    },

    /** Claims of `enforced` for a position or a later one, made while the broker held one of these sockets; each with those alone. */
    falseClaims: (position: number, sockets: readonly HeldSocket[]): Claim[] =>
      relay
        .claims()
        .filter((claim) => claim.position >= position)
        .map((claim) => ({ ...claim, held: claim.held.filter((socket) => sockets.some(isSame(socket))) }))
        .filter(({ held }) => held.length > 0),

    async stop(): Promise<void> {
      clearInterval(beat);
      clients.forEach((client) => client.end(true));
      await Promise.all(reapers.map((reaper) => reaper.close()));
      await relay.stop();
      await stage.stop();
      await server.stop();
    },
  };
}

/** The broker's end of a client's connection. The number of a client's port alone may be that of a stranger's, too. */
export function brokerSocketOf(client: MqttClient): HeldSocket {
  const { localPort, remotePort } = client.stream as unknown as Socket;
  const socket = { local: remotePort!, remote: localPort! };
  if (!heldSockets().some(isSame(socket))) throw new Error('the kernel does not show what the broker holds');
  return socket;
}

const isSame = (one: HeldSocket) => (other: HeldSocket) => one.local === other.local && one.remote === other.remote;

/** Asks until something holds. What never happens ends with the time of the test, and says what it was. */
export async function eventually<Value>(
  read: () => Promise<Value> | Value,
  holds: (value: Value) => boolean,
  withinMs = 90_000,
): Promise<Value> {
  const until = performance.now() + withinMs;
  for (;;) {
    const value = await read();
    if (holds(value)) return value;
    if (performance.now() > until) throw new Error(`it never happened: ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, lookMs));
  }
}

import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient, type Answer, type Client } from '../../test/support/client.js';
import { createDatabase, startPostgres } from '../../test/support/databases/postgres.js';
import { isListening } from '../../test/support/edge/brokers.js';
import { startEdgeProgram, type EdgeProgram } from '../../test/support/edge/edge-program.js';
import { makeListenerCertificate } from '../../test/support/edge/listener-certificate.js';
import { enroll, pemOf, provision, useKey, type Device } from '../../test/support/fleet.js';
import { freePort } from '../../test/support/ports.js';
import { startProgram } from '../../test/support/program.js';

/** A device with what it comes in by. */
export type Known = Device & { serial: string; pem: string; keyPem: string; token: string };

/** What an edge of the stage is started with. */
export type EdgeSettings = {
  name: string;
  server: string;
  listeners: object[];
  upstream: string;
  gateway?: object;
  nodeArgs?: string[];
  under?: string[];
};

export type BenchStage = Awaited<ReturnType<typeof openStage>>;

const unlimited = {
  THINGWARD_READS_PER_SECOND: '1000000',
  THINGWARD_WRITES_PER_SECOND: '1000000',
  THINGWARD_HEAVY_PER_SECOND: '1000000',
  THINGWARD_ANONYMOUS_PER_SECOND: '1000000',
};

/** The built server on PostgreSQL, a key for edges, and everything that edges and devices need in files. */
export async function openStage() {
  const folder = mkdtempSync(join(tmpdir(), 'thingward-bench-edge-'));
  const at = (name: string): string => join(folder, name);
  const postgres = await startPostgres({ fsync: false });
  const ownerKey = `twk_${randomBytes(32).toString('base64url')}`;
  const settings = {
    DATABASE_URL: await createDatabase(postgres, 'edge'),
    THINGWARD_KEY: randomBytes(32).toString('base64'),
    THINGWARD_OWNER_KEY: ownerKey,
    LOG_LEVEL: 'error',
    ...unlimited,
  };
  const program = await startProgram(settings).catch(async (error: unknown) => {
    await postgres.stop();
    throw error;
  });
  const { url } = program;
  const owner = createClient(url, ownerKey);
  const edges: EdgeProgram[] = [];
  const children: ChildProcess[] = [];
  const server = {
    url,
    owner,
    as: (token: string | undefined): Client => createClient(url, token),
    now: () => new Date(),
  };
  // What was started ends with this process, however it ends.
  const killAll = (): void => {
    for (const { child } of edges) child.kill('SIGKILL');
    for (const child of [...children, program.process]) child.kill('SIGKILL');
  };
  process.once('exit', killAll);
  makeListenerCertificate(at);
  const { body } = await owner.post('/v1/api-keys', { role: 'edge', bearer: true });
  writeFileSync(at('edge.key'), `${body.key as string}\n`);
  let enrollment: string | undefined;

  const tokenOf = async (device: Device): Promise<string> =>
    expectOk(await useKey(server, device)).body.access_token as string;

  return {
    url,
    port: Number(new URL(url).port),
    settings: { ...settings, THINGWARD_PUBLIC_URL: url },
    pid: program.process.pid!,
    owner,
    folder,
    at,
    children,
    tokenOf,

    /** The enrollment that devices are made by from now on. */
    async enroll(request: object): Promise<void> {
      enrollment = (await enroll(server, { maxUses: 1_000_000, ...request })).token;
    },

    /** A new device. */
    async addDevice(name: string, withToken = true): Promise<Known> {
      const device = await provision(server, enrollment!, name);
      if (device.answer.status !== 201) throw new Error(device.answer.text);
      return {
        ...device,
        serial: device.answer.body.certificate.serialNumber as string,
        pem: pemOf(device),
        keyPem: device.key.export({ type: 'pkcs8', format: 'pem' }) as string,
        token: withToken ? await tokenOf(device) : '',
      };
    },

    /** Mosquitto with as many listeners as are asked for. Resolves with their ports. */
    async startBroker(count: number): Promise<number[]> {
      const ports = await freePorts(count);
      const lines = ports.map((port) => `listener ${port} 127.0.0.1\nmax_connections -1\nsocket_domain ipv4`);
      const file = at('mosquitto.conf');
      writeFileSync(
        file,
        `per_listener_settings false\nallow_anonymous true\npersistence false\n${lines.join('\n')}\n`,
      );
      children.push(spawn('mosquitto', ['-c', file], { stdio: 'ignore' }));
      for (const port of ports) while (!(await isListening(port))) await pause(20);
      return ports;
    },

    /** Starts the built edge as a process of its own. Listeners have fixed ports. */
    async startEdge({ name, server: from, listeners, upstream, gateway, ...how }: EdgeSettings) {
      const monitor = { host: '127.0.0.1', port: await freePort() };
      const file = at(`${name}.yaml`);
      const written = {
        server: from,
        keyFile: 'edge.key',
        name,
        stateDir: `state-${name}`,
        monitor,
        upstream: { mqtt: { url: upstream } },
        limits: { connections: 50_000, unauthenticated: 50_000, perAddress: 50_000, connectTimeout: '1m' },
        listeners,
        ...(gateway === undefined ? {} : { gateway }),
      };
      writeFileSync(file, JSON.stringify(written, null, 2));
      const edge = await startEdgeProgram(file, { listeners: listeners.length, ...how });
      edges.push(edge);
      return { ...edge, name, pid: edge.child.pid!, metrics: `http://127.0.0.1:${monitor.port}/metrics` };
    },

    async stop(): Promise<void> {
      // A profile is written at an orderly end alone.
      const how = process.env['EDGE_NODE_ARGS'] === undefined ? 'SIGKILL' : 'SIGTERM';
      for (const edge of edges) await edge.kill(how);
      for (const child of children) child.kill('SIGKILL');
      await program.kill();
      await postgres.stop();
      rmSync(folder, { recursive: true, force: true });
      process.off('exit', killAll);
    },
  };
}

/** @throws Error for what was refused */
export function expectOk(answer: Answer): Answer {
  if (answer.status >= 300) throw new Error(answer.text);
  return answer;
}

/** Free ports, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(await freePort());
  return [...ports];
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Asks until something holds. @throws Error after two minutes */
export async function until(what: string, holds: () => boolean | Promise<boolean>, everyMs = 20): Promise<void> {
  const deadline = performance.now() + 120_000;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`it never happened: ${what}`);
    await pause(everyMs);
  }
}

/** Does something for each of many, so many at a time. */
export async function forEachOf<Item>(
  items: readonly Item[],
  atOnce: number,
  work: (item: Item, index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++;
      await work(items[index]!, index);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

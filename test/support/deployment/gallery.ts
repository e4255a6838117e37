import { randomBytes } from 'node:crypto';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { join, resolve } from 'node:path';
import { createClient } from '../client.js';
import { freshDatabase } from '../databases/databases.js';
import { freePort } from '../ports.js';
import { startProgram } from '../program.js';
import { runShell, userFolder } from '../shell.js';
import { eventually } from '../edge/stage.js';

export type Gallery = Awaited<ReturnType<typeof openGallery>>;

/** The commands of deploy/edge/README.md by their names, in their order. */
export function commandsOf(readme: string): Map<string, string> {
  const blocks = readme.matchAll(/<!-- test: ([\w ]+) -->\n\n```sh\n([^]*?)```/g);
  return new Map([...blocks].map(([, name, code]) => [name!, code!]));
}

const ports = ['8080', '18831', '8020', '8883', '8001', '1883', '9464'] as const;
type Port = (typeof ports)[number];

/** A program that runs. `end` sends a signal to it and to what started it, as a terminal does, and resolves when all of them are gone. */
export type Served = { output(): string; end(): Promise<void> };

/** A real server, and the folder that the README makes in a checkout, with free ports in place of those of deploy/edge. */
export async function openGallery() {
  const ownerKey = `twk_${randomBytes(32).toString('base64url')}`;
  const database = await freshDatabase('embedded');
  const server = await startProgram({ ...database.settings, THINGWARD_OWNER_KEY: ownerKey });
  const free = new Map<Port, string>(
    await Promise.all(ports.map(async (port) => [port, String(await freePort())] as const)),
  );
  free.set('8080', new URL(server.url).port);
  const withPorts = (text: string): string =>
    text.replace(/\b(?:8080|18831|8020|8883|8001|1883|9464)\b/g, (port) => free.get(port as Port)!);

  const checkout = openCheckout(withPorts);
  const commands = commandsOf(withPorts(readFileSync('deploy/edge/README.md', 'utf8')));
  const path = `${join(checkout.path, 'node_modules/.bin')}:${process.env['PATH']}`;
  const env = { PATH: path, THINGWARD_URL: server.url, THINGWARD_OWNER_KEY: ownerKey };
  const children: ChildProcess[] = [];

  // What one block defines, another uses: the README is followed in one shell.
  const functions = commands
    .get('devices')!
    .split('\n')
    .filter((line) => /^\w+\(\)/.test(line));

  /** Follows the README: runs some of its commands in the folder of the deployment. @throws Error with what they said */
  const follow = (names: string[]): Promise<string> => succeed(names.map((name) => commands.get(name)!).join('\n'));
  const succeed = async (script: string): Promise<string> => {
    const lines = ['umask 077', ...functions, script];
    const { code, output } = await runShell(lines.join('\n'), join(checkout.path, 'edge'), env);
    if (code !== 0) throw new Error(`${script}\n${output}`);
    return output;
  };

  /** Runs a command in the folder of the deployment, until its process is ended. */
  const start = (command: string) => {
    const shell = ['--norc', '-euo', 'pipefail', '-c', command];
    const child = spawn('bash', shell, {
      cwd: join(checkout.path, 'edge'),
      env: { HOME: checkout.path, ...env },
      // A group of its own: the shell starts the program as a child of its own.
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    children.push(child);
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (octets: Buffer) => (output += octets.toString()));
    return { child, output: () => output };
  };

  /** Starts a program as the README does, and waits until it listens. @throws Error with what it said when it ends */
  const serve = async (name: string, awaited: Port[]): Promise<Served> => {
    const { child, output } = start(commands.get(name)!);
    const look = async (): Promise<boolean> => {
      if (child.exitCode !== null) throw new Error(`${name}: ${output()}`);
      const opened = await Promise.all(awaited.map((port) => isOpen(Number(free.get(port)))));
      return opened.every(Boolean);
    };
    await eventually(look, (done) => done).catch((error: Error) => {
      throw new Error(`${error.message} ${output()}`);
    });
    return { output, end: () => endGroup(child) };
  };

  const { code, output } = await runShell(commands.get('folder')!, checkout.path);
  if (code !== 0) throw new Error(output);

  return {
    owner: createClient(server.url, ownerKey),
    server,
    commands,
    follow,
    /** Runs a script as the README's. @throws Error with what it said */
    run: succeed,
    start,
    serve,
    portOf: (port: Port): number => Number(free.get(port)),
    at: (name: string): string => join(checkout.path, 'edge', name),
    async stop(): Promise<void> {
      for (const child of children) await endGroup(child);
      await server.kill('SIGTERM');
      database.remove();
      checkout.remove();
    },
  };
}

/** A folder like a checkout, with the files of deploy/edge, the built program and the packages that npm installs. */
function openCheckout(withPorts: (text: string) => string) {
  const checkout = userFolder();
  // Workers of NGINX, and Mosquitto, give up the rights of root.
  chmodSync(checkout.path, 0o755);
  cpSync('deploy/edge', join(checkout.path, 'deploy/edge'), { recursive: true });
  for (const name of readdirSync('deploy/edge'))
    if (/\.(?:conf|yaml|py)$/.test(name))
      writeFileSync(
        join(checkout.path, 'deploy/edge', name),
        withPorts(readFileSync(join('deploy/edge', name), 'utf8')),
      );
  symlinkSync(resolve('node_modules/mqtt'), join(checkout.path, 'node_modules/mqtt'));
  return checkout;
}

/** Puts the Python of this machine, with its libraries, where the README has its virtual environment. */
export function linkPython(gallery: Gallery): void {
  mkdirSync(gallery.at('venv/bin'), { recursive: true });
  writeFileSync(gallery.at('venv/bin/python'), '#!/bin/sh\nexec python3 "$@"\n', { mode: 0o755 });
}

/** Whether a port of this machine accepts connections. */
function isOpen(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  const opened = once(socket, 'connect').then(
    () => true,
    () => false,
  );
  return opened.finally(() => socket.destroy());
}

async function endGroup(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  // Others of the group may live longer than its first process; their output is closed when the last of them ends.
  const ended = once(child, 'close');
  process.kill(-child.pid!, 'SIGTERM');
  await ended;
}

/** Passes connections to a port of this machine on from another address of it, as a network of its own would. */
export async function openDetour(address: string, port: number): Promise<{ port: number; close(): void }> {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect({ port, host: '127.0.0.1', localAddress: address });
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.once('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      server.close();
      sockets.forEach((socket) => socket.destroy());
    },
  };
}

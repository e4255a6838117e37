import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../ports.js';

/** Something that listens on loopback, and how it is stopped. */
export type Listener = { port: number; stop(): Promise<void> };

/** Whether somebody listens on a port of this machine. */
export const isListening = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });

/** A Mosquitto that lets everybody in. Lines are added to its configuration. */
export async function startMosquitto(lines: readonly string[] = []): Promise<Listener> {
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), 'mosquitto-'));
  const file = join(folder, 'mosquitto.conf');
  await writeFile(
    file,
    [`listener ${port} 127.0.0.1`, 'allow_anonymous true', 'persistence false', ...lines].join('\n'),
  );
  const child = spawn('mosquitto', ['-c', file], { stdio: 'ignore' });
  const ended = once(child, 'exit');
  while (!(await isListening(port))) {
    if (child.exitCode !== null) throw new Error('mosquitto did not start');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return {
    port,
    async stop() {
      child.kill('SIGTERM');
      await ended;
      await rm(folder, { recursive: true });
    },
  };
}

/** Listens on loopback. `stop` ends what is connected, too. */
export async function listen(serve: (socket: Socket) => void): Promise<Listener & { server: Server }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    serve(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    server,
    port: (server.address() as AddressInfo).port,
    async stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Stands before a broker and keeps every octet that comes to it, one list for each connection. */
export async function startSpy(brokerPort: number): Promise<Listener & { connections: Buffer[][] }> {
  const connections: Buffer[][] = [];
  const spy = await listen((socket) => {
    const octets: Buffer[] = [];
    connections.push(octets);
    const broker = connect(brokerPort, '127.0.0.1');
    broker.on('error', () => socket.destroy());
    socket.on('data', (bytes: Buffer) => octets.push(bytes));
    socket.pipe(broker);
    broker.pipe(socket);
    socket.once('close', () => broker.destroy());
    broker.once('close', () => socket.destroy());
  });
  return { port: spy.port, stop: spy.stop, connections };
}

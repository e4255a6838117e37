import { createSocket, type Socket } from 'node:dgram';
import { createServer, type Server } from 'node:net';
import { EdgeStartError } from '../start-error.js';

/** An address and a port that the settings name. */
export type Spot = {
  /** Where the settings say so, such as `edge.yaml:6: listeners[0]`. */
  place: string;
  /** What listens there, such as `mqtts`. */
  what: string;
  /** Every address of this machine where it is undefined. */
  host: string | undefined;
  port: number;
  /** A port of UDP. */
  isUdp?: boolean;
};

const backlog = 4096;

/** Listens. Resolves with the port. @throws EdgeStartError that names the place in the settings, and says what to do */
export function listenAt(server: Server, spot: Spot): Promise<number> {
  const { host, port } = spot;
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void =>
      reject(new EdgeStartError(faultOf(spot, error), { cause: error }));
    server.once('error', failed);
    server.listen({ port, backlog, ...(host === undefined ? {} : { host }) }, () => {
      server.off('error', failed).on('error', () => {});
      resolve((server.address() as { port: number }).port);
    });
  });
}

/** Listens by UDP. Resolves with the socket and its port. @throws EdgeStartError as {@link listenAt} */
export function bindAt(spot: Spot): Promise<{ socket: Socket; port: number }> {
  const { host, port } = spot;
  // Without an address, both families.
  const socket = createSocket(host === undefined || host.includes(':') ? { type: 'udp6' } : { type: 'udp4' });
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void => {
      socket.close();
      reject(new EdgeStartError(faultOf(spot, error), { cause: error }));
    };
    socket.once('error', failed);
    socket.bind({ port, ...(host === undefined ? {} : { address: host }) }, () => {
      socket.off('error', failed).on('error', () => {});
      resolve({ socket, port: socket.address().port });
    });
  });
}

/** Why this program cannot listen there now, with the code of the operating system; undefined when it can. */
export async function listeningFault(spot: Spot): Promise<{ code: string | undefined; error: Error } | undefined> {
  const server = createServer((socket) => socket.destroy());
  try {
    if (spot.isUdp) {
      const { socket } = await bindAt(spot);
      await new Promise<void>((resolve) => socket.close(() => resolve()));
      return undefined;
    }
    await listenAt(server, spot);
  } catch (error) {
    const { code } = (error as Error).cause as NodeJS.ErrnoException;
    return { code, error: error as Error };
  }
  await new Promise((resolve) => server.close(resolve));
  return undefined;
}

/** What is wrong with a spot, and what to do, in one sentence. */
function faultOf({ place, what, host, port }: Spot, { code = '', message }: NodeJS.ErrnoException): string {
  const where = `${place}: ${what} cannot listen on ${host ?? 'every address'}, port ${port}`;
  return `${where}, because ${reasons[code] ?? message}`;
}

const noAddress = 'the name in host has no address: write one of the addresses of this machine, or leave host out';
const notHere =
  'this machine does not have the address in host: write one of the addresses of this machine, or leave host out';

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program listens there, perhaps another edge: stop it, or choose another port',
  EACCES: 'this user may not listen there: choose a port of 1024 or above, or allow the program to use lower ones',
  EADDRNOTAVAIL: notHere,
  EAFNOSUPPORT: notHere,
  ENOTFOUND: noAddress,
  EAI_AGAIN: noAddress,
};

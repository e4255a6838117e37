import { connect, type Socket } from 'node:net';
import { listen, type Listener } from './brokers.js';

/** Octets that pass between two sides, until it is cut: then both sides wait, as when a network is parted. */
export type Relay = Listener & {
  cut(): void;
  /** What waits passes again, in order. */
  heal(): void;
};

/** Which way octets go: from those who connect, or to them. */
export type Direction = 'up' | 'down';

/** Stands before a port of this machine. `watch` sees octets before they pass. */
export async function startRelay(
  port: number,
  watch: (octets: Buffer, direction: Direction, connection: object) => void = () => {},
): Promise<Relay> {
  const sockets = new Set<Socket>();
  const waiting: (() => void)[] = [];
  let isCut = false;

  const join = (near: Socket): void => {
    if (near.destroyed) return;
    const far = connect({ port, host: '127.0.0.1', noDelay: true });
    far.on('error', () => near.destroy());
    pass(near, far, 'up', near);
    pass(far, near, 'down', near);
  };

  const pass = (from: Socket, to: Socket, direction: Direction, connection: object): void => {
    sockets.add(from);
    from.on('data', (octets: Buffer) => {
      watch(octets, direction, connection);
      if (!to.write(octets)) from.pause();
    });
    to.on('drain', () => {
      if (!isCut) from.resume();
    });
    from.once('end', () => to.end());
    from.once('close', () => {
      sockets.delete(from);
      whenWhole(() => to.destroy());
    });
    if (isCut) from.pause();
  };

  /** Now, or once it is healed. */
  const whenWhole = (work: () => void): void => {
    if (isCut) waiting.push(work);
    else work();
  };

  const listener = await listen((socket) => {
    socket.setNoDelay(true);
    whenWhole(() => join(socket));
  });
  return {
    port: listener.port,
    async stop() {
      for (const socket of sockets) socket.destroy();
      await listener.stop();
    },
    cut() {
      isCut = true;
      for (const socket of sockets) socket.pause();
    },
    heal() {
      isCut = false;
      for (const socket of sockets) socket.resume();
      for (const work of waiting.splice(0)) work();
    },
  };
}

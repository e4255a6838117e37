import { connect, type Socket } from 'node:net';
import { listen } from '../edge/brokers.js';

/** Stands between an edge and its broker: it can lose what the broker says, break, and let nobody in. */
export async function startCommandRelay(url: string) {
  const { port } = new URL(url);
  const open = new Set<Socket>();
  let isCut = false;
  let isDeaf = false;
  const relay = await listen((socket) => {
    if (isCut) return void socket.destroy();
    const broker = connect(Number(port), '127.0.0.1');
    open.add(socket);
    broker.on('error', () => socket.destroy());
    broker.on('data', (octets: Buffer) => isDeaf || socket.write(octets));
    socket.pipe(broker);
    socket.once('close', () => {
      open.delete(socket);
      broker.destroy();
    });
    broker.once('close', () => socket.destroy());
  });
  return {
    url: `mqtt://127.0.0.1:${relay.port}`,
    /** What the broker says is lost from now on. */
    swallow: () => void (isDeaf = true),
    /** Breaks what stands, and lets nobody in. */
    cut(): void {
      isCut = true;
      for (const socket of open) socket.destroy();
    },
    /** Lets everything pass. */
    mend: () => void (isCut = isDeaf = false),
    stop: relay.stop,
  };
}

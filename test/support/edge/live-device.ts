import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { connect, properties, subscribe } from './packets.js';

/** How a device comes in. */
export type Arrival = {
  port: number;
  clientId: string;
  version: 4 | 5;
  /** An access token. */
  password?: string | undefined;
  /** A client certificate and its key, PEM. */
  tls?: { cert: string; key: string | Buffer } | undefined;
  /** What it subscribes to, if anything. */
  filter?: string | undefined;
  /** The topic of its will. */
  will?: string | undefined;
};

/** A device with a session, on a raw socket. */
export type LiveDevice = {
  clientId: string;
  /** The port that it came to, and that of its own end: the latter may be in use towards other ports too. */
  port: number;
  localPort: number;
  /** When its socket ended, as `performance.now()` has it; undefined while it is live. */
  endedAt(): number | undefined;
  /** The reason code of a DISCONNECT of MQTT 5. */
  reasonCode(): number | undefined;
  /** Resolves when it ended. */
  ended: Promise<void>;
  send(octets: Buffer): void;
  close(): void;
};

/** Connects and subscribes. @throws Error with the code of a CONNACK that refuses */
export async function connectDevice(arrival: Arrival): Promise<LiveDevice> {
  const { port, tls, clientId, version, password = '', filter, will } = arrival;
  const options = { port, host: '127.0.0.1', noDelay: true };
  const socket: Socket = tls ? connectTls({ ...options, ...tls, rejectUnauthorized: false }) : connectTcp(options);
  let endedAt: number | undefined;
  let reasonCode: number | undefined;
  let hear = (_octets: Buffer): void => {};
  let fail = (_error: Error): void => {};
  const ended = new Promise<void>((resolve) => {
    const end = (): void => {
      endedAt ??= performance.now();
      fail(new Error(`${clientId}: the edge closed the connection`));
      resolve();
    };
    socket.once('end', end).once('close', end);
  });
  socket.on('error', () => {});
  socket.on('data', (octets: Buffer) => {
    if (octets[0] === 0xe0) reasonCode = octets[2];
    hear(octets);
  });

  /** The next packet, which comes in one piece: it is a few octets. */
  const answer = (first: number): Promise<Buffer> =>
    new Promise((resolve, reject) => {
      fail = reject;
      hear = (octets) => {
        if (octets[0] === first) resolve(octets);
        else reject(new Error(`${clientId}: an unexpected packet ${octets.toString('hex')}`));
      };
    });

  socket.write(
    connect({ version, clientId, password, keepAlive: 0, ...(will === undefined ? {} : { will: { topic: will } }) }),
  );
  try {
    const connack = await answer(0x20);
    if (connack[3] !== 0) throw new Error(`${clientId}: CONNACK ${connack[3]}`);
    if (filter !== undefined) {
      socket.write(subscribe(1, [[filter, 0]], version === 5 ? properties() : undefined));
      const suback = await answer(0x90);
      if (suback.at(-1)! > 2) throw new Error(`${clientId}: SUBACK ${suback.at(-1)}`);
    }
  } catch (error) {
    socket.destroy();
    throw error;
  }
  fail = () => {};
  hear = () => {};
  return {
    clientId,
    port,
    localPort: socket.localPort!,
    endedAt: () => endedAt,
    reasonCode: () => reasonCode,
    ended,
    send: (octets) => void socket.write(octets),
    close: () => void socket.destroy(),
  };
}

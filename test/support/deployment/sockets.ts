import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { generate } from 'mqtt-packet';
import { WebSocket, type ClientOptions } from 'ws';

type Opening = { headers?: Record<string, string>; origin?: string; localAddress?: string };

/** A WebSocket of MQTT. Rejects with the status of a refusal. */
export function openSocket(port: number, { headers = {}, origin, localAddress }: Opening): Promise<WebSocket> {
  const scheme = localAddress === undefined ? 'wss' : 'ws';
  const options: ClientOptions = {
    headers,
    rejectUnauthorized: false,
    ...(origin && { origin }),
    ...(localAddress && { localAddress }),
  };
  const socket = new WebSocket(`${scheme}://127.0.0.1:${port}/mqtt`, 'mqtt', options);
  return new Promise((resolve, reject) => {
    socket.once('error', reject).once('open', () => resolve(socket));
  });
}

/** The next packet that comes, as long as each is a message of its own. */
export async function nextPacket(socket: WebSocket): Promise<Buffer> {
  const [data] = (await once(socket, 'message')) as [Buffer];
  return data;
}

/** Sends CONNECT of MQTT 5. @throws Error with the reason code of the CONNACK when it is not 0 */
export async function connectAs(socket: WebSocket, thing: string, token: string): Promise<void> {
  const answer = nextPacket(socket);
  socket.send(
    generate({
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: 5,
      clientId: thing,
      clean: true,
      keepalive: 60,
      username: thing,
      password: Buffer.from(token),
    }),
  );
  const code = (await answer)[3]!;
  if (code !== 0) throw new Error(String(code));
}

/** PUBLISH of MQTT 5 with QoS 1 and retain. */
export function publishPacket(topic: string, payload: string): Buffer {
  const flags = { qos: 1, retain: true, dup: false, messageId: 1 } as const;
  return generate({ cmd: 'publish', topic, payload, ...flags }, { protocolVersion: 5 });
}

/** Closes a WebSocket, and waits until it is closed. */
export async function closeSocket(socket: WebSocket): Promise<void> {
  const closed = once(socket, 'close');
  socket.close();
  await closed;
}

/** A connection to a port of this machine from one of its addresses. */
export async function openFrom(address: string, port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', localAddress: address });
  socket.on('error', () => {});
  socket.resume();
  await once(socket, 'connect');
  return socket;
}

/** What a port answers to some octets before it closes the connection. */
export async function answerTo(port: number, octets: string, from: string): Promise<string> {
  const socket = await openFrom(from, port);
  let text = '';
  socket.on('data', (data) => (text += data.toString('latin1')));
  const closed = once(socket, 'close');
  socket.write(octets);
  await closed;
  return text;
}

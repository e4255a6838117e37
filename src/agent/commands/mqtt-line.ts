import type { Duplex } from 'node:stream';
import { createFrames } from '../../edge/mqtt-packets/frames.js';
import { readPacketId } from '../../edge/mqtt-packets/fields.js';
import { firstsOfBroker, packetType } from '../../edge/mqtt-packets/packet-types.js';
import { createPublish, readPublish } from '../../edge/mqtt-packets/publish.js';
import { acknowledgement, packetOf, pingRequest, shortOf } from '../../edge/mqtt-packets/write.js';

/** What a line is opened for. */
export type LineOptions = {
  clientId: string;
  filter: string;
  /** It is subscribed. */
  ready(): void;
  /** A message came. It was acknowledged: it does not come again. */
  message(topic: string, payload: Buffer): void;
};

/** One connection of MQTT 3.1.1 that subscribes to one filter at QoS 1. */
export type Line = {
  /** Publishes at QoS 1. Resolves with whether the other side acknowledged it. */
  publish(topic: string, payload: string): Promise<boolean>;
  /** Resolves with why it is over. */
  over: Promise<Error>;
  close(): void;
};

const version = 4;
const keepAliveSeconds = 30;
const mostOctets = 262_144;
const mostUnanswered = 100;
const subscribeId = 65_535;
const pingMs = keepAliveSeconds * 500;

const textOf = (text: string): Buffer => {
  const octets = Buffer.from(text, 'utf8');
  return Buffer.concat([shortOf(octets.length), octets]);
};

const connectPacket = (clientId: string): Buffer => {
  // A clean session: the broker keeps nothing, so that no command comes a second time.
  const head = Buffer.of(version, 2, 0, keepAliveSeconds);
  return packetOf(packetType.connect, [textOf('MQTT'), head, textOf(clientId)]);
};

const subscribePacket = (filter: string): Buffer =>
  packetOf(packetType.subscribe | 2, [shortOf(subscribeId), textOf(filter), Buffer.of(1)]);

const publishPacket = (id: number, topic: string, payload: string): Buffer =>
  packetOf(packetType.publish | 2, [textOf(topic), shortOf(id), Buffer.from(payload, 'utf8')]);

const refusals: Readonly<Record<number, string>> = {
  1: 'it speaks no MQTT 3.1.1',
  2: 'it refuses the client id',
  3: 'it cannot serve now',
  4: 'it refuses the credentials',
  5: 'it does not let this device in: its certificate or its policies do not allow it',
};

/** Speaks with an edge over a connection that stands, strictly: what is no MQTT, or may not come, ends it. */
export function openLine(socket: Duplex, { clientId, filter, ready, message }: LineOptions): Line {
  const waiting = new Map<number, (arrived: boolean) => void>();
  const publish = createPublish();
  let state: 'connecting' | 'subscribing' | 'ready' = 'connecting';
  let lastId = 0;
  let isPinging = false;
  let why: Error | undefined;

  const end = (error: Error): void => {
    why ??= error;
    socket.destroy();
  };

  const takeConnack = (bytes: Buffer, body: number, total: number): void => {
    if (state !== 'connecting' || total !== body + 2) throw new Error('an unexpected CONNACK');
    const code = bytes[body + 1]!;
    if (code !== 0) throw new Error(refusals[code] ?? `it refuses with ${code}`);
    state = 'subscribing';
    socket.write(subscribePacket(filter));
  };

  const takeSuback = (bytes: Buffer, body: number, total: number): void => {
    if (state !== 'subscribing' || total !== body + 3 || readPacketId(bytes, body, total) !== subscribeId)
      throw new Error('an unexpected SUBACK');
    if (bytes[body + 2]! > 1) throw new Error(`this device may not subscribe to ${filter}`);
    state = 'ready';
    ready();
  };

  const takePublish = (bytes: Buffer, start: number, body: number, total: number): void => {
    readPublish(bytes, start, body, total, false, publish);
    if (publish.qos === 2) throw new Error('a message at QoS 2, which nobody asked for');
    const topic = bytes.toString('utf8', publish.topicStart, publish.topicEnd);
    // Before it is acted upon: rather never than twice.
    if (publish.qos === 1) socket.write(acknowledgement(packetType.puback, publish.id));
    message(topic, Buffer.from(bytes.subarray(publish.payload, total)));
  };

  const settle = (id: number): void => {
    waiting.get(id)?.(true);
    waiting.delete(id);
  };

  const take = (bytes: Buffer, start: number, body: number, total: number): boolean => {
    const type = bytes[start]! & 0xf0;
    if (state === 'connecting' && type !== packetType.connack) throw new Error('something before CONNACK');
    if (type === packetType.connack) takeConnack(bytes, body, total);
    else if (type === packetType.suback) takeSuback(bytes, body, total);
    else if (type === packetType.publish) takePublish(bytes, start, body, total);
    else if (type === packetType.puback) settle(readPacketId(bytes, body, total));
    else if (type === packetType.pingresp) isPinging = false;
    else throw new Error('a packet that may not come');
    return true;
  };

  const frames = createFrames({ firsts: firstsOfBroker(version), most: mostOctets }, { take, rest: () => {} });
  const pings = setInterval(() => {
    if (isPinging || state === 'connecting') return end(new Error('the edge says nothing'));
    isPinging = true;
    socket.write(pingRequest);
  }, pingMs);

  socket.on('data', (octets: Buffer) => {
    if (why) return;
    try {
      frames.push(octets);
    } catch (error) {
      end(error as Error);
    }
  });
  socket.on('error', end);
  const over = new Promise<Error>((resolve) => {
    socket.once('close', () => {
      clearInterval(pings);
      for (const lost of waiting.values()) lost(false);
      waiting.clear();
      resolve(why ?? new Error('the edge closed the connection'));
    });
  });
  socket.write(connectPacket(clientId));

  return {
    over,
    publish(topic, payload) {
      if (why || state !== 'ready' || waiting.size >= mostUnanswered) return Promise.resolve(false);
      do lastId = (lastId % (subscribeId - 1)) + 1;
      while (waiting.has(lastId));
      const id = lastId;
      socket.write(publishPacket(id, topic, payload));
      return new Promise((resolve) => waiting.set(id, resolve));
    },
    close: () => end(new Error('closed')),
  };
}

import type { Duplex } from 'node:stream';
import { readAcknowledgement, type Acknowledgement } from '../../edge/mqtt-packets/acknowledgements.js';
import { createFrames } from '../../edge/mqtt-packets/frames.js';
import { readPacketId } from '../../edge/mqtt-packets/fields.js';
import { firstsOfBroker, packetType } from '../../edge/mqtt-packets/packet-types.js';
import { holder, readProperties } from '../../edge/mqtt-packets/properties.js';
import { createPublish, readPublish } from '../../edge/mqtt-packets/publish.js';
import { acknowledgement, farewell, pingRequest } from '../../edge/mqtt-packets/write.js';
import { readConnack, type Greeting } from './greeting.js';
import { connectPacket, publishPacket, refusalOf, subscribePacket, version, type Outgoing } from './packets.js';

/** What a line is opened for. */
export type LineOptions = {
  clientId: string;
  /** 1 to 65,535: how long either side may say nothing. It asks for a sign of life twice as often. */
  keepAliveSeconds: number;
  /** What it subscribes to, at QoS 1. */
  filter?: string | undefined;
  /** The other side let it in: now it can publish. */
  ready(greeting: Greeting): void;
  /** Whether it may subscribe. If not, it asks again later. */
  subscribed(isAllowed: boolean): void;
  /** A message came. It was acknowledged: it does not come again. */
  message(topic: string, payload: Buffer): void;
};

/** Why a line is over; `code` is what the other side said, with a DISCONNECT of MQTT 5. */
export type Ended = { error: Error; code?: number };

/** One connection of MQTT 5. */
export type Line = {
  /** Resolves with the reason code of the acknowledgement, 0 for QoS 0 once it is written, and undefined when the line is over before. */
  publish(message: Outgoing): Promise<number | undefined>;
  /** Resolves with why it is over. */
  over: Promise<Ended>;
  /** Says goodbye, and why to whoever waits here. */
  close(why?: Error): void;
};

const mostOctets = 262_144;
const subscribeId = 65_535;
const patienceMs = 120_000;
const againMs = 60_000;

/** Speaks with an edge over a connection that stands, strictly: what is no MQTT, or may not come, ends it. */
export function openLine(socket: Duplex, { clientId, keepAliveSeconds, filter, ...heard }: LineOptions): Line {
  type Waiting = { settle(code: number | undefined): void; since: number };
  const waiting = new Map<number, Waiting>();
  const publish = createPublish();
  const acknowledged: Acknowledgement = { id: 0, code: 0 };
  let state: 'connecting' | 'ready' = 'connecting';
  let isSubscribing = false;
  let lastId = 0;
  let isPinging = false;
  let pings: NodeJS.Timeout | undefined;
  let asking: NodeJS.Timeout | undefined;
  let why: Ended | undefined;

  const end = (error: Error, code?: number): void => {
    why ??= { error, ...(code === undefined ? {} : { code }) };
    socket.destroy();
  };

  const subscribe = (): void => {
    isSubscribing = true;
    socket.write(subscribePacket(subscribeId, filter!));
  };

  const takeConnack = (bytes: Buffer, body: number, total: number): void => {
    if (state !== 'connecting') throw new Error('an unexpected CONNACK');
    const greeting = readConnack(bytes, body, total);
    if (greeting.code !== 0) return end(new Error(refusalOf(greeting.code)), greeting.code);
    state = 'ready';
    beat(Math.max(1, greeting.keepAlive ?? keepAliveSeconds) * 500);
    if (filter !== undefined) subscribe();
    heard.ready(greeting);
  };

  const takeSuback = (bytes: Buffer, body: number, total: number): void => {
    if (!isSubscribing || readPacketId(bytes, body, total) !== subscribeId) throw new Error('an unexpected SUBACK');
    const at = readProperties(bytes, body + 2, total, holder.acknowledgement);
    if (total !== at + 1) throw new Error('a SUBACK of another length');
    isSubscribing = false;
    const isAllowed = bytes[at]! <= 1;
    if (!isAllowed) asking = setTimeout(subscribe, againMs);
    heard.subscribed(isAllowed);
  };

  const takePublish = (bytes: Buffer, start: number, body: number, total: number): void => {
    readPublish(bytes, start, body, total, false, publish);
    const payload = readProperties(bytes, publish.properties, total, holder.delivery);
    if (publish.qos === 2) throw new Error('a message at QoS 2, which nobody asked for');
    const topic = bytes.toString('utf8', publish.topicStart, publish.topicEnd);
    // Before it is acted upon: rather never than twice.
    if (publish.qos === 1) socket.write(acknowledgement(packetType.puback, publish.id));
    heard.message(topic, Buffer.from(bytes.subarray(payload, total)));
  };

  const takePuback = (bytes: Buffer, start: number, body: number, total: number): void => {
    readAcknowledgement(bytes, start, body, total, version, acknowledged);
    const { id, code } = acknowledged;
    waiting.get(id)?.settle(code);
    waiting.delete(id);
  };

  const takeDisconnect = (bytes: Buffer, body: number, total: number): void => {
    const code = body < total ? bytes[body]! : 0;
    end(new Error(code === 0 ? 'the edge closed the connection' : refusalOf(code)), code);
  };

  const take = (bytes: Buffer, start: number, body: number, total: number): boolean => {
    const type = bytes[start]! & 0xf0;
    if (state === 'connecting' && type !== packetType.connack) throw new Error('something before CONNACK');
    if (type === packetType.connack) takeConnack(bytes, body, total);
    else if (type === packetType.suback) takeSuback(bytes, body, total);
    else if (type === packetType.publish) takePublish(bytes, start, body, total);
    else if (type === packetType.puback) takePuback(bytes, start, body, total);
    else if (type === packetType.pingresp) isPinging = false;
    else if (type === packetType.disconnect) takeDisconnect(bytes, body, total);
    else throw new Error('a packet that may not come');
    return why === undefined;
  };

  const frames = createFrames({ firsts: firstsOfBroker(version), most: mostOctets }, { take, rest: () => {} });

  const beat = (ms: number): void => {
    clearInterval(pings);
    pings = setInterval(() => {
      const [oldest] = waiting.values();
      if (isPinging || state === 'connecting') return end(new Error('the edge says nothing'));
      if (oldest && performance.now() - oldest.since > patienceMs)
        return end(new Error('the edge does not acknowledge what it is sent'));
      isPinging = true;
      socket.write(pingRequest);
    }, ms);
  };

  socket.on('data', (octets: Buffer) => {
    if (why) return;
    try {
      frames.push(octets);
    } catch (error) {
      end(error as Error);
    }
  });
  socket.on('end', () => end(new Error('the edge closed the connection')));
  socket.on('error', (error) => end(error));
  const over = new Promise<Ended>((resolve) => {
    socket.once('close', () => {
      clearInterval(pings);
      clearTimeout(asking);
      why ??= { error: new Error('the edge closed the connection') };
      for (const { settle } of waiting.values()) settle(undefined);
      waiting.clear();
      resolve(why);
    });
  });
  beat(keepAliveSeconds * 500);
  socket.write(connectPacket(clientId, keepAliveSeconds, mostOctets));

  const nextId = (): number => {
    do lastId = (lastId % (subscribeId - 1)) + 1;
    while (waiting.has(lastId));
    return lastId;
  };

  return {
    over,
    publish(message) {
      if (why || state !== 'ready') return Promise.resolve(undefined);
      if (message.qos === 0)
        return new Promise((resolve) =>
          socket.write(publishPacket(0, message), (error) => resolve(error ? undefined : 0)),
        );
      const id = nextId();
      socket.write(publishPacket(id, message));
      return new Promise((settle) => waiting.set(id, { settle, since: performance.now() }));
    },
    close(error = new Error('closed')) {
      why ??= { error };
      socket.end(farewell(version, false), () => socket.destroy());
    },
  };
}

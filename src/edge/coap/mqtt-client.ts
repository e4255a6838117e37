import { Duplex } from 'node:stream';
import type { Timers } from '../proxy/sessions.js';
import { createFrames } from '../mqtt-packets/frames.js';
import { firstsOfBroker, packetType } from '../mqtt-packets/packet-types.js';
import { reason } from '../mqtt-packets/reason-codes.js';
import { acknowledgement, pingRequest } from '../mqtt-packets/write.js';
import { readAnswered, readConnack, readDelivery, readDisconnect, type Delivery, type Ended } from './mqtt-reads.js';
import { authOf, connectOf, publishOf, subscribeOf, unsubscribeOf, type Publication } from './mqtt-writes.js';

/** What a session of CoAP needs to be a client of MQTT. */
export type MqttClientOptions = {
  clientId: string;
  token: string | undefined;
  timers: Timers;
  /** A message came. With QoS 1 it has an id, and `acknowledge` has to be called. */
  delivered(delivery: Delivery): void;
  /** The session is over; everything that waits has its answer. */
  ended(how: Ended): void;
  /** Resolves when nothing of the device's connection is left. */
  gone(): Promise<void>;
  /** Calls back when the device's connection takes more. */
  whenWritable(run: () => void): void;
};

export type MqttClient = ReturnType<typeof createMqttClient>;

const keepAliveSeconds = 60;
const pingMs = 25_000;
const answerMs = 10_000;
/** Deliveries with QoS 1 that wait for the device. */
const receiveMaximum = 16;
/** The largest message that comes from the broker: 64 KiB, with its topic and its properties. */
const largestDelivery = 65_536 + 8192;
// Octets that wait while the device is held to the rate of its segment.
const mostWaiting = 262_144;
const goodbye = Buffer.of(packetType.disconnect, 0);

/** An edge tells its clients of AUTH too, which brokers do not. */
const firsts = Uint8Array.from(firstsOfBroker(5));
firsts[packetType.auth] = 1;

const away = (text: string): Ended => ({ code: reason.unavailable, text });

/**
 * A device of CoAP as a client of MQTT 5: `stream` is its connection to the edge's own front of MQTT, in memory. So everything that it does
 * is judged, limited, listed and ended where that is done for MQTT.
 */
export function createMqttClient(options: MqttClientOptions) {
  const { timers, token, clientId } = options;
  const pending = new Map<number, (how: Ended | undefined) => void>();
  let reauthenticated: ((how: Ended | undefined) => void)[] = [];
  let queued: Buffer[] = [];
  let isOpen = false;
  let over: Ended | undefined;
  let packetBytes = Infinity;
  let lastId = 0;
  let hasPonged = true;

  const finish = (how: Ended): void => {
    if (over) return;
    over = how;
    timers.clear(pingTimer);
    const waiting = [...pending.values(), ...reauthenticated];
    pending.clear();
    reauthenticated = [];
    queued = [];
    for (const resolve of waiting) resolve(how);
    if (!stream.readableEnded) stream.push(null);
    options.ended(how);
  };

  const stream: Duplex = new Duplex({
    read: () => {},
    write(chunk: Buffer, _encoding, done) {
      frames.push(chunk);
      options.whenWritable(done);
    },
    final(done) {
      finish(away('the session ended'));
      done();
    },
    destroy(error, done) {
      finish(away('the session ended'));
      void options.gone().then(() => done(error));
    },
  });
  stream.on('error', () => {});

  const take = (bytes: Buffer, start: number, body: number, end: number): void => {
    switch (bytes[start]! & 0xf0) {
      case packetType.connack:
        return joined(readConnack(bytes, body, end));
      case packetType.publish:
        return options.delivered(readDelivery(bytes, start, body, end));
      case packetType.puback:
      case packetType.suback:
      case packetType.unsuback:
        return answered(readAnswered(bytes, start, body, end));
      case packetType.auth:
        return reauthenticated.shift()?.(undefined);
      case packetType.pingresp:
        return void (hasPonged = true);
      default:
        return finish(readDisconnect(bytes, body, end));
    }
  };
  const frames = createFrames(
    { firsts, most: largestDelivery },
    {
      take(bytes, start, body, end) {
        if (!over) take(bytes, start, body, end);
        return true;
      },
      rest: () => {},
    },
  );

  const joined = ({ refused, most }: ReturnType<typeof readConnack>): void => {
    if (refused) return finish(refused);
    isOpen = true;
    packetBytes = most;
    const packets = queued;
    queued = [];
    for (const packet of packets) stream.push(packet);
  };

  const answered = ({ id, refused }: ReturnType<typeof readAnswered>): void => {
    const resolve = pending.get(id);
    pending.delete(id);
    resolve?.(refused);
  };

  const send = (packet: Buffer): void => {
    if (over) return;
    if (isOpen) stream.push(packet);
    else queued.push(packet);
  };

  const nextId = (): number => {
    do lastId = (lastId % 65_535) + 1;
    while (pending.has(lastId));
    return lastId;
  };

  /** Resolves with why it was refused, or undefined. */
  const ask = (packetOf: (id: number) => Buffer): Promise<Ended | undefined> =>
    new Promise((resolve) => {
      if (over) return resolve(over);
      const id = nextId();
      const packet = packetOf(id);
      if (packet.length > packetBytes)
        return resolve({ code: reason.tooLarge, text: `a message has at most ${packetBytes} octets` });
      if (stream.readableLength > mostWaiting)
        return resolve({ code: reason.rateTooHigh, text: 'too much waits: send more slowly' });
      const timer = timers.set(() => resolve(away('the broker did not answer in time')), answerMs);
      pending.set(id, (how) => {
        timers.clear(timer);
        resolve(how);
      });
      send(packet);
    });

  const ping = (): void => {
    if (!hasPonged) return finish(away('the broker is silent'));
    // Before it is open, the front itself waits for the broker.
    hasPonged = !isOpen;
    if (isOpen) send(pingRequest);
    pingTimer = timers.set(ping, pingMs);
  };
  let pingTimer = timers.set(ping, pingMs);

  const greeting = { clientId, token, keepAlive: keepAliveSeconds, receiveMaximum, packetBytes: largestDelivery };
  stream.push(connectOf(greeting));

  return {
    /** What the front of MQTT serves. */
    stream,

    /** Publishes with QoS 1. Resolves with why it was refused, or undefined once the broker has it. */
    publish: (publication: Publication) => ask((id) => publishOf(id, publication)),

    /** Subscribes to a topic, or again: what is retained there comes once more. */
    subscribe: (topic: string, qos: 0 | 1) => ask((id) => subscribeOf(id, topic, qos)),

    unsubscribe: (topic: string) => ask((id) => unsubscribeOf(id, topic)),

    /** Shows a newer token of the same thing. With another one, the session ends. */
    reauthenticate(newer: string): Promise<Ended | undefined> {
      return new Promise((resolve) => {
        if (over) return resolve(over);
        reauthenticated.push(resolve);
        send(authOf(newer));
      });
    },

    /** The device has a delivery. */
    acknowledge: (id: number) => send(acknowledgement(packetType.puback, id)),

    /** Why it is over; undefined while it is live. */
    over: () => over,

    /** The device left. */
    close(how: Ended): void {
      if (isOpen && !over) stream.push(goodbye);
      finish(how);
    },
  };
}

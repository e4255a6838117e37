import type { Duplex } from 'node:stream';
import { disconnectWith, farewell, refusal } from '../mqtt-packets/write.js';
import { reason } from '../mqtt-packets/reason-codes.js';
import type { Holding } from './line.js';
import type { MqttSettings, Timers } from './options.js';
import type { EndReason } from './options.js';
import type { Version } from '../mqtt-packets/packet-types.js';

/** How far a connection has come when it ends. */
export type Standing = {
  client: Duplex;
  broker: Duplex | undefined;
  /** Undefined while no CONNECT was read. */
  version: Version | undefined;
  /** The device, once it is let in. */
  holding: Holding | undefined;
  /** True in the middle of a delivery: nothing may come between. */
  isAmid(): boolean;
  /** The broker got the CONNECT. */
  isAnnounced: boolean;
  /** The client has got its CONNACK. */
  isAnswered: boolean;
  /** The largest packet that the client takes. */
  most: number;
  settings: MqttSettings;
  timers: Timers;
};

/** Who ended it: `edge` by decision, and nothing that waits counts any longer; `line`: a side went away, or sent what is no MQTT; `farewell`: a DISCONNECT passed. */
export type Ended = { reason: EndReason; by: 'edge' | 'line' | 'farewell'; purge: boolean | Promise<boolean> };

/** Ends both sides. Resolves when they are destroyed. */
export async function closeBoth(standing: Standing, ended: Ended): Promise<void> {
  await Promise.all([closeClient(standing, ended), closeBroker(standing, ended)]);
}

function closeClient(standing: Standing, ended: Ended): Promise<void> {
  const { client, version, settings, timers } = standing;
  const last = lastWords(standing, ended);
  if (version === undefined || (last === undefined && ended.by === 'edge')) return abandon(client);
  // What a broker sent before it went away still reaches a slow client.
  const ms = ended.reason.code === reason.success ? settings.farewellMs : settings.lingerMs;
  return finish(client, last, ms, timers);
}

/** What tells the client why: a CONNACK, or with MQTT 5 a DISCONNECT. */
function lastWords({ version, isAnswered, isAmid, most }: Standing, { reason: why, by }: Ended): Buffer | undefined {
  const { code, text } = why;
  if (version === undefined || by === 'farewell' || code === reason.success) return undefined;
  if (!isAnswered) return version === 5 || !isMalformed(code) ? refusal(version, code, text, most) : undefined;
  if (version < 5 || isAmid()) return undefined;
  return disconnectWith(code, text, most);
}

/** Faults that CONNACK of MQTT 3 has no code for: the connection is closed without one. */
const isMalformed = (code: number): boolean =>
  code === reason.malformed ||
  code === reason.protocolError ||
  code === reason.topicInvalid ||
  code === reason.tooLarge;

function closeBroker(standing: Standing, ended: Ended): Promise<void> | undefined {
  const { by, purge } = ended;
  const { broker, holding, isAnnounced, settings, timers } = standing;
  if (broker === undefined) return undefined;
  if (holding === undefined || !isAnnounced) return abandon(broker);
  if (by === 'farewell') return finish(broker, undefined, settings.farewellMs, timers);
  if (typeof purge !== 'boolean') return purge.then((known) => closeBroker(standing, { ...ended, purge: known }));
  const { will, version } = holding.greeting;
  // Without DISCONNECT, the broker publishes the will.
  const isSilent = purge || (will !== undefined && !holding.rights.ofWill(will).allowed);
  if (isSilent) return finish(broker, farewell(version, purge), settings.farewellMs, timers);
  return by === 'edge' ? abandon(broker) : finish(broker, undefined, settings.farewellMs, timers);
}

/**
 * Writes the last octets, reads on without looking, and destroys the stream once the other side closed it too or the time is
 * over. Resolves when it is destroyed.
 */
export function finish(stream: Duplex, last: Buffer | undefined, ms: number, timers: Timers): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed) return resolve(abandon(stream));
    const timer = timers.setTimeout(() => stream.destroy(), ms);
    const check = (): void => {
      if (stream.readableEnded && stream.writableFinished) stream.destroy();
    };
    stream.once('close', () => {
      timers.clearTimeout(timer);
      resolve();
    });
    stream.removeAllListeners('data');
    stream.on('data', () => {});
    stream.once('end', check);
    stream.once('finish', check);
    stream.resume();
    if (last === undefined) stream.end();
    else stream.end(last);
  });
}

/** Destroys a stream at once. Resolves when it is. */
export function abandon(stream: Duplex): Promise<void> {
  return new Promise((resolve) => {
    if (stream.closed) return resolve();
    stream.once('close', resolve);
    stream.destroy();
  });
}

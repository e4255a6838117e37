import { connect, type IClientOptions, type MqttClient } from 'mqtt';
import type { Timers } from '../proxy/sessions.js';

/** Where the edge publishes commands, and as whom. */
export type PublisherOptions = {
  url: string;
  clientId: string;
  credentials(): { username: string | undefined; password: string | undefined };
  ca: Buffer | undefined;
  timers: Timers;
  /** The connection stands. */
  opened(): void;
  failed(error: Error): void;
};

/**
 * What became of a message. `nobody`: the broker knows no subscriber of its topic; `refused`: the broker takes it from nobody like this;
 * `unsent`: no octet of it left; `unclear`: the connection broke before the broker answered, so it may have been delivered.
 */
export type Published = 'delivered' | 'nobody' | 'refused' | 'unsent' | 'unclear';

const version5 = 5;
const keepAliveSeconds = 15;
const connectMs = 10_000;
const closeMs = 2000;
const retryMs = { first: 250, most: 5000 };
const noSubscribers = 0x10;
// The edge subscribes to nothing: what a broker sends it is short.
const largestPacket = 65_536;

export type Publisher = ReturnType<typeof createPublisher>;

/** The edge's own connection to the broker. A message that the broker did not acknowledge is never sent again. */
export function createPublisher({ url, clientId, credentials, ca, timers, opened, failed }: PublisherOptions) {
  let client: MqttClient | undefined;
  let timer: unknown;
  let failures = 0;
  let ended = false;
  const waiting = new Set<() => void>();

  const options = (): IClientOptions => {
    const { username, password } = credentials();
    return {
      clientId,
      protocolVersion: version5,
      clean: true,
      // INVARIANT: the client would send again what was not acknowledged. A new one is made for each connection, and knows of nothing.
      reconnectPeriod: 0,
      connectTimeout: connectMs,
      keepalive: keepAliveSeconds,
      properties: { maximumPacketSize: largestPacket },
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
      ...(ca === undefined ? {} : { ca }),
    };
  };

  const open = (): void => {
    timer = undefined;
    const made = connect(url, options());
    client = made;
    made.on('connect', () => {
      failures = 0;
      opened();
    });
    made.on('error', failed);
    made.once('close', () => {
      made.end(true);
      if (client !== made) return;
      client = undefined;
      for (const over of [...waiting]) over();
      if (!ended) timer = timers.set(open, jitter(Math.min(retryMs.first * 2 ** failures++, retryMs.most), clientId));
    });
  };
  open();

  return {
    isOpen: (): boolean => client?.connected === true,

    /** Publishes once, at QoS 1. The broker keeps it for so many seconds at most. */
    publish(topic: string, payload: string, seconds: number): Promise<Published> {
      const present = client;
      if (!present?.connected) return Promise.resolve('unsent');
      return new Promise((resolve) => {
        const over = (became: Published): void => {
          waiting.delete(broken);
          resolve(became);
        };
        const broken = (): void => over('unclear');
        waiting.add(broken);
        const properties = { messageExpiryInterval: Math.max(1, Math.floor(seconds)) };
        present.publish(topic, payload, { qos: 1, properties }, (error, packet) => {
          const code = (packet as { reasonCode?: number } | undefined)?.reasonCode ?? 0;
          if (code === noSubscribers) over('nobody');
          else if (code >= 0x80) over('refused');
          else over(error ? 'unclear' : 'delivered');
        });
      });
    },

    async close(): Promise<void> {
      ended = true;
      timers.clear(timer);
      const present = client;
      if (!present) return;
      await new Promise<void>((resolve) => {
        const given = timers.set(() => {
          present.end(true);
          resolve();
        }, closeMs);
        present.end(false, {}, () => {
          timers.clear(given);
          resolve();
        });
      });
    },
  };
}

/** Edges that lost the same broker do not return at once: up to a half less, by their names. */
function jitter(ms: number, name: string): number {
  let mark = 0;
  for (const letter of name) mark = (mark * 31 + letter.codePointAt(0)!) % 1000;
  return Math.round(ms * (1 - mark / 2000));
}

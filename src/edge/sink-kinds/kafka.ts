import kafkajs, { type Kafka, type Producer, type SASLOptions } from 'kafkajs';
import type { SinkSettings } from '../settings/sink-shapes.js';
import type { Driver, Outcome } from '../sinks/driver.js';
import { readSecret, readTlsFiles } from '../sinks/files.js';
import type { Kept } from '../sinks/message.js';

type Settings = Extract<SinkSettings, { kind: 'kafka' }>;

// It is a module of the older kind, whose names Node does not see.
const { CompressionTypes, KafkaJSProtocolError, logLevel } = kafkajs;

const connectMs = 10_000;
const answerMs = 30_000;
/** What brokers say of the messages alone: larger than they take, or none that they can keep. */
const refusals: ReadonlySet<string> = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE', 'INVALID_RECORD']);

/** Produces to a topic of Kafka, with the thing as key. All in-sync replicas have what counts as delivered. */
export function createKafkaSink(settings: Settings, clientId: string): Driver {
  const { brokers, topic, gzip, mechanism, username } = settings;
  const read = () => ({ tls: readTlsFiles(settings), password: readSecret(settings.passwordFile) });
  let secrets = read();
  let producer: Producer | undefined;

  const clientOf = (): Kafka => {
    const { tls, password } = secrets;
    const sasl =
      username === undefined ? undefined : ({ mechanism, username, password: password ?? '' } as SASLOptions);
    return new kafkajs.Kafka({
      clientId,
      brokers,
      ssl: settings.tls ? tls : false,
      ...(sasl && { sasl }),
      connectionTimeout: connectMs,
      requestTimeout: answerMs,
      retry: { retries: 0 },
      logLevel: logLevel.NOTHING,
    });
  };

  const open = async (): Promise<Producer> => {
    // An idempotent one has to try again by itself; the broker knows by number what it has.
    const retry = { retries: 3 };
    const made = clientOf().producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      retry,
    });
    await made.connect();
    return made;
  };

  /** A producer that failed has lost count of what the brokers know of it. */
  const leave = async (): Promise<void> => {
    const left = producer;
    producer = undefined;
    await left?.disconnect().catch(() => {});
  };

  const send = async (batch: readonly Kept[]): Promise<Outcome> => {
    try {
      producer ??= await open();
      await producer.send({
        topic,
        acks: -1,
        timeout: answerMs,
        compression: gzip ? CompressionTypes.GZIP : CompressionTypes.None,
        messages: batch.map(recordOf),
      });
      return { results: batch.map(() => 'delivered') };
    } catch (error) {
      await leave();
      if (!isRefusal(error)) return { results: [], error: error as Error };
      if (batch.length === 1) return { results: ['refused'], error: error as Error };
      // One of them may be what it refuses.
      const half = Math.ceil(batch.length / 2);
      const first = await send(batch.slice(0, half));
      if (first.results.length < half) return first;
      const second = await send(batch.slice(half));
      return { results: [...first.results, ...second.results], error: second.error ?? first.error ?? (error as Error) };
    }
  };

  return {
    most: { records: 500, bytes: 512 * 1024 },
    deliver: send,
    isConnected: () => producer !== undefined,

    async probe() {
      const admin = clientOf().admin();
      try {
        await admin.connect();
        await admin.fetchTopicMetadata({ topics: [topic] });
      } finally {
        await admin.disconnect().catch(() => {});
      }
      return `the topic ${topic} is there`;
    },

    reload: () => void (secrets = read()),
    close: leave,
  };
}

function recordOf({ id, account, thing, topic, at, payload }: Kept) {
  return { key: thing, value: Buffer.from(payload), timestamp: String(at), headers: { id, account, thing, topic } };
}

function isRefusal(error: unknown): boolean {
  return [error, (error as Error).cause].some(
    (each) => each instanceof KafkaJSProtocolError && refusals.has(each.type),
  );
}

import { connect, type IClientOptions, type MqttClient } from 'mqtt';
import type { SinkSettings } from '../settings/sink-shapes.js';
import type { Driver, Outcome, Result } from '../sinks/driver.js';
import { readSecret, readTlsFiles } from '../sinks/files.js';
import type { Kept } from '../sinks/message.js';

type Settings = Extract<SinkSettings, { kind: 'mqtt' }>;

const connectMs = 10_000;
const answerMs = 30_000;
const keepAliveSeconds = 30;
// AWS IoT Core takes so many at once; a broker that takes fewer says so.
const mostInFlight = 100;
const besides = 64;
const version5 = 5;
// A message that ends a connection as the only one under way, so often in a row, will never be taken.
const mostEnded = 10;
const largestPacket = 65_536;

/** What brokers say of the message alone: not authorized, no valid topic, no valid payload, too large, no retain, no such QoS. */
const refusals: ReadonlySet<number> = new Set([0x87, 0x90, 0x99, 0x95, 0x9a, 0x9b]);

/** Publishes at QoS 1. The broker's acknowledgement is what counts as delivered. */
export function createMqttSink(settings: Settings, defaultClientId: string): Driver {
  const { url, username, protocolVersion, clientId = defaultClientId } = settings;
  const target = new URL(url);
  const read = () => ({ tls: readTlsFiles(settings), password: readSecret(settings.passwordFile) });
  let secrets = read();
  let client: MqttClient | undefined;
  let opening: MqttClient | undefined;
  let most = { records: mostInFlight, octets: Infinity };
  let ended = { id: '', times: 0 };

  const optionsFor = (id: string): IClientOptions => {
    const { tls, password } = secrets;
    return {
      clientId: id,
      protocolVersion,
      clean: true,
      // INVARIANT: the queue alone sends again, or messages would overtake each other.
      reconnectPeriod: 0,
      connectTimeout: connectMs,
      keepalive: keepAliveSeconds,
      ...(protocolVersion === version5 && { properties: { maximumPacketSize: largestPacket } }),
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password }),
      ...tls,
      ...alpnOf(target),
    };
  };

  const open = (id: string): Promise<MqttClient> =>
    new Promise((resolve, reject) => {
      const made = connect(url, optionsFor(id));
      // Each message under way listens for its end.
      made.setMaxListeners(0);
      opening = made;
      let why = new Error('the broker closed the connection');
      made.on('error', (error) => (why = error));
      made.once('connect', ({ properties }) => {
        const { receiveMaximum = 65_535, maximumPacketSize = Infinity } = properties ?? {};
        most = { records: Math.min(mostInFlight, receiveMaximum), octets: maximumPacketSize };
        resolve(made);
      });
      made.once('close', () => {
        if (client === made) client = undefined;
        if (opening === made) opening = undefined;
        made.end(true);
        reject(why);
      });
    });

  const publish = (by: MqttClient, { id, topic, payload }: Kept): Promise<Result> =>
    new Promise((resolve, reject) => {
      const gone = (): void => reject(new Error('the connection to the broker broke'));
      const timer = setTimeout(() => by.stream.destroy(), answerMs);
      by.once('close', gone);
      const properties = { userProperties: { id } };
      by.publish(
        topic,
        Buffer.from(payload),
        { qos: 1, ...(protocolVersion === version5 && { properties }) },
        (error, packet) => {
          clearTimeout(timer);
          by.off('close', gone);
          const code =
            (packet as { reasonCode?: number } | undefined)?.reasonCode ??
            (error as { code?: number } | undefined)?.code ??
            0;
          if (refusals.has(code)) resolve('refused');
          else if (error || code >= 0x80) reject(error ?? new Error(`the broker answered 0x${code.toString(16)}`));
          else resolve('delivered');
        },
      );
    });

  const isTooLarge = ({ payload, topic, id }: Kept): boolean =>
    payload.length + Buffer.byteLength(topic) + Buffer.byteLength(id) + besides > most.octets;

  const outcomeOf = (settled: readonly PromiseSettledResult<Result>[]): Outcome => {
    const failed = settled.findIndex(({ status }) => status === 'rejected');
    const sound = failed === -1 ? settled : settled.slice(0, failed);
    const results = sound.map((each) => (each as PromiseFulfilledResult<Result>).value);
    return failed === -1 ? { results } : { results, error: (settled[failed] as PromiseRejectedResult).reason as Error };
  };

  return {
    most: { records: mostInFlight, bytes: 4 * 1024 * 1024 },

    async deliver(batch) {
      client ??= await open(clientId);
      const present = client;
      // One that may be what ends connections goes alone.
      const isSuspect = ended.times > 0 && ended.id === batch[0]!.id;
      const sent = batch.slice(0, isSuspect ? 1 : most.records);
      const work = sent.map((message) =>
        isTooLarge(message) ? Promise.resolve<Result>('refused') : publish(present, message),
      );
      // What follows a message that the broker cannot take now must not overtake it.
      for (const each of work) each.catch(() => present.stream.destroy());
      const outcome = outcomeOf(await Promise.allSettled(work));
      if (outcome.results.length > 0 || !outcome.error) {
        ended = { id: '', times: 0 };
        return outcome;
      }
      const [{ id }] = batch as [Kept];
      ended = { id, times: ended.id === id ? ended.times + 1 : 1 };
      return ended.times > mostEnded ? { results: ['refused'], error: outcome.error } : outcome;
    },

    isConnected: () => client?.connected === true,

    async probe() {
      const tried = await open(`${clientId}/check`.slice(-256));
      await tried.endAsync();
      return `${url} lets the edge in`;
    },

    reload: () => void (secrets = read()),

    async close() {
      const present = opening;
      client = opening = undefined;
      await present?.endAsync(true);
    },
  };
}

/** AWS IoT Core speaks MQTT on port 443 with those who say so (ALPN). */
function alpnOf({ protocol, hostname, port }: URL): IClientOptions {
  const isAws = /\.amazonaws\.com(?:\.cn)?$/.test(hostname);
  return protocol === 'mqtts:' && port === '443' && isAws ? { ALPNProtocols: ['x-amzn-mqtt-ca'] } : {};
}

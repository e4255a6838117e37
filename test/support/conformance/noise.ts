import mqtt from 'mqtt';
import { octets, packet, properties, publish, short, subscribe } from '../edge/packets.js';
import { secretLevels } from './stage.js';

/** What a run is disturbed by: requests that are denied, and deliveries that the device may not receive. */
export type Noise = {
  /** Sent by a device before its own packets. */
  requests(version: number): Buffer;
  /** What a device answers to a packet of the server that is about such a request. */
  answerTo(text: string): Buffer | undefined;
  /** True for a packet of the server that is about such a request; it is noted. */
  isAbout(text: string): boolean;
  /** What answered such requests, each text once. */
  answers(): string[];
  /** What reached the broker of requests that are denied. */
  heard(): string[];
  /** Publishes, past the edge, what may not be received below a topic. Resolves when the broker has it. */
  deliver(below: string): Promise<void>;
  stop(): Promise<void>;
};

const [first, second, third] = [60_001, 60_002, 60_003];
const about = new RegExp(` (${first}|${second}|${third}) `);

/** Neither allowed nor denied by a statement: an allow of `#` does not reach topics that begin with `$`. */
const forbidden = '$forbidden/x';

/** Noise for the devices of an edge that stands before this broker, and which have the rights {@link exceptSecrets}. Only devices of these versions ask for what is denied: others would be closed. */
export async function startNoise(brokerPort: number, versions: readonly number[]): Promise<Noise> {
  const publisher = await mqtt.connectAsync({
    host: '127.0.0.1',
    port: brokerPort,
    clientId: 'noise',
    protocolVersion: 5,
  });
  const seen = new Set<string>();
  const heard: string[] = [];
  publisher.on('message', (topic, payload) => void heard.push(`${topic} ${payload.toString()}`));
  await publisher.subscribeAsync('$forbidden/#', { qos: 2 });
  let last: Promise<void> = Promise.resolve();

  const publishSecrets = async (below: string): Promise<void> => {
    const topic = `${below}${'/secret'.repeat(secretLevels - 1)}`;
    publisher.publish(topic, 'not for you', { qos: 0 });
    await publisher.publishAsync(topic, 'nor this', { qos: 1, retain: true });
    await publisher.publishAsync(topic, 'least of all this', { qos: 2 });
  };

  return {
    requests(version) {
      if (!versions.includes(version)) return Buffer.alloc(0);
      const block = version === 5 ? { properties: properties() } : {};
      return octets(
        publish(forbidden, { payload: 'zero', ...block }),
        publish(forbidden, { qos: 1, id: first, payload: 'one', ...block }),
        publish(forbidden, { qos: 2, id: second, retain: true, payload: 'two', ...block }),
        // MQTT 3.1 has no answer that refuses a subscription.
        version === 3 ? [] : subscribe(third, [[forbidden, 1]], block.properties),
      );
    },
    answerTo: (text) => (text === `PUBREC ${second} 0x00` ? packet(0x62, short(second)) : undefined),
    isAbout(text) {
      if (!about.test(text)) return false;
      seen.add(text);
      return true;
    },
    answers: () => [...seen].sort(),
    heard: () => heard,
    deliver(below) {
      // One after another: the broker takes only so many at once.
      last = last.then(() => publishSecrets(below));
      return last;
    },
    stop: () => publisher.endAsync(),
  };
}

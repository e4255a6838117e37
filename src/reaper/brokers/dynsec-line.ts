import { connect, type IClientOptions, type MqttClient } from 'mqtt';
import { z } from 'zod';
import { BrokerError, type BrokerParts } from './broker.js';
import { shownOf } from './management.js';

/** A command of the plugin, such as `{ command: 'createClient', username: 'pump-1' }`. */
export type Command = { command: string } & Record<string, unknown>;

/** What the plugin said to one command. `error` is its own word, such as `Client not found`. */
export type Said = z.output<typeof said>;

const said = z.looseObject({
  command: z.string().optional(),
  error: z.string().optional(),
  correlationData: z.string().optional(),
  data: z.unknown().optional(),
});
const answer = z.object({ responses: z.array(said) });

const topic = '$CONTROL/dynamic-security/v1';
const atOnce = 50;
// Packets that come together are counted together.
const headRoom = 65_536;
const levels = { '3.1.1': 4, 5: 5 } as const;

export type DynsecLine = ReturnType<typeof createDynsecLine>;

/** Commands to the plugin over one connection of MQTT, one batch after the other; what it answers is told apart by correlation data. */
export function createDynsecLine({
  url,
  credentials,
  ca,
  limits,
}: Pick<BrokerParts, 'url' | 'credentials' | 'ca' | 'limits'>) {
  let client: MqttClient | undefined;
  let last: Promise<unknown> = Promise.resolve();
  let count = 0;
  let take: ((said: Said[]) => void) | undefined;
  let fail: ((error: Error) => void) | undefined;

  const options: IClientOptions = {
    ...credentials,
    ...(ca === undefined ? {} : { ca }),
    protocolVersion: levels[5],
    clean: true,
    reconnectPeriod: 0,
    connectTimeout: limits.timeout,
    properties: { maximumPacketSize: limits.answerBytes },
  };

  const drop = (error: Error): void => {
    client?.end(true);
    client = undefined;
    fail?.(error);
  };

  const hear = (from: string, payload: Buffer): void => {
    if (from !== `${topic}/response`) return;
    if (payload.length > limits.answerBytes) return drop(new BrokerError('the answer is too long'));
    const read = answer.safeParse(jsonOf(payload.toString()));
    if (!read.success) return drop(new BrokerError(`what it answered cannot be read: ${shownOf(payload.toString())}`));
    take?.(read.data.responses);
  };

  const open = async (signal: AbortSignal): Promise<MqttClient> => {
    if (client?.connected) return client;
    const opened = connect(url, options);
    bound(opened, limits.answerBytes);
    try {
      await new Promise<void>((resolve, reject) => {
        const abort = (): void => reject(new BrokerError('it was given up'));
        const timer = setTimeout(
          () => reject(new BrokerError(`it did not answer within ${limits.timeout} ms`)),
          limits.timeout,
        );
        const over = (run: () => void) => (): void => {
          clearTimeout(timer);
          signal.removeEventListener('abort', abort);
          run();
        };
        signal.addEventListener('abort', over(abort), { once: true });
        opened.once('connect', over(resolve));
        opened.once(
          'close',
          over(() => reject(new BrokerError('it closed the connection'))),
        );
        opened.on('error', (error) => over(() => reject(new BrokerError(error.message)))());
      });
      opened.on('message', hear);
      opened.on('close', () => {
        if (client === opened) drop(new BrokerError('it closed the connection'));
      });
      const [granted] = await opened.subscribeAsync(`${topic}/response`, { qos: 1 });
      if (granted === undefined || granted.qos > 2)
        throw new BrokerError('its user may not use dynamic security: give it the role admin');
    } catch (error) {
      opened.end(true);
      throw error;
    }
    client = opened;
    return opened;
  };

  const batch = async (commands: readonly Command[], signal: AbortSignal): Promise<Said[]> => {
    signal.throwIfAborted();
    const mark = String(++count);
    const sent = await open(signal);
    return new Promise<Said[]>((resolve, reject) => {
      const over = (run: () => void): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', abort);
        [take, fail] = [undefined, undefined];
        run();
      };
      const abort = (): void => over(() => reject(new BrokerError('it was given up')));
      const timer = setTimeout(
        () => drop(new BrokerError(`it did not answer within ${limits.timeout} ms`)),
        limits.timeout,
      );
      signal.addEventListener('abort', abort, { once: true });
      fail = (error) => over(() => reject(error));
      take = (found) => {
        // An answer to somebody else, or to a batch that was given up.
        if (found.length === commands.length && found.every(({ correlationData }) => correlationData === mark))
          over(() => resolve(found));
      };
      const body = JSON.stringify({ commands: commands.map((each) => ({ ...each, correlationData: mark })) });
      sent.publishAsync(topic, body, { qos: 1 }).catch((error: Error) => drop(new BrokerError(error.message)));
    });
  };

  return {
    /** What the plugin says to commands, in their order. @throws BrokerError when it does not answer */
    async tell(commands: readonly Command[], signal: AbortSignal): Promise<Said[]> {
      const found: Said[] = [];
      for (let from = 0; from < commands.length; from += atOnce) {
        const mine = last.then(() => batch(commands.slice(from, from + atOnce), signal));
        last = mine.catch(() => {});
        found.push(...(await mine));
      }
      return found;
    },
    close(): void {
      client?.end(true);
      client = undefined;
    },
  };
}

/** A packet that is longer than it may be is not waited for: MQTT would allow 256 MB. */
function bound(opened: MqttClient, most: number): void {
  let octets = 0;
  opened.on('packetreceive', () => (octets = 0));
  opened.stream.on('data', (chunk: Buffer) => {
    octets += chunk.length;
    if (octets > most + headRoom) opened.stream.destroy();
  });
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

import {
  connect,
  credsAuthenticator,
  headers as newHeaders,
  PermissionViolationError,
  type ConnectionOptions,
  type NatsConnection,
} from '@nats-io/transport-node';
import type { SinkSettings } from '../settings/sink-shapes.js';
import type { Driver, Outcome, Result } from '../sinks/driver.js';
import { readSecret, readTlsFiles } from '../sinks/files.js';
import type { Kept } from '../sinks/message.js';

type Settings = Extract<SinkSettings, { kind: 'nats' }>;

/** What a stream answers to a message. */
type Answer = { error?: { code: number; err_code?: number; description?: string }; seq?: number };

const connectMs = 10_000;
const answerMs = 10_000;
// Of JetStream: larger than the stream takes, and larger than the account may have.
const refusals: ReadonlySet<number | undefined> = new Set([10_054, 10_139]);

/** Publishes to streams of NATS JetStream. The stream's acknowledgement is what counts as delivered. */
export function createNatsSink(settings: Settings, name: string): Driver {
  const { url, subject, username } = settings;
  const isTls = url.startsWith('tls:');
  const read = () => ({
    tls: readTlsFiles(settings),
    password: readSecret(settings.passwordFile),
    token: readSecret(settings.tokenFile),
    credentials: readSecret(settings.credentialsFile),
  });
  let secrets = read();
  let connection: NatsConnection | undefined;

  const optionsOf = (): ConnectionOptions => {
    const { tls, password, token, credentials } = secrets;
    return {
      servers: url.replace(/^tls:/, 'nats:'),
      name,
      // The queue alone sends again, and the messages of a connection that broke are tried at the next one.
      reconnect: false,
      timeout: connectMs,
      ...(isTls && { tls: { ca: tls.ca?.toString(), cert: tls.cert?.toString(), key: tls.key?.toString() } as object }),
      ...(username !== undefined && { user: username }),
      ...(password !== undefined && { pass: password }),
      ...(token !== undefined && { token }),
      ...(credentials !== undefined && { authenticator: credsAuthenticator(Buffer.from(credentials)) }),
    };
  };

  const open = async (): Promise<NatsConnection> => {
    const made = await connect(optionsOf());
    void made.closed().then(() => {
      if (connection === made) connection = undefined;
    });
    return made;
  };

  const publish = async (by: NatsConnection, { id, account, thing, topic, payload, at }: Kept): Promise<Result> => {
    const headers = newHeaders();
    headers.set('Nats-Msg-Id', id);
    headers.set('Thingward-Account', encodeURI(account));
    headers.set('Thingward-Thing', encodeURI(thing));
    headers.set('Thingward-Topic', encodeURI(topic));
    headers.set('Thingward-At', new Date(at).toISOString());
    if (payload.length > by.info!.max_payload - headersOctets(id, account, thing, topic)) return 'refused';
    try {
      const answer = await by.request(subjectOf(subject, topic), payload, { headers, timeout: answerMs });
      const { error, seq } = answer.json<Answer>();
      if (error && refusals.has(error.err_code)) return 'refused';
      if (error) throw new Error(`the stream answered ${error.err_code ?? error.code}: ${error.description ?? ''}`);
      if (typeof seq !== 'number') throw new Error('something else than a stream answered');
      return 'delivered';
    } catch (error) {
      const { cause } = error as Error;
      if ([error, cause].some((each) => each instanceof PermissionViolationError)) return 'refused';
      throw error;
    }
  };

  return {
    most: { records: 256, bytes: 4 * 1024 * 1024 },

    async deliver(batch): Promise<Outcome> {
      connection ??= await open();
      const present = connection;
      const work = batch.map((message) => publish(present, message));
      // What follows a message that the stream cannot take now must not overtake it.
      for (const each of work) each.catch(() => void present.close());
      const settled = await Promise.allSettled(work);
      const failed = settled.findIndex(({ status }) => status === 'rejected');
      const sound = (failed === -1 ? settled : settled.slice(0, failed)) as PromiseFulfilledResult<Result>[];
      const results = sound.map(({ value }) => value);
      return failed === -1
        ? { results }
        : { results, error: (settled[failed] as PromiseRejectedResult).reason as Error };
    },

    isConnected: () => connection !== undefined,

    async probe() {
      const tried = await open();
      await tried.close();
      return `${url} lets the edge in`;
    },

    reload: () => void (secrets = read()),

    async close() {
      await connection?.close();
    },
  };
}

// Names of the headers, and what stands around them.
const headersBesides = 256;

function headersOctets(...values: string[]): number {
  return values.reduce((sum, value) => sum + encodeURI(value).length, headersBesides);
}

/** The subject of a topic: levels become tokens, and what a token cannot have is written as in URLs. */
function subjectOf(prefix: string, topic: string): string {
  const tokens = topic
    .split('/')
    .map((level) => encodeURIComponent(level).replace(/[.*]/g, (letter) => escapes[letter]!) || '%');
  return [prefix, ...tokens].join('.');
}

const escapes: Readonly<Record<string, string>> = { '.': '%2E', '*': '%2A' };

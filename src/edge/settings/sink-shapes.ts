import { z } from 'zod';
import { duration, login, text, unitMs, url } from './members.js';

const queue = {
  maxBytes: z.int().min(65_536).max(1_099_511_627_776).default(268_435_456),
  maxAge: duration(unitMs['m']!, 3650 * unitMs['d']!).default(7 * unitMs['d']!),
  fsync: z.boolean().default(true),
  perSecond: z.int().min(1).max(1_000_000).default(5000),
};
const tls = { caFile: text.optional(), certFile: text.optional(), keyFile: text.optional() };

const mqtt = z.strictObject({
  kind: z.literal('mqtt'),
  url: url(['mqtt', 'mqtts', 'ws', 'wss']),
  protocolVersion: z.union([z.literal(4), z.literal(5)], 'must be 5, or 4 for MQTT 3.1.1').default(5),
  clientId: z.string().min(1).max(256).optional(),
  ...tls,
  ...login,
  ...queue,
});

const https = z.strictObject({
  kind: z.literal('https'),
  url: url(['https', 'http']),
  secretFile: text,
  gzip: z.boolean().default(true),
  ...tls,
  ...queue,
});

const subject = z
  .string()
  .regex(
    /^[A-Za-z0-9_-]{1,64}(?:\.[A-Za-z0-9_-]{1,64}){0,7}$/,
    'must be names with dots between them, such as site.telemetry',
  );

const nats = z.strictObject({
  kind: z.literal('nats'),
  url: url(['nats', 'tls']),
  subject: subject.default('thingward'),
  tokenFile: text.optional(),
  credentialsFile: text.optional(),
  ...tls,
  ...login,
  ...queue,
});

const kafka = z.strictObject({
  kind: z.literal('kafka'),
  brokers: z
    .array(
      z
        .string()
        .regex(
          /^[^\s/@:]{1,253}:\d{1,5}$|^\[[0-9A-Fa-f:.]{2,45}\]:\d{1,5}$/,
          'must be a host and a port, such as kafka-1.example.com:9093',
        ),
    )
    .min(1)
    .max(32),
  topic: z.string().regex(/^[A-Za-z0-9._-]{1,249}$/, 'must be the name of a topic: letters, digits, and . _ -'),
  tls: z.boolean().default(true),
  mechanism: z.enum(['plain', 'scram-sha-256', 'scram-sha-512']).default('scram-sha-512'),
  gzip: z.boolean().default(true),
  ...tls,
  ...login,
  ...queue,
});

/** A sink of `gateway.sinks`. */
export const sink = z.discriminatedUnion('kind', [mqtt, https, nats, kafka], 'must be mqtt, https, nats or kafka');

/** The sinks by their names. */
export const sinks = z
  .record(
    z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, 'must be named by small letters, digits and -, a letter first'),
    sink,
  )
  .refine((given) => Object.keys(given).length <= 16, 'must be 16 at most');

/** The settings of one sink, with their defaults. */
export type SinkSettings = z.output<typeof sink>;

type Login = {
  url?: string | undefined;
  username?: string | undefined;
  passwordFile?: string | undefined;
  caFile?: string | undefined;
};
type Given = {
  gateway?: { sinks?: Record<string, SinkSettings> | undefined; commands?: Login | undefined } | undefined;
  upstream: { mqtt?: (Login & { url: string }) | undefined };
};

/** All sinks of an edge: those of its settings, and `upstream`, which is its broker unless the settings say otherwise. */
export function sinksOf({ gateway, upstream }: Given): Record<string, SinkSettings> {
  const sinksGiven = gateway?.sinks ?? {};
  const broker = upstream.mqtt;
  if (sinksGiven['upstream'] || !broker) return sinksGiven;
  // The edge itself is let in as for commands; a name with variables is that of devices.
  const { url, caFile, ...own } = gateway?.commands ?? {};
  const isOwn = own.username === undefined && broker.username?.includes('${') === false;
  const { username, passwordFile } = isOwn ? broker : own;
  const authorities = caFile ?? (url === undefined ? broker.caFile : undefined);
  const settings = { kind: 'mqtt', url: url ?? broker.url, caFile: authorities, username, passwordFile };
  return { ...sinksGiven, upstream: mqtt.parse(settings) };
}

type Finding = { path: PropertyKey[]; message: string };

/** What is wrong with sinks together, or with what they say of other machines. */
export function sinkFindings(given: Record<string, SinkSettings>, isOwnMachine: (host: string) => boolean): Finding[] {
  return Object.entries(given).flatMap(([name, settings]) => {
    const path = ['gateway', 'sinks', name];
    const found: Finding[] = [];
    const say = (member: string, message: string): void => void found.push({ path: [...path, member], message });
    if ((settings.certFile === undefined) !== (settings.keyFile === undefined))
      say(settings.certFile === undefined ? 'keyFile' : 'certFile', 'needs certFile and keyFile together');
    if ('passwordFile' in settings && settings.passwordFile !== undefined && settings.username === undefined)
      say('passwordFile', 'needs a username');
    if (
      settings.kind === 'https' &&
      new URL(settings.url).protocol === 'http:' &&
      !isOwnMachine(new URL(settings.url).hostname)
    )
      say('url', 'must be https: http is accepted for this machine only');
    return found;
  });
}

const files = ['caFile', 'certFile', 'keyFile', 'passwordFile', 'secretFile', 'tokenFile', 'credentialsFile'] as const;

/** Sinks whose files are named by absolute paths. */
export function withSinkFiles(
  given: Record<string, SinkSettings>,
  at: (path: string) => string,
): Record<string, SinkSettings> {
  return Object.fromEntries(
    Object.entries(given).map(([name, settings]) => {
      const named = settings as Partial<Record<(typeof files)[number], string>>;
      const absolute = files.flatMap((file) => (named[file] === undefined ? [] : [[file, at(named[file])] as const]));
      return [name, { ...settings, ...Object.fromEntries(absolute) }];
    }),
  );
}

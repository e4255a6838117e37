import { z } from 'zod';
import { parseAddress, parseRange } from '../../address.js';
import { sinks } from './sink-shapes.js';
import { duration, host, isBare, isTemplate, login, name, port, text, unitMs, url } from './members.js';

const range = z.string().refine(isRange, 'must be an address or a range such as 10.0.0.0/8');
const ranges = z.array(range).min(1, 'must name at least one address, or be left out').max(100);

const spot = { host: host.optional(), port };
const everyListener = { ...spot, proxyProtocol: ranges.optional() };
const withoutTls = {
  plaintext: z.literal(true).optional(),
  clientCertificates: z
    .literal('none', 'needs TLS: mqtts, wss, https or coaps+tcp. Remove it, or write none')
    .default('none'),
};
const plain = { ...everyListener, ...withoutTls };
// Nothing before a datagram says whose it is.
const datagrams = { ...spot, ...withoutTls };
const secure = {
  ...everyListener,
  certFile: text,
  keyFile: text,
  clientCertificates: z.enum(['required', 'optional', 'none']).default('required'),
};
const path = z
  .string()
  .regex(/^\/[!-"$->@-~]{0,1023}$/, 'must begin with / and have no query')
  .default('/mqtt');
const origin = z
  .string()
  .max(512)
  .refine(isOrigin, 'must be an origin such as https://app.example.com, without a path');
const webSocket = { path, origins: z.array(origin).max(100).optional(), trustedProxies: ranges.optional() };
const web = { trustedProxies: ranges.optional() };

const listener = z.discriminatedUnion(
  'protocol',
  [
    z.strictObject({ protocol: z.literal('mqtt'), ...plain }),
    z.strictObject({ protocol: z.literal('mqtts'), ...secure }),
    z.strictObject({ protocol: z.literal('ws'), ...plain, ...webSocket }),
    z.strictObject({ protocol: z.literal('wss'), ...secure, ...webSocket }),
    z.strictObject({ protocol: z.literal('http'), ...plain, ...web }),
    z.strictObject({ protocol: z.literal('https'), ...secure, ...web }),
    z.strictObject({ protocol: z.literal('coap'), ...datagrams }),
    z.strictObject({ protocol: z.literal('coap+tcp'), ...plain }),
    z.strictObject({ protocol: z.literal('coaps+tcp'), ...secure }),
  ],
  'must be mqtt, mqtts, ws, wss, http, https, coap, coap+tcp or coaps+tcp',
);

const mqttUpstream = z.strictObject({
  url: url(['mqtt', 'mqtts', 'ws', 'wss']),
  username: z
    .string()
    .max(1024)
    .refine(isTemplate, 'knows ${account} and ${thing.name}, and no other variable')
    .optional(),
  passwordFile: text.optional(),
  caFile: text.optional(),
});

const httpUpstream = z.strictObject({
  url: url(['http', 'https']).refine(isBare, 'must have no path'),
  caFile: text.optional(),
});

/** The edge's own connection to the broker, for commands. Without a url, that of `upstream.mqtt`. */
const commands = z.strictObject({
  url: url(['mqtt', 'mqtts', 'ws', 'wss']).optional(),
  ...login,
  caFile: text.optional(),
});

/** Pipelines that run here. Without it, none does. */
const pipelines = z.strictObject({
  maxBytes: z
    .int()
    .min(1024 * 1024)
    .max(1024 ** 4)
    .default(256 * 1024 * 1024),
  fsync: z.boolean().default(true),
});

/** The shape of `edge.yaml`. Every member that is not named here is refused. */
export const edgeFile = z.strictObject({
  server: url(['https', 'http']).refine(isBare, 'must have no path'),
  keyFile: text,
  name,
  stateDir: text,
  listeners: z.array(listener).min(1, 'must have at least one listener').max(64),
  upstream: z.strictObject({ mqtt: mqttUpstream.optional(), http: httpUpstream.optional() }),
  gateway: z
    .strictObject({ commands: commands.optional(), pipelines: pipelines.optional(), sinks: sinks.optional() })
    .optional(),
  deniedPublish: z.enum(['refuse', 'drop', 'disconnect']).default('refuse'),
  offline: z
    .strictObject({
      trustFor: duration(0, 7 * unitMs['d']!).default(15 * unitMs['m']!),
      then: z.enum(['close', 'refuse-new']).default('close'),
    })
    .prefault({}),
  limits: z
    .strictObject({
      connections: z.int().min(1).max(50_000).default(20_000),
      unauthenticated: z.int().min(1).max(50_000).default(2000),
      perAddress: z.int().min(1).max(50_000).default(500),
      connectTimeout: duration(unitMs['s']!, 5 * unitMs['m']!).default(10 * unitMs['s']!),
      packetBytes: z.int().min(1024).max(268_435_455).default(262_144),
      queuedBytesPerConnection: z.int().min(16_384).max(268_435_456).default(1_048_576),
    })
    .prefault({}),
  monitor: z.strictObject({ host: host.default('127.0.0.1'), port: port.default(9464) }).optional(),
  site: z
    .strictObject({
      bandwidth: z.number().positive().max(1e15).optional(),
      cores: z.number().min(0.01).max(65_536).optional(),
      memory: z.int().min(1_048_576).optional(),
    })
    .prefault({}),
});

/** A valid file, with its defaults. */
export type EdgeFile = z.output<typeof edgeFile>;
/** One of the listeners of an edge. */
export type Listener = EdgeFile['listeners'][number];

/** What a listener speaks. */
export type Protocol = Listener['protocol'];

/** The same in the words of policies: `coap` and `coaps` over TCP too. */
export type Spoken = Exclude<Protocol, 'coap+tcp' | 'coaps+tcp'> | 'coaps';

function isRange(given: string): boolean {
  return parseRange(given) !== undefined || parseAddress(given) !== undefined;
}

function isOrigin(given: string): boolean {
  return URL.canParse(given) && new URL(given).origin === given;
}

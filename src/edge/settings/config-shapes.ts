import { z } from 'zod';
import { parseAddress, parseRange } from '../../address.js';

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A duration such as `15m`, read as milliseconds. */
const duration = (least: number, most: number) =>
  z.string('must be a duration such as 10s or 15m').transform((text, context) => {
    const [, amount, unit] = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text) ?? [];
    const ms = Number(amount) * unitMs[unit ?? 'ms']!;
    if (ms >= least && ms <= most) return ms;
    context.addIssue(
      amount === undefined
        ? 'must be a duration such as 10s or 15m: a number with ms, s, m, h or d'
        : `must be between ${least} ms and ${most} ms`,
    );
    return z.NEVER;
  });

const text = z.string().min(1).max(4096);
const port = z.int().min(0).max(65_535);
const host = z.string().min(1).max(255);

const range = z.string().refine(isRange, 'must be an address or a range such as 10.0.0.0/8');
const ranges = z.array(range).min(1, 'must name at least one address, or be left out').max(100);

const everyListener = { host: host.optional(), port, proxyProtocol: ranges.optional() };
const plain = {
  ...everyListener,
  plaintext: z.literal(true).optional(),
  clientCertificates: z.literal('none', 'needs TLS: mqtts, wss or https. Remove it, or write none').default('none'),
};
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
  ],
  'must be mqtt, mqtts, ws, wss, http or https',
);

const url = (schemes: readonly string[]) =>
  z
    .string()
    .max(2048)
    .refine(
      (given) => isUrl(given, schemes),
      `must be a URL with ${schemes.join(', ')} and a host, without credentials`,
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

/** The shape of `edge.yaml`. Every member that is not named here is refused. */
export const edgeFile = z.strictObject({
  server: url(['https', 'http']).refine(isBare, 'must have no path'),
  keyFile: text,
  name: z.string().regex(/^[A-Za-z0-9:._-]{1,128}$/, 'must be 1 to 128 letters, digits, and : . _ -'),
  stateDir: text,
  listeners: z.array(listener).min(1, 'must have at least one listener').max(64),
  upstream: z.strictObject({ mqtt: mqttUpstream.optional(), http: httpUpstream.optional() }),
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
});

/** A valid file, with its defaults. */
export type EdgeFile = z.output<typeof edgeFile>;
/** One of the listeners of an edge. */
export type Listener = EdgeFile['listeners'][number];

/** What a listener speaks. */
export type Protocol = Listener['protocol'];

function isRange(given: string): boolean {
  return parseRange(given) !== undefined || parseAddress(given) !== undefined;
}

function isOrigin(given: string): boolean {
  return URL.canParse(given) && new URL(given).origin === given;
}

function isTemplate(given: string): boolean {
  return !given.replace(/\$\{(?:account|thing\.name)\}/g, '').includes('${');
}

function isUrl(given: string, schemes: readonly string[]): boolean {
  if (!URL.canParse(given)) return false;
  const { protocol, hostname, username, password, hash } = new URL(given);
  return schemes.includes(protocol.slice(0, -1)) && hostname !== '' && username + password + hash === '';
}

function isBare(given: string): boolean {
  if (!URL.canParse(given)) return false;
  const { pathname, search } = new URL(given);
  return (pathname === '/' || pathname === '') && search === '';
}

import { readFileSync, statSync } from 'node:fs';
import { z } from 'zod';
import { parseAddress, parseRange } from './address.js';

const boundedInt = (min: number, max: number) => z.coerce.number().int().min(min).max(max);
const httpUrl = z.url({ protocol: /^https?$/ }).transform(withoutSlashes);
const plainHttpUrl = z.url({ protocol: /^http$/, error: 'must be an http: URL' }).transform(withoutSlashes);
const addresses = z
  .string()
  .transform((text) =>
    text
      .split(',')
      .map((item) => item.trim())
      .filter(Boolean),
  )
  .refine((items) => items.every(isAddressOrRange), 'must be addresses or CIDRs, comma-separated');

/** Every setting of the server: its shape, its default, and what it does. `.env.example` lists the same. */
export const settings = {
  THINGWARD_HOST: z.string().default('127.0.0.1').describe('Address to listen on.'),
  THINGWARD_PORT: boundedInt(1, 65_535).default(8080).describe('Port to listen on.'),
  THINGWARD_PUBLIC_URL: httpUrl
    .optional()
    .describe('How agents reach this server: links in answers, and the issuer of tokens.'),
  THINGWARD_PKI_URL: plainHttpUrl
    .optional()
    .describe('The http: URL written into certificates for lists and OCSP. Required in production.'),
  THINGWARD_DATA_DIR: z.string().default('./data').describe('Folder of the embedded PostgreSQL.'),
  // No URL parser takes every form that PostgreSQL does: a socket's has a user and no host.
  DATABASE_URL: z
    .string()
    .regex(
      /^postgres(ql)?:\/\/\S+$/,
      'must be postgresql://… , or postgresql:///name?host=/var/run/postgresql for a socket',
    )
    .optional()
    .describe('A PostgreSQL to use instead of the embedded one.'),
  DATABASE_POOL_SIZE: boundedInt(1, 200).default(10).describe('Connections to PostgreSQL that one instance opens.'),
  THINGWARD_KEY: z
    .string()
    .optional()
    .describe('32 bytes, base64 or hex, that seal the CA and token keys: openssl rand -base64 32'),
  THINGWARD_OWNER_KEY: z
    .string()
    .regex(/^twk_[\x21-\x7e]{16,200}$/, 'must be twk_ and at least 16 random characters')
    .refine(looksRandom, 'is not random: `echo twk_$(openssl rand -hex 32)` makes one')
    .optional()
    .describe('An owner key to install on the first start; otherwise one is made and printed once.'),
  THINGWARD_CA_KEY_TYPE: z
    .enum(['ec-p256', 'ec-p384', 'ed25519', 'rsa-2048', 'rsa-3072'])
    .default('ec-p256')
    .describe('Key type of certificate authorities made from now on.'),
  THINGWARD_TOKEN_ALGORITHM: z
    .enum(['ES256', 'RS256', 'EdDSA'])
    .default('ES256')
    .describe('Signature of access tokens.'),
  THINGWARD_TOKEN_AUDIENCE: z
    .string()
    .optional()
    .describe('Audience of access tokens; {account} is filled in. Default thingward:{account}'),
  THINGWARD_TLS_CERT_FILE: z
    .string()
    .optional()
    .describe('PEM certificate chain; with the key, the server speaks HTTPS.'),
  THINGWARD_TLS_KEY_FILE: z.string().optional().describe('PEM private key of that certificate.'),
  THINGWARD_TRUSTED_PROXIES: addresses
    .optional()
    .describe('Addresses or CIDRs whose X-Forwarded-For is believed, comma-separated.'),
  THINGWARD_OUTBOUND_ALLOW: addresses
    .optional()
    .describe('Private addresses or CIDRs that URLs of tenants may reach anyway, comma-separated.'),
  THINGWARD_METRICS_TOKEN: z
    .string()
    .regex(/^[\x21-\x7e]{16,200}$/, 'must have 16 to 200 characters without spaces')
    .refine(looksRandom, 'is not random: `openssl rand -hex 32` makes one')
    .optional()
    .describe('Bearer token that opens /metrics to other machines; without it only this machine may read them.'),
  THINGWARD_FAILED_CREDENTIALS_PER_MINUTE: boundedInt(1, 1_000_000)
    .default(600)
    .describe('Wrong credentials that one address may send in a minute before it gets 429.'),
  THINGWARD_READS_PER_SECOND: boundedInt(1, 1_000_000)
    .default(5000)
    .describe('Reads that one account may ask of an instance in a second; a key half of it.'),
  THINGWARD_WRITES_PER_SECOND: boundedInt(1, 1_000_000).default(1000).describe('The same for what changes something.'),
  THINGWARD_HEAVY_PER_SECOND: boundedInt(1, 1_000_000)
    .default(400)
    .describe('The same for what costs much: previews, lint, bulk revocations, accounts, imports and comparisons.'),
  THINGWARD_ANONYMOUS_PER_SECOND: boundedInt(1, 1_000_000)
    .default(5000)
    .describe('Requests without an API key that one address may send to an instance in a second: lists, OCSP, tokens.'),
  THINGWARD_VALIDITY_SECONDS: boundedInt(1, 3600)
    .default(5)
    .describe('How long proxies may keep an answer of authorize, at most.'),
  THINGWARD_FOLLOWER_VALIDITY_SECONDS: boundedInt(1, 3600)
    .default(60)
    .describe('The same for keys made followsFeed, who drop what an entry of the feed names.'),
  THINGWARD_INTROSPECTION_SECONDS: boundedInt(1, 900)
    .default(30)
    .describe('How far away the exp of an introspection is, at most: OAuth clients keep the answer until then.'),
  THINGWARD_TOKEN_CACHE: boundedInt(100, 10_000_000)
    .default(50_000)
    .describe('Verified access tokens to remember, about 1 KB each.'),
  THINGWARD_THING_CACHE: boundedInt(100, 10_000_000)
    .default(50_000)
    .describe('Things asked about by certificate or name to remember, about 1 KB each.'),
  THINGWARD_STREAMS_PER_KEY: boundedInt(1, 100_000)
    .default(200)
    .describe('Streams of the feed that one API key may hold open on an instance.'),
  THINGWARD_STREAMS_PER_ACCOUNT: boundedInt(1, 1_000_000)
    .default(12_000)
    .describe('The same for all keys of an account together.'),
  LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
    .default('info')
    .describe('How much is logged.'),
  NODE_ENV: z.string().optional().describe('With "production", risky defaults are refused.'),
} as const;

/** Settings that may come from a file named by `NAME_FILE`, so that they need not stand in the environment. */
export const secretSettings = [
  'DATABASE_URL',
  'THINGWARD_KEY',
  'THINGWARD_OWNER_KEY',
  'THINGWARD_METRICS_TOKEN',
] as const;

/** The JWS algorithm (RFC 7518 §3.1, RFC 8037) of new token keys. */
export type KeyAlgorithm = z.infer<typeof settings.THINGWARD_TOKEN_ALGORITHM>;

/** What the program runs with: validated once, complete. */
export type Config = {
  host: string;
  port: number;
  publicUrl: string;
  pkiUrl: string;
  dataDir: string;
  databaseUrl: string | undefined;
  databasePoolSize: number;
  key: Buffer | undefined;
  ownerKey: string | undefined;
  caKeyType: z.infer<typeof settings.THINGWARD_CA_KEY_TYPE>;
  tokenAlgorithm: KeyAlgorithm;
  tokenAudience: string;
  tls: { certFile: string; keyFile: string } | undefined;
  trustedProxies: string[];
  /** Private addresses that URLs which tenants give may lead to. */
  outboundAllow: string[];
  metricsToken: string | undefined;
  failedCredentialsPerMinute: number;
  /** Of one account, by what a request costs, and of one address without an API key. */
  requestsPerSecond: { read: number; write: number; heavy: number; anonymous: number };
  validitySeconds: { others: number; followers: number };
  introspectionSeconds: number;
  cacheSize: { tokens: number; things: number };
  streams: { perKey: number; perAccount: number };
  logLevel: z.infer<typeof settings.LOG_LEVEL>;
};

/** A setting is missing or wrong. The message names it and says what to do. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** Reads the settings from an environment. @throws ConfigError */
export function loadConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const result = z.object(settings).safeParse(withFiles(env));
  if (!result.success) {
    const lines = result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new ConfigError(`these settings are wrong:\n  ${lines.join('\n  ')}`);
  }
  const raw = result.data;
  if (!raw.THINGWARD_TLS_CERT_FILE !== !raw.THINGWARD_TLS_KEY_FILE) {
    throw new ConfigError('set both THINGWARD_TLS_CERT_FILE and THINGWARD_TLS_KEY_FILE, or neither');
  }
  if (raw.NODE_ENV === 'production' && !raw.THINGWARD_PKI_URL) {
    throw new ConfigError(
      'production needs THINGWARD_PKI_URL: the http: URL written into certificates, such as http://pki.example.com',
    );
  }
  if (raw.DATABASE_URL && !raw.THINGWARD_KEY) {
    throw new ConfigError(
      'DATABASE_URL needs THINGWARD_KEY, which seals the CA keys: make one with `openssl rand -base64 32` and keep it safe',
    );
  }
  return complete(raw);
}

type Raw = z.infer<z.ZodObject<typeof settings>>;

function complete(raw: Raw): Config {
  const tls = raw.THINGWARD_TLS_CERT_FILE && raw.THINGWARD_TLS_KEY_FILE;
  const authority = `${urlHost(raw.THINGWARD_HOST)}:${raw.THINGWARD_PORT}`;
  const publicUrl = raw.THINGWARD_PUBLIC_URL ?? `${tls ? 'https' : 'http'}://${authority}`;
  return {
    host: raw.THINGWARD_HOST,
    port: raw.THINGWARD_PORT,
    publicUrl,
    pkiUrl: raw.THINGWARD_PKI_URL ?? publicUrl.replace(/^https:/, 'http:'),
    dataDir: raw.THINGWARD_DATA_DIR,
    databaseUrl: raw.DATABASE_URL,
    databasePoolSize: raw.DATABASE_POOL_SIZE,
    key: raw.THINGWARD_KEY === undefined ? undefined : parseSealingKey(raw.THINGWARD_KEY),
    ownerKey: raw.THINGWARD_OWNER_KEY,
    caKeyType: raw.THINGWARD_CA_KEY_TYPE,
    tokenAlgorithm: raw.THINGWARD_TOKEN_ALGORITHM,
    tokenAudience: raw.THINGWARD_TOKEN_AUDIENCE ?? 'thingward:{account}',
    tls: tls ? { certFile: raw.THINGWARD_TLS_CERT_FILE!, keyFile: raw.THINGWARD_TLS_KEY_FILE! } : undefined,
    trustedProxies: raw.THINGWARD_TRUSTED_PROXIES ?? [],
    outboundAllow: raw.THINGWARD_OUTBOUND_ALLOW ?? [],
    metricsToken: raw.THINGWARD_METRICS_TOKEN,
    failedCredentialsPerMinute: raw.THINGWARD_FAILED_CREDENTIALS_PER_MINUTE,
    requestsPerSecond: {
      read: raw.THINGWARD_READS_PER_SECOND,
      write: raw.THINGWARD_WRITES_PER_SECOND,
      heavy: raw.THINGWARD_HEAVY_PER_SECOND,
      anonymous: raw.THINGWARD_ANONYMOUS_PER_SECOND,
    },
    validitySeconds: {
      others: raw.THINGWARD_VALIDITY_SECONDS,
      followers: raw.THINGWARD_FOLLOWER_VALIDITY_SECONDS,
    },
    introspectionSeconds: raw.THINGWARD_INTROSPECTION_SECONDS,
    cacheSize: { tokens: raw.THINGWARD_TOKEN_CACHE, things: raw.THINGWARD_THING_CACHE },
    streams: { perKey: raw.THINGWARD_STREAMS_PER_KEY, perAccount: raw.THINGWARD_STREAMS_PER_ACCOUNT },
    logLevel: raw.LOG_LEVEL,
  };
}

/** 32 bytes from base64, base64url or hex. @throws ConfigError for anything else, and for a key of one repeated byte. */
export function parseSealingKey(text: string): Buffer {
  const trimmed = text.trim();
  const key = /^[0-9a-fA-F]{64}$/.test(trimmed) ? Buffer.from(trimmed, 'hex') : Buffer.from(trimmed, 'base64');
  if (key.length !== 32)
    throw new ConfigError('THINGWARD_KEY must be 32 bytes in base64 or hex: `openssl rand -base64 32`');
  if (new Set(key).size < 8) throw new ConfigError('THINGWARD_KEY is not random: `openssl rand -base64 32`');
  return key;
}

/** A URL without the slashes at its end. */
export function withoutSlashes(url: string): string {
  let end = url.length;
  while (url[end - 1] === '/') end--;
  return url.slice(0, end);
}

/** False for what people type for want of something better: few characters, a short text repeated, runs such as 123456. */
function looksRandom(text: string): boolean {
  const secret = text.replace(/^twk_/, '');
  if (new Set(secret).size < 7) return false;
  const repeats = (period: number) => secret.startsWith(secret.slice(period)) && period * 2 <= secret.length;
  if ([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12].some(repeats)) return false;
  const steps = [...secret].slice(1).map((char, index) => char.charCodeAt(0) - secret.charCodeAt(index));
  return steps.filter((step) => Math.abs(step) <= 1).length * 2 < steps.length;
}

function isAddressOrRange(text: string): boolean {
  return (parseAddress(text) ?? parseRange(text)) !== undefined;
}

function withFiles(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  // An empty variable means "not set": compose files cannot leave one out.
  const filled = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  for (const name of secretSettings) {
    const file = filled[`${name}_FILE`];
    if (file === undefined) continue;
    if (filled[name] !== undefined) throw new ConfigError(`set ${name} or ${name}_FILE, not both`);
    filled[name] = readSecret(name, file);
  }
  return filled;
}

/** A line for each file with a secret that every user of the machine can read, with what to do. */
export function exposedSecrets(env: NodeJS.ProcessEnv = process.env): string[] {
  const names = ['THINGWARD_TLS_KEY_FILE', ...secretSettings.map((name) => `${name}_FILE`)];
  return names.flatMap((name) => {
    const file = env[name];
    if (!file || !isReadableByAll(file)) return [];
    return [`${name} names ${file}, which every user of this machine can read: chmod 600 it, or 640 with a group`];
  });
}

function isReadableByAll(file: string): boolean {
  return ((statSync(file, { throwIfNoEntry: false })?.mode ?? 0) & 0o004) !== 0;
}

function readSecret(name: string, file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new ConfigError(`${name}_FILE names ${file}, which cannot be read: ${(error as Error).message}`);
  }
}

function urlHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}

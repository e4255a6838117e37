import { z } from 'zod';
import { parseAddress, parseRange } from '../address.js';

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
  THINGWARD_PKI_PORT: boundedInt(1, 65_535)
    .optional()
    .describe('Port of a plain HTTP listener beside, for lists, OCSP and the certificates of issuers alone.'),
  THINGWARD_PKI_HOST: z.string().optional().describe('Address of that listener; by default that of the server.'),
  THINGWARD_EST_PORT: boundedInt(1, 65_535)
    .optional()
    .describe('Port of a TLS listener beside, for devices that enroll by EST (RFC 7030).'),
  THINGWARD_EST_HOST: z.string().optional().describe('Address of that listener; by default that of the server.'),
  THINGWARD_EST_CERT_FILE: z
    .string()
    .optional()
    .describe('PEM certificate chain of that listener; by default that of the server.'),
  THINGWARD_EST_KEY_FILE: z.string().optional().describe('PEM private key of that certificate.'),
  THINGWARD_EST_SERVER_KEYS: z
    .enum(['on', 'off'])
    .default('off')
    .describe('Whether EST clients may let the server make their keys (serverkeygen).'),
  THINGWARD_CLIENT_CERT_PROXIES: addresses
    .optional()
    .describe(
      'Addresses or CIDRs whose Client-Cert (RFC 9440) is believed, comma-separated: for EST, and for the certificates of manufacturers.',
    ),
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
  DATABASE_STANDBY: z
    .enum(['optional', 'required'])
    .default('optional')
    .describe(
      'With `required`, the server starts, answers and acknowledges only while PostgreSQL is set to wait for a synchronous standby.',
    ),
  THINGWARD_KEY: z
    .string()
    .optional()
    .describe('32 bytes, base64 or hex, that seal the CA and token keys: openssl rand -base64 32'),
  THINGWARD_KEY_PREVIOUS: z
    .string()
    .optional()
    .describe('Another such key, while THINGWARD_KEY changes: what it sealed is read, and nothing is sealed with it.'),
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
  THINGWARD_TLS_CA_FILE: z
    .string()
    .optional()
    .describe('PEM certificates by which devices believe the TLS of this server: given to them as trust.'),
  THINGWARD_TRUSTED_PROXIES: addresses
    .optional()
    .describe('Addresses or CIDRs whose X-Forwarded-For is believed, comma-separated.'),
  THINGWARD_OUTBOUND_ALLOW: addresses
    .optional()
    .describe('Private addresses or CIDRs that URLs of tenants may reach anyway, comma-separated.'),
  THINGWARD_SMTP_URL: z
    .url({ protocol: /^smtps?$/ })
    .optional()
    .describe('The mail server for alerts and invitations, such as smtps://user:password@mail.example.com.'),
  THINGWARD_SMTP_FROM: z
    .string()
    .regex(
      /^([^<>\r\n]{1,128} )?<?[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,190}>?$/,
      'must be an address, or a name and <address>',
    )
    .optional()
    .describe('Who mails are from: an address, or a name and <address>. Required with THINGWARD_SMTP_URL.'),
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
  OTEL_EXPORTER_OTLP_ENDPOINT: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe('Where traces are sent by OTLP over HTTP, such as http://localhost:4318. Off without it.'),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe('The same with its whole path, for traces alone.'),
  OTEL_TRACES_EXPORTER: z.string().optional().describe('With "none", no traces are sent.'),
  OTEL_SDK_DISABLED: z.string().optional().describe('With "true", no traces are sent.'),
  NODE_ENV: z.string().optional().describe('With "production", risky defaults are refused.'),
} as const;

/** Settings that may come from a file named by `NAME_FILE`, so that they need not stand in the environment. */
export const secretSettings = [
  'DATABASE_URL',
  'THINGWARD_KEY',
  'THINGWARD_KEY_PREVIOUS',
  'THINGWARD_OWNER_KEY',
  'THINGWARD_METRICS_TOKEN',
  'THINGWARD_SMTP_URL',
] as const;

/** The JWS algorithm (RFC 7518 §3.1, RFC 8037) of new token keys. */
export type KeyAlgorithm = z.infer<typeof settings.THINGWARD_TOKEN_ALGORITHM>;

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

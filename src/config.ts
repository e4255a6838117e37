import { readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { z } from 'zod';
import { nearest } from './settings/nearest.js';
import { secretSettings, settings, type KeyAlgorithm } from './settings/settings.js';
import { isTraced } from './settings/traces.js';

/** What the program runs with: validated once, complete. */
export type Config = {
  host: string;
  port: number;
  publicUrl: string;
  pkiUrl: string;
  /** Where lists and OCSP are served without TLS too. */
  pki: { host: string; port: number } | undefined;
  /** Where devices enroll by EST. */
  est:
    | {
        host: string;
        port: number;
        tls: { certFile: string; keyFile: string };
        makesKeys: boolean;
      }
    | undefined;
  /** Whose `Client-Cert` is believed, as ranges of addresses. */
  clientCertProxies: string[];
  dataDir: string;
  databaseUrl: string | undefined;
  databasePoolSize: number;
  /** Whether nothing may be acknowledged that is on one server alone. */
  needsStandby: boolean;
  key: Buffer | undefined;
  /** What it sealed is read too. */
  previousKey: Buffer | undefined;
  ownerKey: string | undefined;
  caKeyType: z.infer<typeof settings.THINGWARD_CA_KEY_TYPE>;
  tokenAlgorithm: KeyAlgorithm;
  tokenAudience: string;
  tls: { certFile: string; keyFile: string } | undefined;
  /** What devices believe the server by; undefined where no setting says it. */
  tlsCaFile: string | undefined;
  trustedProxies: string[];
  /** Private addresses that URLs which tenants give may lead to. */
  outboundAllow: string[];
  /** The mail server of the operator; absent where there is none. */
  smtp: { url: string; from: string } | undefined;
  metricsToken: string | undefined;
  failedCredentialsPerMinute: number;
  /** Of one account, by what a request costs, and of one address without an API key. */
  requestsPerSecond: { read: number; write: number; heavy: number; anonymous: number };
  validitySeconds: { others: number; followers: number };
  introspectionSeconds: number;
  cacheSize: { tokens: number; things: number };
  streams: { perKey: number; perAccount: number };
  logLevel: z.infer<typeof settings.LOG_LEVEL>;
  /** Whether requests are traced; the standard variables of OpenTelemetry say where to. */
  traces: boolean;
};

/** A setting is missing or wrong. The message names it and says what to do. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** Reads the settings from an environment. @throws ConfigError */
export function loadConfig(env: NodeJS.ProcessEnv = process.env): Config {
  if (env['THINGWARD_PORT']?.startsWith('tcp://'))
    throw new ConfigError(
      'THINGWARD_PORT is what Kubernetes sets for a Service named thingward, and no port: set enableServiceLinks: false for the pod, or name the Service otherwise',
    );
  const result = z.object(settings).safeParse(withFiles(env));
  if (!result.success) {
    const lines = result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new ConfigError(`these settings are wrong:\n  ${lines.join('\n  ')}`);
  }
  const raw = result.data;
  if (raw.THINGWARD_PKI_PORT === raw.THINGWARD_PORT)
    throw new ConfigError('THINGWARD_PKI_PORT must be another port than THINGWARD_PORT');
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
  if (!raw.DATABASE_URL && raw.DATABASE_STANDBY === 'required')
    throw new ConfigError('DATABASE_STANDBY=required needs DATABASE_URL: the embedded database has no standby');
  return complete(raw);
}

type Raw = z.infer<z.ZodObject<typeof settings>>;

/** @throws ConfigError */
function estOf(raw: Raw): Config['est'] {
  if (raw.THINGWARD_EST_PORT === undefined) return undefined;
  if ([raw.THINGWARD_PORT, raw.THINGWARD_PKI_PORT].includes(raw.THINGWARD_EST_PORT))
    throw new ConfigError('THINGWARD_EST_PORT must be another port than THINGWARD_PORT and THINGWARD_PKI_PORT');
  const isOwn = raw.THINGWARD_EST_CERT_FILE !== undefined || raw.THINGWARD_EST_KEY_FILE !== undefined;
  const certFile = isOwn ? raw.THINGWARD_EST_CERT_FILE : raw.THINGWARD_TLS_CERT_FILE;
  const keyFile = isOwn ? raw.THINGWARD_EST_KEY_FILE : raw.THINGWARD_TLS_KEY_FILE;
  if (!certFile || !keyFile)
    throw new ConfigError(
      'THINGWARD_EST_PORT needs TLS: set THINGWARD_EST_CERT_FILE and THINGWARD_EST_KEY_FILE, or those of the server',
    );
  return {
    host: raw.THINGWARD_EST_HOST ?? raw.THINGWARD_HOST,
    port: raw.THINGWARD_EST_PORT,
    tls: { certFile, keyFile },
    makesKeys: raw.THINGWARD_EST_SERVER_KEYS === 'on',
  };
}

const rangeOf = (text: string): string => (text.includes('/') ? text : `${text}${text.includes(':') ? '/128' : '/32'}`);

function complete(raw: Raw): Config {
  const tls = raw.THINGWARD_TLS_CERT_FILE && raw.THINGWARD_TLS_KEY_FILE;
  const authority = `${urlHost(raw.THINGWARD_HOST)}:${raw.THINGWARD_PORT}`;
  const publicUrl = raw.THINGWARD_PUBLIC_URL ?? `${tls ? 'https' : 'http'}://${authority}`;
  return {
    host: raw.THINGWARD_HOST,
    port: raw.THINGWARD_PORT,
    publicUrl,
    pkiUrl: raw.THINGWARD_PKI_URL ?? pkiUrlBeside(publicUrl, raw.THINGWARD_PKI_PORT),
    pki:
      raw.THINGWARD_PKI_PORT === undefined
        ? undefined
        : { host: raw.THINGWARD_PKI_HOST ?? raw.THINGWARD_HOST, port: raw.THINGWARD_PKI_PORT },
    est: estOf(raw),
    clientCertProxies: (raw.THINGWARD_CLIENT_CERT_PROXIES ?? []).map(rangeOf),
    dataDir: raw.THINGWARD_DATA_DIR,
    databaseUrl: raw.DATABASE_URL,
    databasePoolSize: raw.DATABASE_POOL_SIZE,
    needsStandby: raw.DATABASE_STANDBY === 'required',
    key: raw.THINGWARD_KEY === undefined ? undefined : parseSealingKey(raw.THINGWARD_KEY),
    previousKey:
      raw.THINGWARD_KEY_PREVIOUS === undefined
        ? undefined
        : parseSealingKey(raw.THINGWARD_KEY_PREVIOUS, 'THINGWARD_KEY_PREVIOUS'),
    ownerKey: raw.THINGWARD_OWNER_KEY,
    caKeyType: raw.THINGWARD_CA_KEY_TYPE,
    tokenAlgorithm: raw.THINGWARD_TOKEN_ALGORITHM,
    tokenAudience: raw.THINGWARD_TOKEN_AUDIENCE ?? 'thingward:{account}',
    tls: tls ? { certFile: raw.THINGWARD_TLS_CERT_FILE!, keyFile: raw.THINGWARD_TLS_KEY_FILE! } : undefined,
    tlsCaFile: raw.THINGWARD_TLS_CA_FILE,
    trustedProxies: raw.THINGWARD_TRUSTED_PROXIES ?? [],
    outboundAllow: raw.THINGWARD_OUTBOUND_ALLOW ?? [],
    smtp: smtpOf(raw),
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
    traces: isTraced(raw),
  };
}

function smtpOf({ THINGWARD_SMTP_URL: url, THINGWARD_SMTP_FROM: from }: Raw): Config['smtp'] {
  if (url !== undefined && from !== undefined) return { url, from };
  if (url === undefined && from === undefined) return undefined;
  throw new ConfigError('set THINGWARD_SMTP_URL and THINGWARD_SMTP_FROM, or neither');
}

/** Where lists are when no setting says it: on their own port, or on that of everything. */
function pkiUrlBeside(publicUrl: string, port: number | undefined): string {
  const url = new URL(publicUrl.replace(/^https:/, 'http:'));
  if (port !== undefined) return `http://${url.hostname}:${port}`;
  return publicUrl.replace(/^https:/, 'http:');
}

/** 32 bytes from base64, base64url or hex. @throws ConfigError for anything else, and for a key of one repeated byte. */
export function parseSealingKey(text: string, name = 'THINGWARD_KEY'): Buffer {
  const trimmed = text.trim();
  const key = /^[0-9a-fA-F]{64}$/.test(trimmed) ? Buffer.from(trimmed, 'hex') : Buffer.from(trimmed, 'base64');
  if (key.length !== 32)
    throw new ConfigError(`${name} must be 32 bytes in base64 or hex: \`openssl rand -base64 32\``);
  if (new Set(key).size < 8) throw new ConfigError(`${name} is not random: \`openssl rand -base64 32\``);
  return key;
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

/** What the operator's command line reads from an environment: see docs/cli.md. */
export type OperatorSettings = {
  url: string | undefined;
  apiKey: string | undefined;
  /** Where contexts are stored. */
  folder: string;
  colours: boolean;
};

/** Reads what the operator's command line is told by an environment. An empty variable counts as not set. */
export function operatorSettings(env: NodeJS.ProcessEnv = process.env): OperatorSettings {
  const { XDG_CONFIG_HOME, NO_COLOR, TERM, THINGWARD_URL, THINGWARD_API_KEY } = env;
  // The XDG Base Directory Specification: a relative path is ignored.
  const home = XDG_CONFIG_HOME && isAbsolute(XDG_CONFIG_HOME) ? XDG_CONFIG_HOME : join(homedir(), '.config');
  return {
    url: THINGWARD_URL || undefined,
    apiKey: THINGWARD_API_KEY || undefined,
    folder: join(home, 'thingward'),
    colours: !NO_COLOR && TERM !== 'dumb',
  };
}

/** What the operator's command line reads from an environment, and what for. */
export const operatorVariables = {
  THINGWARD_URL: 'The server, such as https://things.example.com. Examples in the papers use it too.',
  THINGWARD_API_KEY: 'The API key, twk_… (never `THINGWARD_KEY`, which seals the keys of the server).',
  XDG_CONFIG_HOME: 'Contexts are in the folder `thingward` of it; by default of `~/.config`.',
  NO_COLOR: 'Set to anything: no colours.',
  TERM: 'With `dumb`, no colours.',
} as const;
// What Kubernetes sets for a Service named thingward.
const ofService = /^THINGWARD_(SERVICE_(HOST|PORT)|PORT_\d+_(TCP|UDP))/;

/** A line for each variable that is named like a setting and is none, with the nearest setting. */
export function unknownSettings(env: NodeJS.ProcessEnv = process.env): string[] {
  const known = [
    ...Object.keys(settings),
    ...secretSettings.map((name) => `${name}_FILE`),
    ...Object.keys(operatorVariables),
  ];
  return Object.keys(env)
    .filter((name) => name.startsWith('THINGWARD_') && !known.includes(name) && !ofService.test(name))
    .map((name) => `${name} is no setting and changes nothing: did you mean ${nearest(name, known)}?`);
}

/** A variable of the environment that settings of a program elsewhere name; undefined where there is none. */
export function variableOf(name: string, env: NodeJS.ProcessEnv = process.env): string | undefined {
  return env[name];
}

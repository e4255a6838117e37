import { X509Certificate } from 'node:crypto';
import { accessSync, constants, existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { tryCommands } from '../commands/open.js';
import { trySink } from '../sinks/open.js';
import { isCoap, isOwnMachine, isSecure, isWeb, readTextFile, type EdgeConfig } from '../settings/config.js';
import { loadEdgeConfig } from '../settings/config-file.js';
import type { Listener } from '../settings/config-shapes.js';
import type { SinkSettings } from '../settings/sink-shapes.js';
import { listeningFault, type Spot } from '../settings/listening.js';
import { EdgeStartError } from '../start-error.js';
import { isLocked } from '../state/lock.js';
import { readKeyPair } from './tls-identity.js';
import { createHttpUpstream, createMqttUpstream } from './upstream.js';
import { spotsOf } from './usable.js';

/** Where a check says what it found. */
export type Say = {
  /** Something was tried. */
  step(holds: boolean, what: string): void;
  /** Something that is so. */
  line(text: string): void;
};

/** Tries something, and says how that went. */
export type Attempt = (what: string, work: () => Promise<string> | string) => Promise<void>;

type Deps = { say: Say; fetch: typeof fetch; machineNow(): number };

const timeoutMs = 10_000;

/**
 * Tries everything that an edge needs to run, and says in words whom it will let in. Resolves with the number of things
 * that are wrong. @throws EdgeConfigError for a file that is not valid
 */
export async function checkEdge(file: string, { say, fetch: send, machineNow }: Deps): Promise<number> {
  const config = loadEdgeConfig(file);
  const { attempt, wrong } = createAttempts(say);
  say.step(true, `${file} is valid`);
  for (const listener of config.listeners)
    if (isSecure(listener)) await attempt(placeOf(listener), () => certificateOf(listener, machineNow()));
  await attempt(config.stateDir, () => requireWritable(config.stateDir));
  const runs = await isRunning(config);
  if (runs) say.line('an edge with this stateDir runs now');
  for (const spot of spotsOf(config)) await tryPort(spot, runs, say, attempt);
  await attempt(config.server, () => askServer(config, send, machineNow()));
  const { mqtt, http } = config.upstream;
  if (mqtt) await attempt(mqtt.url, () => tryBroker(mqtt));
  if (config.gateway?.commands) await attempt('gateway.commands', () => tryCommands(config));
  for (const [name, sink] of Object.entries(config.gateway?.sinks ?? {}))
    await attempt(`gateway.sinks.${name}`, () => trySink(sink, config.name, name));
  if (http) await attempt(http.url, () => tryService(http));
  describe(config).forEach(say.line);
  return wrong();
}

/** Tries things one after the other, and counts those that are wrong. */
export function createAttempts(say: Say): { attempt: Attempt; wrong(): number } {
  let wrong = 0;
  return {
    wrong: () => wrong,
    async attempt(what, work) {
      try {
        say.step(true, `${what}: ${await work()}`);
      } catch (error) {
        wrong++;
        say.step(false, `${what}: ${reasonOf(error)}`);
      }
    },
  };
}

function reasonOf(error: unknown): string {
  const { message, cause, errors } = error as Error & { errors?: Error[] };
  if (error instanceof EdgeStartError) return message;
  const inner = (cause as Error | undefined)?.message ?? errors?.[0]?.message;
  return [message, inner].filter((text) => text !== undefined && text !== '').join(': ') || 'it failed';
}

/** Says nothing of a port that is free. One that is taken may be this edge's own while it runs. */
async function tryPort(spot: Spot, isOptional: boolean, say: Say, attempt: Attempt): Promise<void> {
  const fault = await listeningFault(spot);
  if (!fault) return;
  const where = `${spot.what} on ${spot.host ?? 'every address'}, port ${spot.port}`;
  if (isOptional && fault.code === 'EADDRINUSE') return say.line(`${where}: taken, perhaps by the edge that runs now.`);
  await attempt(where, () => {
    throw fault.error;
  });
}

/** Whether an edge with this state runs; true where that cannot be found out. */
export async function isRunning({ stateDir }: Pick<EdgeConfig, 'stateDir'>): Promise<boolean> {
  return existsSync(stateDir) && (await isLocked(stateDir).catch(() => true));
}

function placeOf({ protocol, host, port }: Listener): string {
  return `${protocol} on ${host ?? 'every address'}, port ${port}`;
}

function certificateOf(listener: Extract<Listener, { certFile: string }>, now: number): string {
  const { cert } = readKeyPair(listener);
  const { validTo } = new X509Certificate(cert as string);
  if (Date.parse(validTo) <= now) throw new Error(`the certificate ${listener.certFile} expired on ${validTo}`);
  return `the certificate and its key can be used until ${validTo}`;
}

/** Whether a folder can be written, or made. @throws Error */
export function requireWritable(folder: string): string {
  let there = folder;
  while (!existsSync(there) && dirname(there) !== there) there = dirname(there);
  accessSync(there, constants.W_OK);
  return there === folder ? 'state can be written' : 'state can be written; the folder will be made';
}

type Snapshot = {
  account: { name: string; status: string };
  serverTime: string;
  promises?: { bearer: boolean };
};

/** Asks the server as an edge does. @throws Error when it does not answer, or refuses the key */
export async function askServer(
  {
    server,
    keyFile,
    listeners,
  }: Pick<EdgeConfig, 'server' | 'keyFile'> & { listeners: Pick<Listener, 'clientCertificates'>[] },
  send: typeof fetch,
  now: number,
): Promise<string> {
  const key = readTextFile(keyFile, 'the API key').trim();
  const response = await send(`${server.replace(/\/$/, '')}/v1/edge/snapshot`, {
    headers: { authorization: `Bearer ${key}` },
    signal: AbortSignal.timeout(timeoutMs),
  });
  if (!response.ok) {
    const problem = (await response.json().catch(() => ({}))) as { detail?: string };
    const next = response.status === 401 || response.status === 403 ? '; make a key with the role edge' : '';
    throw new Error(`it answered ${response.status}: ${problem.detail ?? 'no detail'}${next}`);
  }
  const { account, serverTime, promises } = (await response.json()) as Snapshot;
  if (account.status !== 'active') throw new Error(`the account ${account.name} is ${account.status}`);
  const seconds = Math.round((now - Date.parse(serverTime)) / 1000);
  const isShut =
    promises?.bearer === false && listeners.some(({ clientCertificates }) => clientCertificates === 'none');
  const hint = isShut ? '; the API key has no bearer, so listeners without client certificates let in nobody' : '';
  return `it answers for the account ${account.name}; the clock of this machine differs by ${seconds} s${hint}`;
}

async function tryBroker(settings: NonNullable<EdgeConfig['upstream']['mqtt']>): Promise<string> {
  const stream = await createMqttUpstream(settings).dial();
  stream.on('error', () => {});
  stream.destroy();
  return 'the broker accepts connections';
}

async function tryService(settings: NonNullable<EdgeConfig['upstream']['http']>): Promise<string> {
  const upstream = createHttpUpstream(settings);
  try {
    const status = await new Promise<number>((resolve, reject) => {
      const request = upstream.request('HEAD', '/', ['host', upstream.host], true);
      request.setTimeout(timeoutMs, () => request.destroy(new Error('it does not answer in time')));
      request.once('error', reject).once('response', (answer) => {
        answer.resume();
        resolve(answer.statusCode ?? 0);
      });
      request.end();
    });
    return `the service answers (HEAD / is ${status})`;
  } finally {
    upstream.close();
  }
}

/** What the settings let in, one sentence for each listener and setting. */
export function describe({ listeners, upstream, gateway, offline, deniedPublish, limits, name }: EdgeConfig): string[] {
  const minutes = Math.round(offline.trustFor / 6000) / 10;
  const targets = Object.values(gateway?.sinks ?? {}).flatMap(targetsOf);
  const urls = [upstream.mqtt?.url, upstream.http?.url, ...targets].flatMap((url) => url ?? []);
  const open = [...new Set(urls)].filter(isClear);
  return [
    ...listeners.map((listener) => `${placeOf(listener)}: ${whoComesIn(listener)}.`),
    ...open.map((url) => `${url} is another machine, and what the edge sends there is not encrypted.`),
    `Without the control plane, ${name} decides for ${minutes} minutes more by what it knows, and then ${offline.then === 'close' ? 'ends live sessions and refuses new ones' : 'refuses new sessions; live ones stay'}.`,
    ...(upstream.mqtt ? [`A denied publish is ${deniedWords[deniedPublish]}.`] : []),
    ...pipelineWords(gateway?.pipelines),
    `At most ${limits.connections} connections, ${limits.perAddress} from one address, and ${limits.unauthenticated} that did not show yet who they are.`,
  ];
}

function pipelineWords(settings: NonNullable<EdgeConfig['gateway']>['pipelines']): string[] {
  if (!settings) return [];
  const { maxBytes, fsync } = settings;
  const when = fsync ? 'is on the disk before it is acknowledged' : 'may be lost when the power fails';
  return [`Active pipelines run here: what they take is kept in a journal of at most ${maxBytes} octets, and ${when}.`];
}

const deniedWords = {
  refuse: 'refused with 0x87 in MQTT 5 (QoS 0: dropped), and closes the connection in MQTT 3',
  drop: 'acknowledged and dropped',
  disconnect: 'answered with the end of the connection',
} as const;

/** Where a sink is; brokers of Kafka as URLs. */
function targetsOf(sink: SinkSettings): string[] {
  return sink.kind === 'kafka' ? sink.brokers.map((each) => `${sink.tls ? 'kafkas' : 'kafka'}://${each}`) : [sink.url];
}

function isClear(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return ['mqtt:', 'ws:', 'http:', 'nats:', 'kafka:'].includes(protocol) && !isOwnMachine(hostname);
}

function whoComesIn(listener: Listener): string {
  const words: string[] = [identityWords[listener.clientCertificates]];
  if (!isSecure(listener)) words.push('nothing is encrypted');
  if ('proxyProtocol' in listener && listener.proxyProtocol)
    words.push(`the PROXY header of ${listener.proxyProtocol.join(', ')} names the address`);
  if ('trustedProxies' in listener && listener.trustedProxies)
    words.push(`X-Forwarded-For of ${listener.trustedProxies.join(', ')} names the address`);
  if ('path' in listener) words.push(`WebSockets at ${listener.path}`, originWords(listener));
  if (isWeb(listener) || isCoap(listener)) words.push('every request is judged');
  return words.join('; ');
}

const identityWords = {
  required: 'devices with a valid client certificate of the account, with or without an access token',
  optional:
    'devices with a valid client certificate of the account; a token counts only with the certificate that it is bound to',
  none: 'devices with an access token, if the API key of this edge has the flag bearer; no certificate is asked for',
} as const;

function originWords({ origins, clientCertificates }: Extract<Listener, { path: string }>): string {
  if (origins) return `web pages of ${origins.join(', ') || 'no origin'}`;
  return clientCertificates === 'none' ? 'web pages of every origin' : 'no web pages';
}

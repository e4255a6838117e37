import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import type { z } from 'zod';
import { sinkFindings, withSinkFiles } from './sink-shapes.js';
import { edgeFile, type EdgeFile, type Listener, type Spoken } from './config-shapes.js';

/** Says what is wrong with the settings, with the number of the line where they are in a file. */
export class EdgeConfigError extends Error {
  override readonly name = 'EdgeConfigError';
}

/** Where the settings say something, for whoever reads them: such as `edge.yaml:6: listeners[0]`. */
export type PlaceOf = (path: PropertyKey[]) => string;

/** Valid settings; every file that they name is an absolute path. */
export type EdgeConfig = EdgeFile & { monitorIsGiven: boolean; placeOf: PlaceOf };

/** The settings of an edge as an object, with the members of `edge.yaml`. */
export type EdgeSettings = z.input<typeof edgeFile>;

/** What is wrong with a member. */
export type Finding = { path: PropertyKey[]; message: string };

const mostFindings = 20;

/** The text of a file. @throws EdgeConfigError saying what it was for */
export function readTextFile(file: string, what: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new EdgeConfigError(`${file} cannot be read (${what}): ${(error as Error).message}`);
  }
}

/** Completes settings with their defaults. Paths in them start at `folder`. @throws EdgeConfigError that names everything that is wrong */
export function readSettings(given: unknown, folder: string, placeOf: PlaceOf): EdgeConfig {
  const file = readShape(edgeFile, given, placeOf, { of: 'an edge', contradictions });
  return { ...withAbsolutePaths(file, folder), monitorIsGiven: file.monitor !== undefined, placeOf };
}

/** What the members of a shape allow one by one, and not all together. */
type Judged<File> = { of: string; contradictions(file: File): Finding[] };

/** Reads settings of a shape. @throws EdgeConfigError that names everything that is wrong, and where */
export function readShape<Shape extends z.ZodType>(
  shape: Shape,
  given: unknown,
  placeOf: PlaceOf,
  { of, contradictions: judge }: Judged<z.output<Shape>>,
): z.output<Shape> {
  const result = shape.safeParse(given);
  const findings = result.success ? judge(result.data) : result.error.issues.flatMap((issue) => findingsOf(issue, of));
  if (!result.success || findings.length > 0) throw new EdgeConfigError(wordsOf(findings, placeOf));
  return result.data;
}

/** A member as it is written in code, such as `listeners[0].port`. */
export function spell(path: PropertyKey[]): string {
  return path
    .map((part, at) => (typeof part === 'number' ? `[${part}]` : `${at > 0 ? '.' : ''}${String(part)}`))
    .join('');
}

function wordsOf(findings: readonly Finding[], placeOf: PlaceOf): string {
  const shown = findings.slice(0, mostFindings);
  return shown.map(({ path, message }) => `${placeOf(path)}: ${message}`).join('\n');
}

type Issue = { code: string; path: PropertyKey[]; message: string; keys?: string[] };

function findingsOf(issue: Issue, of: string): Finding[] {
  if (issue.code !== 'unrecognized_keys') return [{ path: issue.path, message: messageOf(issue.message) }];
  return (issue.keys ?? []).map((key) => ({ path: [...issue.path, key], message: `is not a setting of ${of}` }));
}

function messageOf(message: string): string {
  return /received undefined$/.test(message) ? 'is missing' : message;
}

/** What each member allows and all of them together do not. */
function contradictions(file: EdgeFile): Finding[] {
  const { server, upstream, listeners } = file;
  const found: Finding[] = [];
  const say = (path: PropertyKey[], message: string): void => void found.push({ path, message });
  serverFindings(server).forEach(({ path, message }) => say(path, message));
  listeners.forEach((listener, index) => {
    if (!isSecure(listener) && !listener.plaintext && !isOwnMachine(listener.host ?? '::'))
      say(
        ['listeners', index, 'protocol'],
        `${listener.protocol} without TLS listens to other machines: write host: 127.0.0.1, or plaintext: true to accept that`,
      );
    const kind = isWeb(listener) ? 'http' : 'mqtt';
    if (!upstream[kind]) say(['upstream'], `has no ${kind}, which the listener ${listener.protocol} needs`);
  });
  sharedPorts(file).forEach(({ path, message }) => say(path, message));
  if (upstream.mqtt?.passwordFile !== undefined && upstream.mqtt.username === undefined)
    say(['upstream', 'mqtt', 'passwordFile'], 'needs a username: MQTT 3.1.1 sends no password without one');
  return [...found, ...commandFindings(file), ...sinkFindings(file.gateway?.sinks ?? {}, isOwnMachine)];
}

function commandFindings({ gateway, upstream }: EdgeFile): Finding[] {
  const path = ['gateway', 'commands'];
  const { commands } = gateway ?? {};
  if (!commands) return [];
  if (!upstream.mqtt) return [{ path, message: 'needs upstream.mqtt: devices get commands by MQTT' }];
  if (commands.passwordFile !== undefined && commands.username === undefined)
    return [{ path: [...path, 'passwordFile'], message: 'needs a username' }];
  return [];
}

/** What is wrong with the way to the control plane. */
export function serverFindings(server: string): Finding[] {
  if (new URL(server).protocol !== 'http:' || isOwnMachine(new URL(server).hostname)) return [];
  const message = 'must be https: http sends the API key in clear text, and is accepted for this machine only';
  return [{ path: ['server'], message }];
}

/** Ports that two of the listeners want, or one and the monitor. */
function sharedPorts({ listeners, monitor }: EdgeFile): Finding[] {
  const wanted = [
    ...listeners.map((listener, index) => ({
      host: listener.host,
      port: listener.port,
      isUdp: isUdp(listener),
      path: ['listeners', index, 'port'],
    })),
    ...(monitor ? [{ ...monitor, isUdp: false, path: ['monitor', 'port'] }] : []),
  ];
  return wanted.flatMap(({ host, port, isUdp: byUdp, path }, at) => {
    const first = wanted
      .slice(0, at)
      .find((other) => other.port === port && other.port !== 0 && other.isUdp === byUdp && meets(other.host, host));
    return first ? [{ path, message: `is the port of ${spell(first.path.slice(0, -1))} too: choose another` }] : [];
  });
}

const everyAddress: ReadonlySet<string | undefined> = new Set([undefined, '0.0.0.0', '::']);

const meets = (one: string | undefined, other: string | undefined): boolean =>
  everyAddress.has(one) || everyAddress.has(other) || one === other;

/** Where the monitor is. */
export function monitorOf({ monitor }: EdgeConfig): { host: string; port: number } {
  return monitor ?? { host: '127.0.0.1', port: 9464 };
}

/** Whether a listener speaks TLS. */
export function isSecure(listener: Listener): listener is Extract<Listener, { certFile: string }> {
  return 'certFile' in listener;
}

/** Whether a listener takes requests, not MQTT. */
export function isWeb({ protocol }: Listener): boolean {
  return protocol === 'http' || protocol === 'https';
}

/** Whether a listener takes datagrams. */
export function isUdp({ protocol }: Listener): boolean {
  return protocol === 'coap';
}

/** Whether a listener takes requests of CoAP, over whatever transport. */
export function isCoap({ protocol }: Listener): boolean {
  return protocol === 'coap' || protocol === 'coap+tcp' || protocol === 'coaps+tcp';
}

/** What is spoken at a listener. */
export function spokenAt({ protocol }: Listener): Spoken {
  if (protocol === 'coap+tcp') return 'coap';
  return protocol === 'coaps+tcp' ? 'coaps' : protocol;
}

/** Whether a host is this machine itself. */
export function isOwnMachine(host: string): boolean {
  const bare = host.startsWith('[') ? host.slice(1, -1) : host;
  return bare === 'localhost' || bare === '::1' || (isIP(bare) === 4 && bare.startsWith('127.'));
}

function withAbsolutePaths(file: EdgeFile, folder: string): EdgeFile {
  const at = (path: string): string => resolve(folder, path);
  const { mqtt, http } = file.upstream;
  const { commands, sinks } = file.gateway ?? {};
  return {
    ...file,
    gateway: file.gateway && {
      ...file.gateway,
      commands: commands && { ...commands, ...filesOf(commands, at) },
      sinks: sinks && withSinkFiles(sinks, at),
    },
    keyFile: at(file.keyFile),
    stateDir: at(file.stateDir),
    listeners: file.listeners.map((listener) =>
      isSecure(listener) ? { ...listener, certFile: at(listener.certFile), keyFile: at(listener.keyFile) } : listener,
    ),
    upstream: {
      mqtt: mqtt && {
        ...mqtt,
        ...filesOf(mqtt, at),
      },
      http: http && { ...http, ...(http.caFile === undefined ? {} : { caFile: at(http.caFile) }) },
    },
  };
}

/** The files of a connection to a broker, by absolute paths. */
function filesOf(
  { passwordFile, caFile }: { passwordFile?: string | undefined; caFile?: string | undefined },
  at: (path: string) => string,
): { passwordFile?: string; caFile?: string } {
  return {
    ...(passwordFile === undefined ? {} : { passwordFile: at(passwordFile) }),
    ...(caFile === undefined ? {} : { caFile: at(caFile) }),
  };
}

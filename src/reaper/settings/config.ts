import { dirname, resolve } from 'node:path';
import { readYaml } from '../../edge/settings/config-file.js';
import {
  EdgeConfigError,
  isOwnMachine,
  readShape,
  readTextFile,
  serverFindings,
  type Finding,
  type PlaceOf,
} from '../../edge/settings/config.js';
import type { Credentials } from '../brokers/broker.js';
import { reaperFile, type BrokerSettings, type ReaperFile } from './shapes.js';

/** Valid settings; every file that they name is an absolute path. */
export type ReaperConfig = ReaperFile & { monitorIsGiven: boolean; placeOf: PlaceOf };

/** The value of a variable of the environment. */
export type Variable = (name: string) => string | undefined;

/** Reads the settings of a reaper. Paths in them start at the folder of the file. @throws EdgeConfigError that names each line that is wrong */
export function loadReaperConfig(file: string): ReaperConfig {
  return readReaperConfig(readTextFile(file, 'the settings'), file);
}

/** Reads the text of a file of settings. @throws EdgeConfigError that names each line that is wrong */
export function readReaperConfig(text: string, file: string): ReaperConfig {
  const { given, placeOf } = readYaml(text, file);
  const read = readShape(reaperFile, given, placeOf, { of: 'a reaper', contradictions });
  return { ...withAbsolutePaths(read, dirname(resolve(file))), monitorIsGiven: read.monitor !== undefined, placeOf };
}

/** What each member allows and all of them together do not. */
function contradictions({ server, brokers }: ReaperFile): Finding[] {
  return [
    ...serverFindings(server),
    ...brokers.flatMap((broker, index) => findingsOf(broker, ['brokers', index], brokers.slice(0, index))),
  ];
}

function findingsOf(broker: BrokerSettings, path: PropertyKey[], before: readonly BrokerSettings[]): Finding[] {
  const found: Finding[] = [];
  const say = (member: string, message: string): void => void found.push({ path: [...path, member], message });
  if (before.some(({ name }) => name === broker.name)) say('name', 'is the name of another broker too');
  if (broker.kind === 'webhook') {
    const { secretFile, secretEnv } = broker;
    if ((secretFile === undefined) === (secretEnv === undefined))
      say('url', 'needs secretFile or secretEnv, one of them');
    return found;
  }
  const { url, username, passwordFile, passwordEnv, plaintext } = broker;
  const secrets = [passwordFile, passwordEnv].filter((each) => each !== undefined).length;
  if (username !== undefined && secrets !== 1) say('username', 'needs passwordFile or passwordEnv, one of them');
  if (username === undefined && secrets > 0)
    say(passwordFile === undefined ? 'passwordEnv' : 'passwordFile', 'needs a username');
  const { protocol, hostname } = new URL(url);
  if (clear.has(protocol) && secrets > 0 && !plaintext && !isOwnMachine(hostname))
    say('url', `sends the password in clear text: use TLS, or write plaintext: true to accept that`);
  return found;
}

const clear: ReadonlySet<string> = new Set(['http:', 'mqtt:', 'ws:', 'nats:']);

/** How the reaper presents itself to a broker; undefined where it does not. @throws EdgeConfigError for a secret that cannot be read */
export function credentialsOf(broker: BrokerSettings, variable: Variable): Credentials | undefined {
  if (!('username' in broker) || broker.username === undefined) return undefined;
  const { username, passwordFile, passwordEnv } = broker;
  return { username, password: secretOf({ file: passwordFile, env: passwordEnv }, variable) };
}

/** A secret of a file or of the environment. @throws EdgeConfigError */
export function secretOf(
  { file, env }: { file?: string | undefined; env?: string | undefined },
  variable: Variable,
): string {
  if (file !== undefined) return readTextFile(file, 'a password').replace(/\r?\n$/, '');
  const value = env === undefined ? undefined : variable(env);
  if (value === undefined || value === '') throw new EdgeConfigError(`the environment has no ${env ?? 'password'}`);
  return value;
}

/** The authorities of a broker, PEM; undefined for public ones. @throws EdgeConfigError */
export function authoritiesOf(broker: BrokerSettings): string | undefined {
  return 'caFile' in broker && broker.caFile !== undefined
    ? readTextFile(broker.caFile, 'authorities of a broker')
    : undefined;
}

/** Members that name a file. */
const fileMembers = ['passwordFile', 'caFile', 'secretFile'] as const;

function withAbsolutePaths(file: ReaperFile, folder: string): ReaperFile {
  const at = (path: string): string => resolve(folder, path);
  const settled = (broker: BrokerSettings): BrokerSettings => {
    const paths = fileMembers.flatMap((member) => {
      const given = (broker as Record<string, unknown>)[member];
      return typeof given === 'string' ? [[member, at(given)]] : [];
    });
    return { ...broker, ...(Object.fromEntries(paths) as object) };
  };
  return { ...file, keyFile: at(file.keyFile), stateDir: at(file.stateDir), brokers: file.brokers.map(settled) };
}

/** Where the monitor is. */
export function monitorOf({ monitor }: ReaperConfig): { host: string; port: number } {
  return monitor ?? { host: '127.0.0.1', port: 9465 };
}

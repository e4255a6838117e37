import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { basename, dirname, resolve } from 'node:path';
import { isMap, isNode, isPair, isScalar, isSeq, LineCounter, parseDocument, type Document } from 'yaml';
import { edgeFile, type EdgeFile, type Listener } from './config-shapes.js';

/** Says what is wrong with a file of settings, with the number of the line. */
export class EdgeConfigError extends Error {
  override readonly name = 'EdgeConfigError';
}

/** Valid settings; every file that they name is an absolute path. */
export type EdgeConfig = EdgeFile & { monitorIsGiven: boolean };

type Finding = { path: PropertyKey[]; message: string };

const mostFindings = 20;
const mostBytes = 1024 * 1024;

/** Reads the settings of an edge. Paths in them start at the folder of the file. @throws EdgeConfigError */
export function loadEdgeConfig(file: string): EdgeConfig {
  return readEdgeConfig(readTextFile(file, 'the settings'), file);
}

/** The text of a file. @throws EdgeConfigError saying what it was for */
export function readTextFile(file: string, what: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new EdgeConfigError(`${file} cannot be read (${what}): ${(error as Error).message}`);
  }
}

/** Reads the text of a file of settings. @throws EdgeConfigError that names each line that is wrong */
export function readEdgeConfig(text: string, file: string): EdgeConfig {
  if (text.length > mostBytes) throw new EdgeConfigError(`${file} is larger than 1 MiB`);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const fail = (found: { line: number; message: string }[]): never => {
    const shown = found.slice(0, mostFindings).map(({ line, message }) => `${basename(file)}:${line}: ${message}`);
    throw new EdgeConfigError(shown.join('\n'));
  };
  const broken = [...document.errors, ...document.warnings];
  if (broken.length > 0)
    fail(broken.map(({ pos, message }) => ({ line: lines.linePos(pos[0]).line, message: message.split('\n', 1)[0]! })));
  const result = edgeFile.safeParse(plainOf(document, file));
  const findings = result.success ? contradictions(result.data) : result.error.issues.flatMap(findingsOf);
  if (!result.success || findings.length > 0)
    return fail(
      findings.map(({ path, message }) => ({
        line: lines.linePos(offsetOf(document, path)).line,
        message: `${spell(path)}${message}`,
      })),
    );
  return {
    ...withAbsolutePaths(result.data, dirname(resolve(file))),
    monitorIsGiven: result.data.monitor !== undefined,
  };
}

/** @throws EdgeConfigError for an alias without its anchor, or for too many */
function plainOf(document: Document.Parsed, file: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 10 });
  } catch (error) {
    throw new EdgeConfigError(`${basename(file)}:1: ${(error as Error).message}`);
  }
}

type Issue = { code: string; path: PropertyKey[]; message: string; keys?: string[] };

function findingsOf(issue: Issue): Finding[] {
  if (issue.code !== 'unrecognized_keys') return [{ path: issue.path, message: wordsOf(issue.message) }];
  return (issue.keys ?? []).map((key) => ({ path: [...issue.path, key], message: 'is not a setting of an edge' }));
}

function wordsOf(message: string): string {
  return /received undefined$/.test(message) ? 'is missing' : message;
}

function spell(path: PropertyKey[]): string {
  if (path.length === 0) return '';
  return `${path.map((part, at) => (typeof part === 'number' ? `[${part}]` : `${at > 0 ? '.' : ''}${String(part)}`)).join('')}: `;
}

/** Where in the text a member stands; for one that is missing, where its parent does. */
function offsetOf(document: Document.Parsed, path: PropertyKey[]): number {
  let node: unknown = document.contents;
  let offset = isNode(node) ? (node.range?.[0] ?? 0) : 0;
  for (const part of path) {
    if (isMap(node)) {
      const pair = node.items.find((each) => isPair(each) && isScalar(each.key) && each.key.value === part);
      if (!pair) return offset;
      offset = (isNode(pair.key) ? pair.key.range?.[0] : undefined) ?? offset;
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(part)];
      offset = (isNode(node) ? node.range?.[0] : undefined) ?? offset;
    } else return offset;
  }
  return offset;
}

/** What each member allows and all of them together do not. */
function contradictions(file: EdgeFile): Finding[] {
  const { server, upstream, listeners } = file;
  const found: Finding[] = [];
  const say = (path: PropertyKey[], message: string): void => void found.push({ path, message });
  if (new URL(server).protocol === 'http:' && !isOwnMachine(new URL(server).hostname))
    say(['server'], 'must be https: http sends the API key in clear text, and is accepted for this machine only');
  listeners.forEach((listener, index) => {
    if (!isSecure(listener) && !listener.plaintext && !isOwnMachine(listener.host ?? '::'))
      say(
        ['listeners', index, 'protocol'],
        `${listener.protocol} without TLS listens to other machines: write host: 127.0.0.1, or plaintext: true to accept that`,
      );
    const kind = isWeb(listener) ? 'http' : 'mqtt';
    if (!upstream[kind]) say(['upstream'], `has no ${kind}, which the listener ${listener.protocol} needs`);
  });
  if (upstream.mqtt?.passwordFile !== undefined && upstream.mqtt.username === undefined)
    say(['upstream', 'mqtt', 'passwordFile'], 'needs a username: MQTT 3.1.1 sends no password without one');
  return found;
}

/** Whether a listener speaks TLS. */
export function isSecure(listener: Listener): listener is Extract<Listener, { certFile: string }> {
  return 'certFile' in listener;
}

/** Whether a listener takes requests, not MQTT. */
export function isWeb({ protocol }: Listener): boolean {
  return protocol === 'http' || protocol === 'https';
}

/** Whether a host is this machine itself. */
export function isOwnMachine(host: string): boolean {
  const bare = host.startsWith('[') ? host.slice(1, -1) : host;
  return bare === 'localhost' || bare === '::1' || (isIP(bare) === 4 && bare.startsWith('127.'));
}

function withAbsolutePaths(file: EdgeFile, folder: string): EdgeFile {
  const at = (path: string): string => resolve(folder, path);
  const { mqtt, http } = file.upstream;
  return {
    ...file,
    keyFile: at(file.keyFile),
    stateDir: at(file.stateDir),
    listeners: file.listeners.map((listener) =>
      isSecure(listener) ? { ...listener, certFile: at(listener.certFile), keyFile: at(listener.keyFile) } : listener,
    ),
    upstream: {
      mqtt: mqtt && {
        ...mqtt,
        ...(mqtt.passwordFile === undefined ? {} : { passwordFile: at(mqtt.passwordFile) }),
        ...(mqtt.caFile === undefined ? {} : { caFile: at(mqtt.caFile) }),
      },
      http: http && { ...http, ...(http.caFile === undefined ? {} : { caFile: at(http.caFile) }) },
    },
  };
}

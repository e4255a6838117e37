import { resourceKinds, type ResourceKind } from './action.js';
import { readRequest, readRequestPattern } from './http-path.js';
import { readLevels, takeText, type Levels } from './matching/levels.js';
import { isTopic, isTopicFilter, stripShare } from './topic-filter.js';
import { parseTemplate, replaceVariables, type Template } from './variables.js';

/** One level of a topic filter or path; `+` any one, `#` any rest. */
export type Level = string | Template;

/** A resource of a statement, read. `kind` is undefined for `*`, any resource of any kind. */
export type ResourcePattern = { kind: ResourceKind | undefined; levels: Level[] };

const endpointName = /^[a-z0-9_-]{1,64}$/;

/** Reads a resource of a statement. @throws RangeError saying what is wrong with it */
export function parseResource(resource: string): ResourcePattern {
  if (resource === '*') return { kind: undefined, levels: [] };
  const { kind, rest } = splitKind(resource);
  if (!kind) throw new RangeError(`must be * or begin with ${resourceKinds.map((name) => `${name}:`).join(', ')}`);
  const levels = levelsOf(kind, rest).map((level) => parseTemplate(level) ?? level);
  return { kind, levels };
}

function levelsOf(kind: ResourceKind, rest: string): string[] {
  // A variable stands for one level without a slash: x stands in for it while the form is judged.
  const plain = replaceVariables(rest, () => 'x');
  switch (kind) {
    case 'topic':
      if (!isTopicFilter(plain))
        throw new RangeError('must be an MQTT topic or filter: + and # fill a level, # is last');
      return canonical(rest).split('/');
    case 'client':
      if (!isWellFormed(rest)) throw new RangeError('must name a client id');
      return [rest];
    case 'endpoint':
      if (!endpointName.test(plain)) throw new RangeError('must name an endpoint: [a-z0-9_-]{1,64}');
      return [rest];
    case 'http': {
      const levels = readRequestPattern(rest);
      const misplaced = levels.findIndex((level) => /[+#]/.test(level) && level.length > 1);
      if (misplaced >= 0 || levels.slice(0, -1).includes('#'))
        throw new RangeError('must have + and # fill a segment, and # last');
      return levels;
    }
  }
}

/**
 * Reads a queried resource into `levels`: levels between slashes for topics and HTTP, a name for the others.
 * False when it is malformed or of another kind. A topic, or with `isFilter` a filter.
 */
export function readQuery(kind: ResourceKind, resource: string, levels: Levels, isFilter = false): boolean {
  const start = kind.length + 1;
  if (kind === 'topic' ? !isTopicResource(resource) : !resource.startsWith(prefixes[kind])) return false;
  switch (kind) {
    case 'topic':
      return isFilter
        ? readFilter(resource.slice(start), levels)
        : isTopic(resource, start) && takeText(levels, resource, start);
    case 'client':
      return isWellFormed(resource.slice(start)) && takeText(levels, resource, start);
    case 'endpoint':
      return endpointName.test(resource.slice(start)) && takeText(levels, resource, start);
    case 'http': {
      const path = readRequest(resource.slice(start));
      return path !== undefined && readLevels(levels, path, 0);
    }
  }
}

const prefixes: Record<Exclude<ResourceKind, 'topic'>, string> = {
  client: 'client:',
  endpoint: 'endpoint:',
  http: 'http:',
};

/** Whether a text begins with `topic:`. Letter by letter, because a call or a loop costs twice as much. */
function isTopicResource(text: string): boolean {
  return (
    text.charCodeAt(5) === 0x3a &&
    text.charCodeAt(0) === 0x74 &&
    text.charCodeAt(1) === 0x6f &&
    text.charCodeAt(2) === 0x70 &&
    text.charCodeAt(3) === 0x69 &&
    text.charCodeAt(4) === 0x63
  );
}

function readFilter(text: string, levels: Levels): boolean {
  if (!isTopicFilter(text)) return false;
  const filter = stripShare(text);
  return filter !== undefined && readLevels(levels, canonical(filter), 0);
}

/** The same set of topics, spelled so that no `#` stands for the empty topic, which is none. */
function canonical(filter: string): string {
  if (filter === '#') return '+/#';
  return filter === '/#' ? '/+/#' : filter;
}

/** A client id: not empty, no NUL, well-formed UTF-16 (MQTT 5.0 §1.5.4). */
function isWellFormed(id: string): boolean {
  return id !== '' && id.length <= 65_535 && !/[\0\p{Cs}]/u.test(id);
}

function splitKind(resource: string): { kind: ResourceKind | undefined; rest: string } {
  const colon = resource.indexOf(':');
  const kind = resourceKinds.find((name) => name === resource.slice(0, colon));
  return { kind, rest: resource.slice(colon + 1) };
}

import { kindOfAction, type ResourceKind } from './action.js';
import type { PolicyDocument } from './document.js';
import { parseResource, type Level } from './resource.js';
import { fill, type Principal } from './variables.js';

/** The resources of a kind that allows of an action name, as they are written, in order and each once. */
export function* namedResources(
  documents: readonly PolicyDocument[],
  kind: ResourceKind,
  action: string,
): Generator<string> {
  const seen = new Set<string>();
  for (const { effect, actions, resources } of documents.flatMap(({ statements }) => statements)) {
    if (effect !== 'allow' || !(actions.includes('*') || actions.includes(action))) continue;
    for (const resource of resources) {
      if (!resource.startsWith(`${kind}:`) || seen.has(resource)) continue;
      seen.add(resource);
      yield resource;
    }
  }
}

/** The actions on endpoints that allows name, in order and each once. */
export function* namedActions(documents: readonly PolicyDocument[]): Generator<string> {
  const seen = new Set<string>();
  for (const { effect, actions } of documents.flatMap(({ statements }) => statements)) {
    if (effect !== 'allow') continue;
    for (const action of actions) {
      if (seen.has(action) || kindOfAction(action) !== 'endpoint') continue;
      seen.add(action);
      yield action;
    }
  }
}

/**
 * A resource of a statement as a question about it spells it for one thing, without its kind; undefined where it has
 * wildcards, or a value is missing or unfit. @throws RangeError for a resource that was not parsed before
 */
export function spellResource(resource: string, principal: Principal): string | undefined {
  const { kind, levels } = parseResource(resource);
  const hasWildcards = kind === 'topic' || kind === 'http';
  if (kind === undefined || (hasWildcards && levels.some((level) => level === '+' || level === '#'))) return undefined;
  const texts = levels.map((level: Level) => (typeof level === 'string' ? level : fill(level, principal)));
  if (!texts.every((text) => text !== undefined)) return undefined;
  if (kind !== 'http') return texts.join('/');
  const [method, ...segments] = texts;
  return `${method} /${segments.map(encode).join('/')}`;
}

/** A segment of a path as a request writes it: patterns are compared with what is decoded. */
function encode(segment: string): string {
  return segment.replace(/[^!-~]|[%?#;\\]/gu, (character) =>
    /\p{Cs}/u.test(character) ? character : encodeURIComponent(character),
  );
}

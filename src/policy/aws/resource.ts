import type { Level } from '../resource.js';
import type { Variable } from '../variables.js';

/** Where AWS IoT documents are to hold, and what stands for the thing in them. */
export type AwsNames = {
  /** Stands for `${account}`. */
  account: string;
  /** Stands for `${thing.name}`: AWS's own variable, or the name of one thing. */
  thingName: string;
};

/** AWS's variable for the thing that a session's certificate is attached to. */
export const awsThingName = '${iot:Connection.Thing.ThingName}';

/** Why AWS cannot express a resource of an allow without allowing more. */
export type Unsayable = { unsayable: string };

/**
 * The text of one level of an allow. In AWS `*` and `?` are wildcards wherever they stand, and other variables than
 * the thing's name do not mean what Thingward's do.
 */
export function allowLevel(level: Level, names: AwsNames): string | Unsayable {
  const parts = typeof level === 'string' ? [level] : level.parts;
  let text = '';
  for (const part of parts) {
    const value = typeof part === 'string' ? part : nameOf(part, names);
    if (value === undefined) return { unsayable: 'AWS has no variable for it: only account and thing.name' };
    if (typeof part === 'string' && /[*?]/.test(part))
      return { unsayable: 'a literal * or ? would be a wildcard there' };
    if (text.endsWith('$') && value.startsWith('{')) return { unsayable: 'a $ before a brace begins a variable there' };
    if (text.endsWith('$') && value.startsWith('${'))
      return { unsayable: 'a $ before a variable is not literal there' };
    text += value;
  }
  return text;
}

/**
 * The text of one level of a deny, as wide as it has to be; undefined where a value may be missing, which makes the
 * deny one of every resource.
 */
export function denyLevel(level: Level, names: AwsNames): string | undefined {
  if (level === '+') return '*';
  const parts = typeof level === 'string' ? [level] : level.parts;
  let text = '';
  for (const part of parts) {
    const value = typeof part === 'string' ? part.replace(/[*?]/g, '*') : nameOf(part, names);
    if (value === undefined) return undefined;
    if (text.endsWith('$') && /^\$?\{/.test(value)) return '*';
    text += value;
  }
  return text;
}

function nameOf(variable: Variable, { account, thingName }: AwsNames): string | undefined {
  if (variable.of === 'account') return account;
  return variable.of === 'name' ? thingName : undefined;
}

/** Topics, for publishing and receiving: AWS compares their text with `*` crossing levels. */
export function allowTopics(levels: Level[], names: AwsNames): string[] | Unsayable {
  if (levels.includes('+')) return { unsayable: '+ has no equal there: * crosses levels' };
  return prefixed(levels, names);
}

/** Filters, for subscribing: AWS compares their text, in which `+` and `#` are no wildcards. */
export function allowFilters(levels: Level[], names: AwsNames): string[] | Unsayable {
  if (levels[0] === '$share') return { unsayable: 'for shared subscriptions, the filter after the group decides' };
  return prefixed(levels, names);
}

function prefixed(levels: Level[], names: AwsNames): string[] | Unsayable {
  const [first] = levels;
  if (first === '+' || first === '#') return { unsayable: 'a leading wildcard reaches other topics there' };
  const open = levels.at(-1) === '#';
  const texts: string[] = [];
  for (const level of open ? levels.slice(0, -1) : levels) {
    const text = allowLevel(level, names);
    if (typeof text !== 'string') return text;
    texts.push(text);
  }
  const text = texts.join('/');
  return open ? [text, `${text}/*`] : [text];
}

/** Topics that a deny reaches, and more where AWS cannot say it; all of them when a value may be missing. */
export function denyTopics(levels: Level[], names: AwsNames): string[] {
  const open = levels.at(-1) === '#';
  const texts = (open ? levels.slice(0, -1) : levels).map((level) => denyLevel(level, names));
  if (texts.includes(undefined)) return ['*'];
  const text = texts.join('/');
  return minimal(open ? [text, `${text}/*`] : [text]);
}

const mostFilters = 4096;

/**
 * Every filter whose topics can overlap those of a deny: each level literal or `+`, cut by `#` anywhere; also under
 * `$share/<group>/`. A subscription's own wildcards do not reach topics that begin with `$` (MQTT 5.0 §4.7.2).
 */
export function denyFilters(levels: Level[], names: AwsNames): string[] {
  const open = levels.at(-1) === '#';
  const fixed = open ? levels.slice(0, -1) : levels;
  const texts = fixed.map((level) => denyLevel(level, names));
  if (texts.includes(undefined)) return ['*'];
  const literalFirst = /^\$(?!\{)/.test(texts[0]!);
  let prefixes = [''];
  const filters: string[] = [];
  texts.forEach((text, index) => {
    // Each level doubles them. What is cut off here is longer than any document of AWS, and never sent.
    if (filters.length > mostFilters) return;
    if (index > 0 || !literalFirst) filters.push(...prefixes.map((prefix) => `${prefix}#`));
    const options = text === '*' ? ['*'] : index === 0 && literalFirst ? [text!] : [text!, '+'];
    const joined = prefixes.flatMap((prefix) => options.map((option) => prefix + option));
    filters.push(...(index === texts.length - 1 ? joined : []));
    prefixes = joined.map((prefix) => `${prefix}/`);
  });
  filters.push(...prefixes.map((prefix) => (open ? `${prefix}*` : `${prefix}#`)));
  return shared(filters);
}

/** The same with few words: what lies in the deny by its text, and every filter with a wildcard in it. */
export function denyFiltersShortly(levels: Level[], names: AwsNames): string[] {
  return minimal([...shared(denyTopics(levels, names)), '*+*', '*#*']);
}

function shared(filters: string[]): string[] {
  return minimal([...filters, ...filters.map((filter) => `$share/*/${filter}`)]);
}

/** Each text once; only `*` when that is among them. */
function minimal(texts: string[]): string[] {
  return texts.includes('*') ? ['*'] : [...new Set(texts)];
}

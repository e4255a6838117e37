import { isDeepStrictEqual } from 'node:util';
import { isObject, type Document } from './files.js';

/** The same value, however the members of objects are ordered. */
export const isSame = (one: unknown, other: unknown): boolean => isDeepStrictEqual(one, other);

/** Whether a value has everything that another names. Members that the other does not name do not matter; lists match as a whole. */
export function contains(value: unknown, wanted: unknown): boolean {
  if (!isObject(wanted) || !isObject(value)) return isSame(value, wanted);
  return Object.entries(wanted).every(([name, each]) => Object.hasOwn(value, name) && contains(value[name], each));
}

/** The lines that differ between two documents, marked with - and +: member by member, and in lists of named objects one by one. */
export function difference(before: Document | undefined, after: Document): string[] {
  const names = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after)])];
  return names.flatMap((name) => linesOf(name, before?.[name], after[name]));
}

function linesOf(name: string, before: unknown, after: unknown): string[] {
  if (isSame(before, after)) return [];
  const [old, next] = [elementsOf(before), elementsOf(after)];
  if (!old || !next) return [...lineOf('-', name, before), ...lineOf('+', name, after)];
  const gone = [...old].filter(([key, each]) => !isSame(each, next.get(key)));
  const come = [...next].filter(([key, each]) => !isSame(each, old.get(key)));
  // The same elements in another order.
  if (gone.length + come.length === 0) return [...lineOf('-', name, before), ...lineOf('+', name, after)];
  return [
    ...gone.flatMap(([, each]) => lineOf('-', name, each)),
    ...come.flatMap(([, each]) => lineOf('+', name, each)),
  ];
}

/** The elements of a list by their ids; undefined for what is no list of named objects. Nothing counts as an empty list. */
function elementsOf(value: unknown): Map<string, unknown> | undefined {
  if (value === undefined) return new Map();
  if (!Array.isArray(value)) return undefined;
  const ids = value.map((each: unknown) => (isObject(each) ? each['id'] : undefined));
  if (ids.some((id) => typeof id !== 'string') || new Set(ids).size < ids.length) return undefined;
  return new Map(value.map((each: unknown, n) => [ids[n] as string, each]));
}

const lineOf = (mark: '-' | '+', name: string, value: unknown): string[] =>
  value === undefined ? [] : [`${mark} ${name}: ${JSON.stringify(value)}`];

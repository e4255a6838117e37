import {
  badQuery,
  compareAttribute,
  compareWords,
  createQueryCost,
  readMoment,
  timeFields,
  wordFields,
  type QueryCost,
  type ThingQuery,
  type TimeField,
} from './query.js';
import { readQueryText } from './read-text.js';
import { queryLevel, type AnyQuery, type QueryLevel } from './shapes.js';

type Words = string | null | (string | null)[] | undefined;
type Times = QueryLevel['lastSeenAt'];

/** Reads a query in either form; a text that begins with `{` is the object. @throws DomainError `invalid-request` */
export function readQuery(query: AnyQuery): ThingQuery {
  if (typeof query !== 'string') return readLevel(query, '', 1, createQueryCost());
  return query.trimStart().startsWith('{') ? readLevel(parse(query), '', 1, createQueryCost()) : readQueryText(query);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw badQuery('', 'begins with { and is no JSON');
  }
}

function readLevel(value: unknown, where: string, depth: number, cost: QueryCost): ThingQuery {
  cost.deeper(depth);
  const { data: level, error } = queryLevel.safeParse(value);
  if (error) throw badQuery([where, ...error.issues[0]!.path].filter(Boolean).join('.'), error.issues[0]!.message);
  const below = (each: unknown, name: string) => readLevel(each, where ? `${where}.${name}` : name, depth + 1, cost);
  const all = [
    ...wordFields.flatMap((field) => wordsOf(level[field], (values) => cost.add(compareWords(field, values)))),
    ...Object.entries(level.attributes ?? {}).flatMap(([attribute, values]) =>
      wordsOf(values, (some) => cost.add(compareAttribute(attribute, some))),
    ),
    ...timeFields.flatMap((field) => timesOf(field, level[field], cost)),
    ...timesOf('certificate.notAfter', level.certificate?.notAfter, cost),
    ...(level.and ?? []).map((each, n) => below(each, `and.${n}`)),
    ...(level.or ? [{ or: level.or.map((each, n) => below(each, `or.${n}`)) }] : []),
    ...(level.not ? [{ not: below(level.not, 'not') }] : []),
  ];
  if (all.length === 0) throw badQuery(where, 'asks nothing: it must have at least one comparison');
  return all.length === 1 ? all[0]! : { and: all };
}

function wordsOf(words: Words, compare: (values: (string | null)[]) => ThingQuery): ThingQuery[] {
  if (words === undefined) return [];
  return [compare(Array.isArray(words) ? words : [words])];
}

function timesOf(field: TimeField, times: Times, cost: QueryCost): ThingQuery[] {
  if (times === undefined) return [];
  if (times === null) return [cost.add({ field, none: true })];
  const { after, before } = times;
  return [
    ...(after === undefined ? [] : [cost.add({ field, operator: '>' as const, moment: readMoment(after, field) })]),
    ...(before === undefined ? [] : [cost.add({ field, operator: '<' as const, moment: readMoment(before, field) })]),
  ];
}

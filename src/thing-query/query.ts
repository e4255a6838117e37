import { DomainError } from '../errors.js';

/** The states that a thing can be asked for by. */
export const queryStatuses = ['active', 'suspended', 'revoked', 'deleted'] as const;

/** What words are compared with: a thing has one of each, or several policies. */
export const wordFields = ['name', 'type', 'status', 'segment', 'policies'] as const;
/** One of {@link wordFields}. */
export type WordField = (typeof wordFields)[number];

/** What times are compared with. */
export const timeFields = ['certificate.notAfter', 'lastSeenAt'] as const;
/** One of {@link timeFields}. */
export type TimeField = (typeof timeFields)[number];

/** A time as a query says it: an instant, or so many milliseconds from when it is evaluated. */
export type Moment = { at: Date } | { inMs: number };

/** How a time is compared. */
export type TimeOperator = '<' | '<=' | '>' | '>=';

/**
 * A question about a thing that is true or false. `null` among values means that there is none: no segment, no such
 * attribute, no policy. Values of `name` are globs.
 */
export type ThingQuery =
  | { and: ThingQuery[] }
  | { or: ThingQuery[] }
  | { not: ThingQuery }
  | { field: WordField; values: (string | null)[] }
  | { field: 'attributes'; attribute: string; values: (string | null)[] }
  | { field: TimeField; operator: TimeOperator; moment: Moment }
  | { field: TimeField; none: true };

/** How much a query may ask. docs/limits.md lists them. */
export const mostOfQuery = {
  characters: 2048,
  depth: 8,
  comparisons: 50,
  comparisonsOfTime: 8,
  values: 200,
  charactersOfValue: 256,
} as const;

/** What a query refuses. `where` names the place in it. */
export function badQuery(where: string, problem: string): DomainError {
  return new DomainError('invalid-request', `query: ${where}${where === '' ? '' : ' '}${problem} (docs/groups.md)`);
}

const unitMs: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 };
const fromNow = /^(-?)(\d{1,7})([smhdw])$/;
const day = /^\d{4}-\d\d-\d\d$/;
const instantForm = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/;
const lastYear = Date.UTC(10_000, 0);

/** Reads an RFC 3339 time, a day, or a span from now such as `30d` or `-7d`. @throws DomainError `invalid-request` */
export function readMoment(text: string, where: string): Moment {
  if (text === 'now') return { inMs: 0 };
  const span = fromNow.exec(text);
  if (span) return { inMs: (span[1] === '-' ? -1 : 1) * Number(span[2]) * unitMs[span[3]!]! };
  const at = day.test(text) || instantForm.test(text) ? Date.parse(text) : NaN;
  if (at >= 0 && at < lastYear) return { at: new Date(at) };
  throw badQuery(where, 'must be a time such as 2030-01-01T00:00:00Z, or a span from now such as 30d or -12h');
}

/** The instant that a moment is, when a query is evaluated. It stays within what a database holds. */
export function instantOf(moment: Moment, now: Date): Date {
  if ('at' in moment) return moment.at;
  return new Date(Math.min(Math.max(now.getTime() + moment.inMs, 0), lastYear - 1));
}

const attributeForm = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;
const nameForm = /^[A-Za-z0-9:_*?-]{1,128}$/;

/** A comparison of words, as far as its values can be what they are compared with. @throws DomainError `invalid-request` */
export function compareWords(field: WordField, values: (string | null)[]): ThingQuery {
  for (const value of values) checkWord(field, value);
  return { field, values };
}

function checkWord(field: WordField, value: string | null): void {
  if (value === null) {
    if (field === 'name' || field === 'status') throw badQuery(field, 'cannot be null: every thing has one');
    return;
  }
  checkLength(value, field);
  if (field === 'status' && !(queryStatuses as readonly string[]).includes(value))
    throw badQuery('status', `must be one of ${queryStatuses.join(', ')}`);
  if (field === 'name' && !nameForm.test(value))
    throw badQuery('name', 'must be 1 to 128 letters, digits, and : _ -, with * for any text and ? for one character');
}

/** A comparison of an attribute. @throws DomainError `invalid-request` */
export function compareAttribute(attribute: string, values: (string | null)[]): ThingQuery {
  if (!attributeForm.test(attribute))
    throw badQuery('attributes', 'must be named by a letter, and letters, digits, and _ -, at most 64');
  for (const value of values) if (value !== null) checkLength(value, `attributes.${attribute}`);
  return { field: 'attributes', attribute, values };
}

function checkLength(value: string, where: string): void {
  if (value.length > mostOfQuery.charactersOfValue)
    throw badQuery(where, `must have at most ${mostOfQuery.charactersOfValue} characters`);
}

/** Counts what a query asks while it is read, and refuses what costs too much. */
export function createQueryCost() {
  let [comparisons, ofTime, values] = [0, 0, 0];
  return {
    /** @throws DomainError `invalid-request` */
    deeper(depth: number): void {
      if (depth > mostOfQuery.depth) throw badQuery('', `may be nested ${mostOfQuery.depth} deep at most`);
    },
    /** Counts a comparison. @throws DomainError `invalid-request` */
    add<Comparison extends ThingQuery>(comparison: Comparison): Comparison {
      comparisons++;
      if ('values' in comparison) values += comparison.values.length;
      else ofTime++;
      const { comparisons: most, comparisonsOfTime: mostOfTime, values: mostValues } = mostOfQuery;
      if (comparisons > most) throw badQuery('', `may have ${most} comparisons at most`);
      if (ofTime > mostOfTime) throw badQuery('', `may have ${mostOfTime} comparisons of times at most`);
      if (values > mostValues) throw badQuery('', `may have ${mostValues} values at most`);
      return comparison;
    },
  };
}

export type QueryCost = ReturnType<typeof createQueryCost>;

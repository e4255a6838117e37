import { sql } from '../db/client.js';
import { deviceAttributes } from './device-attributes-sql.js';
import { instantOf, type ThingQuery, type TimeField, type TimeOperator, type WordField } from './query.js';

type Sql = ReturnType<typeof sql>;

/** How a query is evaluated. */
export type Evaluation = {
  now: Date;
  /**
   * Attributes that the device may set itself are neither equal to anything nor different from it: what depends on one
   * matches no thing. For acts that widen rights.
   */
  trusted: boolean;
};

/**
 * A condition on things `t`, with every value as a parameter. Each comparison is true or false, and null where only what
 * the device says could tell: then SQL has the whole null unless something else decides it, and null matches nothing.
 */
export function matchingThings(query: ThingQuery, how: Evaluation): Sql {
  if ('and' in query) return joined(query.and, how, sql` AND `);
  if ('or' in query) return joined(query.or, how, sql` OR `);
  if ('not' in query) return sql`(NOT ${matchingThings(query.not, how)})`;
  if (query.field === 'attributes') return ofAttribute(query.attribute, query.values, how);
  if ('values' in query) return ofWords(query.field, query.values);
  if ('none' in query) return sql`(${timeOf[query.field]} IS NULL)`;
  return sql`COALESCE(${timeOf[query.field]} ${operators[query.operator]} ${instantOf(query.moment, how.now)}, FALSE)`;
}

function joined(queries: ThingQuery[], how: Evaluation, word: Sql): Sql {
  const all = queries.map((query) => matchingThings(query, how));
  return sql`(${all.reduce((left, right) => sql`${left}${word}${right}`)})`;
}

const operators: Record<TimeOperator, Sql> = { '<': sql`<`, '<=': sql`<=`, '>': sql`>`, '>=': sql`>=` };

const timeOf: Record<TimeField, Sql> = {
  'certificate.notAfter': sql`(SELECT max(c.not_after) FROM certificates c WHERE c.thing_id = t.id AND c.revoked_at IS NULL)`,
  lastSeenAt: sql`(SELECT a.last_seen_at FROM thing_activity a WHERE a.thing_id = t.id)`,
};

const said = (values: (string | null)[]): string[] => values.filter((value) => value !== null);

function ofWords(field: WordField, values: (string | null)[]): Sql {
  const words = said(values);
  switch (field) {
    case 'name':
      return sql`(t.name LIKE ANY(${words.map(likeOf)}::text[]))`;
    case 'status':
      return sql`((CASE WHEN t.deleted_at IS NOT NULL THEN 'deleted' ELSE t.status END) = ANY(${words}::text[]))`;
    case 'policies':
      return sql`(t.policies && ${words}::text[] OR (${values.includes(null)} AND cardinality(t.policies) = 0))`;
    case 'type':
      return oneOf(sql`t.thing_type`, values);
    case 'segment':
      return oneOf(sql`t.segment`, values);
  }
}

const oneOf = (column: Sql, values: (string | null)[]): Sql =>
  sql`(CASE WHEN ${column} IS NULL THEN ${values.includes(null)} ELSE ${column} = ANY(${said(values)}::text[]) END)`;

function ofAttribute(attribute: string, values: (string | null)[], { trusted }: Evaluation): Sql {
  const answer = oneOf(sql`(t.attributes ->> ${attribute}::text)`, values);
  if (!trusted) return answer;
  return sql`(CASE WHEN ${attribute}::text = ANY(${deviceAttributes}) THEN NULL ELSE ${answer} END)`;
}

/** A glob as LIKE has it. */
const likeOf = (glob: string): string =>
  glob
    .replace(/[\\%_]/g, '\\$&')
    .replace(/\*+/g, '%')
    .replaceAll('?', '_');

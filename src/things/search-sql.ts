import { sql, type Database } from '../db/client.js';
import type { ThingStatus } from '../registry.js';
import type { Span } from '../api/paging.js';
import type { ThingQuery } from '../thing-query/query.js';
import { matchingThings } from '../thing-query/query-sql.js';

type Sql = ReturnType<typeof sql>;

/** Which things a list shows: those that match all of its fields. */
export type ThingFilter = {
  thingType?: string | undefined;
  status?: ThingStatus | 'deleted' | undefined;
  policy?: string | undefined;
  segment?: string | undefined;
  enrollment?: string | undefined;
  namePrefix?: string | undefined;
  /** A part of the name; capitals do not matter. */
  search?: string | undefined;
  /** `name=value` */
  attribute?: string | undefined;
  /** All of which are true, and when that is asked. */
  matching?: { queries: ThingQuery[]; now: Date } | undefined;
};

/** The keys that a list of things can have. */
export type ThingOrder = 'name' | 'createdAt';

/** Where a page of things begins: after a name, or after a time and an id. */
export type ThingSpan = Span<string[]> & { by: ThingOrder };

type Found = { id: string; name: string; createdAt: Date };

/** A page examines at most so many things: one that few match may be short or empty while there is more. */
export const mostExamined = 50_000;

/** The keys of a row in an order. */
const keysOf = (by: ThingOrder, { id, name, createdAt }: Found): string[] =>
  by === 'name' ? [name] : [createdAt.toISOString(), id];

/** Finds things by an index in the order of the list, so that a late page costs what the first does. */
export function createThingSearch(db: Database, budget = mostExamined) {
  // What an index finds narrows what is examined; the rest is looked at in what was examined.
  const narrowing = (account: string, { policy, segment, enrollment, namePrefix }: ThingFilter): Sql => sql`
    account_name = ${account} AND former_name IS NULL
    ${policy === undefined ? none : sql`AND policies @> ${[policy]}::text[]`}
    ${segment === undefined ? none : sql`AND segment = ${segment}`}
    ${enrollment === undefined ? none : sql`AND enrollment_id = ${enrollment}::uuid`}
    ${namePrefix === undefined ? none : between(namePrefix)}`;

  const examined = (
    account: string,
    filter: ThingFilter,
    { by, after, descending }: ThingSpan,
    most: number,
  ): Sql => sql`
    SELECT id, name, created_at, thing_type, status, deleted_at, attributes, policies, segment FROM things
    WHERE ${narrowing(account, filter)} ${after === undefined ? none : beyond(by, after, descending)}
    ORDER BY ${orders[by][descending ? 'desc' : 'asc']} LIMIT ${most}`;

  return {
    /** The things of a page, and after which keys there may be more: the page is full, or it has examined enough. */
    async find(account: string, filter: ThingFilter, span: ThingSpan): Promise<{ ids: string[]; next?: string[] }> {
      const { by, descending, limit } = span;
      const found = await db.$queryRaw<Found[]>(sql`
        SELECT id, name, created_at AS "createdAt" FROM (${examined(account, filter, span, budget)}) AS t
        WHERE ${looking(filter)} ORDER BY ${orders[by][descending ? 'desc' : 'asc']} LIMIT ${limit + 1}`);
      const ids = found.slice(0, limit).map(({ id }) => id);
      if (found.length > limit) return { ids, next: keysOf(by, found[limit - 1]!) };
      if (!isLooking(filter)) return { ids };
      const [last] = await db.$queryRaw<Found[]>(sql`
        SELECT id, name, created_at AS "createdAt" FROM (${examined(account, filter, span, budget)}) AS t
        ORDER BY ${orders[by][descending ? 'desc' : 'asc']} OFFSET ${budget - 1} LIMIT 1`);
      return last ? { ids, next: keysOf(by, last) } : { ids };
    },

    /** How many things match, of those that one page examines at most. */
    async count(account: string, filter: ThingFilter, most: number): Promise<number> {
      const all: ThingSpan = { by: 'name', after: undefined, descending: false, limit: most };
      const [row] = await db.$queryRaw<{ count: bigint }[]>(sql`
        SELECT count(*) AS count FROM (
          SELECT 1 FROM (${examined(account, filter, all, budget)}) AS t WHERE ${looking(filter)} LIMIT ${most}) AS counted`);
      return Number(row!.count);
    },
  };
}

const none = sql``;

/** The order of bytes is the same in every database, and a prefix is a range in it. */
const orders = {
  name: { asc: sql`name COLLATE "C"`, desc: sql`name COLLATE "C" DESC` },
  createdAt: { asc: sql`created_at, id`, desc: sql`created_at DESC, id DESC` },
};

// No name has a character above this one.
const lastCharacter = '\u007f';

const between = (prefix: string): Sql =>
  sql`AND name COLLATE "C" >= ${prefix} AND name COLLATE "C" < ${prefix + lastCharacter}`;

function beyond(by: ThingOrder, [key, id]: string[], descending: boolean): Sql {
  if (by === 'name') return descending ? sql`AND name COLLATE "C" < ${key}` : sql`AND name COLLATE "C" > ${key}`;
  return descending
    ? sql`AND (created_at, id) < (${key}::timestamptz, ${id}::uuid)`
    : sql`AND (created_at, id) > (${key}::timestamptz, ${id}::uuid)`;
}

const isLooking = ({ thingType, status, search, attribute, matching }: ThingFilter): boolean =>
  [thingType, status, search, attribute, matching].some((each) => each !== undefined);

/** What no index finds. */
function looking({ thingType, status, search, attribute, matching }: ThingFilter): Sql {
  return sql`TRUE
    ${thingType === undefined ? none : sql`AND thing_type = ${thingType}`}
    ${status === undefined ? none : ofStatus(status)}
    ${search === undefined ? none : sql`AND position(lower(${search}) in lower(name)) > 0`}
    ${attribute === undefined ? none : having(attribute)}
    ${matching === undefined ? none : asked(matching)}`;
}

function asked({ queries, now }: NonNullable<ThingFilter['matching']>): Sql {
  return queries.reduce((all, query) => sql`${all} AND ${matchingThings(query, { now, trusted: false })}`, none);
}

function ofStatus(status: ThingStatus | 'deleted'): Sql {
  if (status === 'deleted') return sql`AND deleted_at IS NOT NULL`;
  return status === 'revoked' ? sql`AND status = ${status} AND deleted_at IS NULL` : sql`AND status = ${status}`;
}

function having(attribute: string): Sql {
  const at = attribute.indexOf('=');
  return sql`AND attributes ->> ${attribute.slice(0, at)} = ${attribute.slice(at + 1)}`;
}

import { createHash } from 'node:crypto';
import { z } from 'zod';
import { DomainError } from '../errors.js';
import { nameOf, named } from './named.js';

/** `?limit=&cursor=` of every list. */
export const pageQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(1000).default(100).describe('The most items of a page'),
  cursor: z.string().max(1024).optional().describe('`nextCursor` of the page before, with the same filters'),
});

/** `?total=true` of lists that can be counted. */
export const totalQuery = {
  total: z.enum(['true', 'false']).optional().describe('Also count all items that match; it takes longer'),
};

/** `?sort=` of a list that can be read by any of `keys`, forwards or, with a hyphen, backwards. The first is the default. */
export const sortQuery = <const Key extends string>(keys: readonly [Key, ...Key[]]) => ({
  sort: z
    .enum([...keys, ...keys.map((key) => `-${key}` as const)])
    .default(keys[0] as never)
    .describe('The order; with a hyphen, backwards'),
});

/** At most so many items are counted. */
export const mostCounted = 10_000;

/** A page of a list, for answers. */
export const page = <Item extends z.ZodType>(item: Item) =>
  named(
    `${nameOf(item)}Page`,
    'A page of a list',
    z.object({
      items: z.array(item).describe('The items of this page'),
      nextCursor: z.string().optional().describe('Send it as `cursor` for the next page; absent on the last page'),
      total: z.int().optional().describe('With `total=true`: how many items match on all pages'),
      totalIsMinimum: z.literal(true).optional().describe('There are more than `total`: counting stopped'),
    }),
  );

type Page<Item> = { items: Item[]; nextCursor?: string };

/** A range of a sorted list: what comes after `after`, which is the key of the last row of the page before. */
export type Span<Key = string> = { after: Key | undefined; descending: boolean; limit: number };

/** Where a page begins. Its cursors name the list, the filters and the order, and lead nowhere in another. */
export type Place = {
  limit: number;
  descending: boolean;
  /** The keys after which the page begins, of the forms that the list gives out. @throws DomainError `invalid-request` */
  after(...forms: RegExp[]): string[] | undefined;
  cursorAt(keys: string[]): string;
};

type Query = {
  limit: number;
  cursor?: string | undefined;
  sort?: string | undefined;
  total?: string | undefined;
  [filter: string]: unknown;
};

/** The place that a query asks for in a list. `list` tells lists apart, and those of accounts. */
export function placeIn(list: string, { limit, cursor, total: _, ...scope }: Query): Place {
  const said = Object.entries(scope).filter(([, value]) => value !== undefined);
  said.sort(([a], [b]) => (a < b ? -1 : 1));
  const scopeMark = createHash('sha256')
    .update(JSON.stringify([list, said]))
    .digest('base64url')
    .slice(0, 16);
  return {
    limit,
    descending: scope.sort?.startsWith('-') ?? false,
    after(...forms) {
      if (cursor === undefined) return undefined;
      const [mark, ...keys] = readCursor(cursor);
      if (mark === scopeMark && keys.length === forms.length && forms.every((form, at) => form.test(keys[at]!)))
        return keys;
      throw unknownCursor();
    },
    cursorAt: (keys) => Buffer.from(JSON.stringify([scopeMark, ...keys])).toString('base64url'),
  };
}

/** The range of a list with one key, whose form is `form`. @throws DomainError `invalid-request` */
export function spanOf(place: Place, form: RegExp): Span {
  const { limit, descending } = place;
  return { after: place.after(form)?.[0], descending, limit: limit + 1 };
}

/** A condition on the key of a range, for Prisma. */
export function beyond<Key>({ after, descending }: Span<Key>): { lt: Key } | { gt: Key } | undefined {
  if (after === undefined) return undefined;
  return descending ? { lt: after } : { gt: after };
}

/** The order of a range, for Prisma. */
export const orderOf = ({ descending }: Span<unknown>): 'asc' | 'desc' => (descending ? 'desc' : 'asc');

/** A filter by the beginning of a name. */
export type Named = { namePrefix?: string | undefined };

/** The same for Prisma. */
export const startsWith = ({ namePrefix }: Named): { startsWith?: string } =>
  namePrefix === undefined ? {} : { startsWith: namePrefix };

/** A page out of one row more than was asked for; the keys of the last row shown are where the next one begins. */
export function pageOf<Row, Item>(
  rows: Row[],
  place: Place,
  keysOf: (row: Row) => string | string[],
  toItem: (row: Row) => Item,
): Page<Item> {
  const shown = rows.slice(0, place.limit);
  const items = shown.map(toItem);
  const last = shown.at(-1);
  return rows.length > place.limit && last ? { items, nextCursor: place.cursorAt([keysOf(last)].flat()) } : { items };
}

/** What a page says of all items, if it is asked to. `count` counts at most one more than {@link mostCounted}. */
export async function totalOf(
  { total }: { total?: string | undefined },
  count: (most: number) => Promise<number>,
): Promise<{ total?: number; totalIsMinimum?: true }> {
  if (total !== 'true') return {};
  const found = await count(mostCounted + 1);
  return found > mostCounted ? { total: mostCounted, totalIsMinimum: true } : { total: found };
}

/** The form of ids in cursors. */
export const uuidForm = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The form of numbers in cursors. */
export const numberForm = /^\d{1,18}$/;

/** The form of times in cursors. */
export const timeForm = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

function readCursor(cursor: string): string[] {
  try {
    const parts: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
    if (Array.isArray(parts) && parts.every((part) => typeof part === 'string')) return parts;
  } catch {
    // It is no cursor.
  }
  throw unknownCursor();
}

function unknownCursor(): DomainError {
  return new DomainError(
    'invalid-request',
    'cursor: send the nextCursor of this list unchanged, with the same filters and sort',
  );
}

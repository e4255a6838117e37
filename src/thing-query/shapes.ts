import { z } from 'zod';
import { named } from '../api/named.js';
import { mostOfQuery } from './query.js';

const one = z.string().max(mostOfQuery.charactersOfValue);
const word = one.nullable();
const words = z.union([word, z.array(word).min(1).max(mostOfQuery.values)]);
const names = z.union([one, z.array(one).min(1).max(mostOfQuery.values)]);
const nested = z.record(z.string(), z.unknown());
const time = z
  .string()
  .max(64)
  .meta({ description: 'A time (RFC 3339), or a span from now such as `30d` or `-12h`', examples: ['30d'] });

/** Times that a query compares, or null where there is none. */
const times = named(
  'TimeRange',
  'Times between two others, or null where there is none',
  z
    .strictObject({ after: time, before: time })
    .partial()
    .refine(({ after, before }) => (after ?? before) !== undefined, 'must have before, after or both'),
).nullable();

/** One level of a query as an object. What is nested in it is read by the same shape, so that depth is counted. */
export const queryLevel = named(
  'ThingQueryObject',
  'A question about things: all members are true at once, and one value of a list is enough',
  z
    .strictObject({
      name: names.describe('Names: `*` is any text, `?` one character'),
      type: words.describe('Types; null is none'),
      status: names.describe('`active`, `suspended`, `revoked` or `deleted`'),
      segment: words.describe('Segments; null is none'),
      policies: words.describe('Policies, of which the thing has one; null is no policy at all'),
      attributes: z.record(z.string(), words).describe('Values by attribute; null is an attribute that is absent'),
      certificate: named(
        'CertificateQuery',
        'What the certificates of a thing are like',
        z.strictObject({ notAfter: times.describe('When the last certificate that is not revoked expires') }),
      ).describe('The same as `certificate.notAfter`, nested'),
      'certificate.notAfter': times.describe('When the last certificate that is not revoked expires; null is none'),
      lastSeenAt: times.describe('When the thing was last seen; null is never'),
      and: z.array(nested).min(1).max(mostOfQuery.comparisons).describe('Queries that are all true'),
      or: z.array(nested).min(1).max(mostOfQuery.comparisons).describe('Queries of which one is true'),
      not: nested.describe('A query that is false'),
    })
    .partial()
    .refine((level) => Object.values(level).some((each) => each !== undefined), 'must have at least one member'),
);

/** A query in its text form. */
export const queryText = z
  .string()
  .min(1)
  .max(mostOfQuery.characters)
  .meta({
    description: 'A question about things, as a text; docs/groups.md has its words',
    examples: ['type = pump and attributes.site in (oslo, bergen)'],
  });

/** A query in either form. */
export const anyQuery = named(
  'ThingQuery',
  'Which things: a text, or the same as an object',
  z.union([queryText, queryLevel]),
);

/** One level of a query as an object. */
export type QueryLevel = z.output<typeof queryLevel>;
/** A query as it was sent, and as it is kept. */
export type AnyQuery = z.output<typeof anyQuery>;

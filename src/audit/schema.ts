import { z } from 'zod';
import { named } from '../api/named.js';
import { page, pageQuery, totalQuery } from '../api/paging.js';
import { instant, timestamp } from '../shapes.js';

export const entry = named(
  'AuditEntry',
  'Something that somebody changed',
  z.object({
    id: z.string().describe('Rises with every entry'),
    at: timestamp.describe('When it happened'),
    actor: z.string().describe('Who did it, such as `key:` and the id of an API key'),
    action: z.string().describe('What was done, such as `thing.set-policies`'),
    target: z.string().describe('To what, such as `thing:pump-17`'),
    requestId: z.string().optional().describe('The request that did it'),
    sourceIp: z.string().optional().describe('The address that the request came from'),
    detail: z.record(z.string(), z.unknown()).describe('More about it, depending on the action'),
  }),
);

const filters = {
  actor: z.string().max(300).optional().describe('Entries by this actor'),
  action: z.string().max(100).optional().describe('Entries of this action'),
  target: z.string().max(300).optional().describe('Entries about this object'),
  from: instant.optional().describe('Entries from then on'),
  to: instant.optional().describe('Entries before then'),
};
const after = z
  .string()
  .regex(/^\d{1,18}$/, 'must be the id of an entry')
  .optional();

export const entryPage = page(entry);
export const query = pageQuery
  .extend({
    ...filters,
    ...totalQuery,
    after: after.meta({
      description: 'Entries after this id, oldest first: ask again with the last id to follow the audit',
      examples: ['0'],
    }),
  })
  .refine(({ after: id, cursor }) => id === undefined || cursor === undefined, 'send after or cursor, not both');
export const exportQuery = z.strictObject({
  ...filters,
  after: after.meta({ description: 'Entries after this id: the last id of the export before', examples: ['0'] }),
});

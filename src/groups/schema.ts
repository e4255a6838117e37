import { z } from 'zod';
import { named } from '../api/named.js';
import { page, pageQuery, sortQuery, totalQuery } from '../api/paging.js';
import { groupName, timestamp } from '../shapes.js';
import { anyQuery } from '../thing-query/shapes.js';

const query = anyQuery.describe('Which things are in it, asked again for each act');

export const newGroup = named('NewGroup', 'A group to create', z.strictObject({ name: groupName, query })).meta({
  examples: [{ name: 'oslo-pumps', query: { type: 'pump', attributes: { site: ['oslo'] } } }],
});

export const groupPatch = named('GroupPatch', 'What to change of a group', z.strictObject({ query })).meta({
  examples: [{ query: 'type = pump and not status = suspended' }],
});

export const group = named(
  'Group',
  'Things that a question is true of',
  z.object({
    name: groupName,
    query,
    createdAt: timestamp.describe('When it was made'),
    createdBy: z.string().describe('Who made it'),
    changedAt: timestamp.describe('When its query was last changed'),
  }),
);
export const groupPage = page(group);
export const groupQuery = pageQuery.extend({
  ...sortQuery(['name']),
  ...totalQuery,
  namePrefix: z.string().max(64).optional().describe('Groups whose names begin so'),
});
export const groupParams = z.strictObject({ name: groupName });

export type NewGroup = z.output<typeof newGroup>;

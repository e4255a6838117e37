import { z } from 'zod';
import { named } from '../api/named.js';
import { page, pageQuery, sortQuery, totalQuery } from '../api/paging.js';
import { policyName, segmentName, thingName, thingType, timestamp, uuid } from '../shapes.js';

const status = z.enum(['open', 'used']);

export const expected = named(
  'ExpectedThing',
  'A thing that is expected: it has no identity yet, or got the one that it was expected for',
  z.object({
    name: thingName,
    status: status.describe('Used, once a device has got this identity'),
    type: thingType.optional(),
    attributes: z.record(z.string(), z.string()).describe('The attributes that its thing gets'),
    policies: z
      .array(policyName)
      .optional()
      .describe('The policies that its thing gets; those of the enrollment when absent'),
    segment: segmentName.optional(),
    keySha256: z
      .string()
      .optional()
      .describe('SHA-256 of the public key (SubjectPublicKeyInfo) that the device has to have, in hex'),
    hasCode: z.boolean().describe('The device has to name a one-time code'),
    createdAt: timestamp.describe('When it was first expected'),
    createdBy: z.string().describe('Who expects it'),
    usedAt: timestamp.optional().describe('When a device got this identity'),
    thingId: uuid.optional().describe('The id of the thing that it became'),
  }),
);
export const expectedPage = page(expected);
export const expectedParams = z.strictObject({ name: thingName });
export const expectedQuery = pageQuery.extend({
  ...sortQuery(['name']),
  ...totalQuery,
  status: status.optional().describe('Expected things of this status'),
  type: thingType.optional().describe('Expected things of this type'),
  segment: segmentName.optional().describe('Expected things of this segment'),
  namePrefix: z
    .string()
    .regex(/^[A-Za-z0-9:_-]{1,128}$/, 'must be the beginning of a name')
    .meta({ description: 'How the name begins', examples: ['meter-'] })
    .optional(),
});

const badRow = named(
  'BadRow',
  'A row that was not taken',
  z.object({
    line: z.int().describe('The line in the upload, from 1'),
    name: thingName.optional(),
    reason: z.string().describe('Why it was not taken'),
  }),
);
export const report = named(
  'ExpectedThingsReport',
  'What became of an upload. With `accept: application/x-ndjson` it comes as lines while the upload runs',
  z.object({
    rows: z.int().describe('The rows that were read'),
    added: z.int().describe('Those that are expected from now on'),
    changed: z.int().describe('Those that were expected, and differ'),
    unchanged: z.int().describe('Those that were expected already, and do not differ'),
    refused: z.int().describe('Those that were not taken'),
    errors: z.array(badRow).max(1000).describe('The first 1,000 of those'),
  }),
);

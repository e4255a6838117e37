import { z } from 'zod';
import {
  anySerialNumber,
  attributeValue,
  instant,
  mostInt,
  policyName,
  serialNumber,
  thingName,
  timestamp,
} from '../../shapes.js';
import { reason } from '../schema.js';

const filter = z
  .strictObject({
    thingNames: z.array(thingName).min(1).max(10_000),
    group: attributeValue.describe('Things whose attribute "group" is this'),
    enrollment: z.uuid().describe('Things that this enrollment created'),
    policy: policyName.describe('Things that have this policy'),
    issuedBefore: instant,
    lineageOf: anySerialNumber.describe('Certificates with the key of this one, and everything renewed from them'),
  })
  .partial()
  .refine((value) => Object.values(value).some((each) => each !== undefined), 'must have at least one field');

/** What certificates a bulk revocation selects: those that match all of its fields. */
export type BulkFilter = z.infer<typeof filter>;

export const bulkRequest = z
  .strictObject({
    filter,
    reason,
    dryRun: z.literal(true).optional(),
    expectedCount: z.int().min(0).max(mostInt).optional().describe('The count that dryRun returned'),
    proof: z.string().max(8192).optional().describe('A JWT signed by the compromised key: bars it in every account'),
  })
  .refine(
    ({ dryRun, expectedCount }) => (dryRun === undefined) !== (expectedCount === undefined),
    'must have dryRun, or the expectedCount that dryRun returned, but not both',
  )
  .refine(
    ({ proof, reason: why, filter: { lineageOf } }) =>
      proof === undefined || (why === 'keyCompromise' && lineageOf !== undefined),
    'proof requires the reason keyCompromise and the filter lineageOf',
  );

export type BulkRequest = z.infer<typeof bulkRequest>;

export const preview = z.object({
  count: z.int(),
  things: z.int(),
  sample: z.array(z.object({ serialNumber, thingName: z.string() })),
});

export const bulk = z.object({
  id: z.uuid(),
  status: z.enum(['running', 'done']),
  reason,
  expectedCount: z.int(),
  revoked: z.int(),
  position: z.int().optional(),
  cursor: z.string().optional(),
  createdAt: timestamp,
  finishedAt: timestamp.optional(),
});

import { z } from 'zod';
import { named } from '../../api/named.js';
import {
  anySerialNumber,
  attributeValue,
  instant,
  mostInt,
  policyName,
  serialNumber,
  thingName,
  timestamp,
  uuid,
} from '../../shapes.js';
import { anyQuery } from '../../thing-query/shapes.js';
import { reason } from '../schema.js';

const filter = named(
  'BulkFilter',
  'What certificates are selected: those that match all of its fields',
  z
    .strictObject({
      thingNames: z.array(thingName).min(1).max(10_000).describe('Certificates of these things'),
      group: attributeValue.describe(
        'Things in the group of this name; without such a group, things whose attribute "group" is this',
      ),
      query: anyQuery.describe('Things that this is true of'),
      enrollment: uuid.describe('Things that this enrollment created'),
      policy: policyName.describe('Things that have this policy'),
      issuedBefore: instant.describe('Certificates that were issued before'),
      lineageOf: anySerialNumber.describe('Certificates with the key of this one, and everything renewed from them'),
    })
    .partial()
    .refine((value) => Object.values(value).some((each) => each !== undefined), 'must have at least one field'),
);

/** What certificates a bulk revocation selects: those that match all of its fields. */
export type BulkFilter = z.infer<typeof filter>;

export const bulkRequest = named(
  'BulkRevocationRequest',
  'Certificates to revoke: look with dryRun, then send the count',
  z
    .strictObject({
      filter,
      reason,
      dryRun: z.literal(true).optional().describe('Only say how many it would revoke'),
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
    ),
).meta({ examples: [{ filter: { thingNames: ['pump-17'] }, reason: 'privilegeWithdrawn', dryRun: true }] });

export type BulkRequest = z.infer<typeof bulkRequest>;

export const preview = named(
  'BulkRevocationPreview',
  'What a bulk revocation would revoke',
  z.object({
    count: z.int().describe('How many certificates; send it as expectedCount'),
    things: z.int().describe('How many things have them'),
    sample: z
      .array(
        named(
          'SampleCertificate',
          'A certificate',
          z.object({ serialNumber, thingName: z.string().describe('The thing that has it') }),
        ),
      )
      .describe('Some of them'),
  }),
);

export const bulk = named(
  'BulkRevocation',
  'A bulk revocation and its progress',
  z.object({
    id: uuid.describe('The id of the bulk revocation'),
    status: z.enum(['running', 'done']).describe('Whether it is finished'),
    reason,
    expectedCount: z.int().describe('How many certificates it selected'),
    revoked: z.int().describe('How many are revoked so far'),
    position: z.int().optional().describe('The position of the last entry in the log'),
    cursor: z.string().optional().describe('The same as a cursor'),
    createdAt: timestamp.describe('When it began'),
    finishedAt: timestamp.optional().describe('When it was finished'),
  }),
);
export const bulkAnswer = named('BulkRevocationAnswer', 'A preview, or a bulk revocation', z.union([bulk, preview]));

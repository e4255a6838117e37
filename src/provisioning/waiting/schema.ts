import { z } from 'zod';
import {
  attributes,
  page,
  pageQuery,
  policyName,
  serialNumber,
  thingName,
  thingType,
  timestamp,
} from '../../shapes.js';

const status = z.enum(['waiting', 'approved', 'denied']);

export const waiting = z.object({
  id: z.uuid(),
  status,
  enrollment: z.uuid(),
  name: thingName.describe('As the device asked for it first'),
  thingType: thingType.optional(),
  attributes: z.record(z.string(), z.string()).describe('What the device says of itself'),
  keyFingerprint: z
    .string()
    .describe('SHA-256 of the public key (SubjectPublicKeyInfo) of the CSR, in hex: compare it with the device'),
  sourceIp: z.string().optional().describe('Where the first request came from'),
  timesSeen: z.int(),
  firstSeenAt: timestamp,
  lastSeenAt: timestamp,
  expiresAt: timestamp.optional().describe('When an undecided entry is forgotten'),
  decidedAt: timestamp.optional(),
  decidedBy: z.string().optional(),
  reason: z.string().optional().describe('Why it was denied'),
  grantedName: thingName.optional().describe('The thing that an approved device became'),
  serialNumber: serialNumber.optional(),
  collectedAt: timestamp.optional().describe('When an approved device fetched its certificate'),
});
export const waitingPage = page(waiting);
export const waitingParams = z.strictObject({ id: z.uuid() });
export const waitingQuery = pageQuery.extend({ enrollment: z.uuid().optional(), status: status.optional() });

/** What an operator changes of what the device asked for, within the enrollment. */
export const approval = z
  .strictObject({
    name: thingName.optional(),
    attributes: attributes
      .optional()
      .describe('In place of those that the device asked for: names that the enrollment has in deviceAttributes'),
    policies: z.array(policyName).max(20).optional().describe('Some of the policies of the enrollment'),
  })
  .nullish();

export const denial = z.strictObject({
  reason: z
    .string()
    .min(1)
    .max(500)
    .regex(/^[ -~\u00a0-\ud7ff\ue000-\uffff]+$/, 'must have no control characters')
    .describe('The device is told this'),
});

import { z } from 'zod';
import { named } from '../../api/named.js';
import { page, pageQuery } from '../../api/paging.js';
import { attributes, policyName, serialNumber, thingName, thingType, timestamp, uuid } from '../../shapes.js';

const status = z.enum(['waiting', 'approved', 'denied']);
const id = uuid.describe('The id of the waiting device');

export const waiting = named(
  'WaitingDevice',
  'A device that asked for an identity which an operator has to approve',
  z.object({
    id,
    status: status.describe('What was decided about it'),
    enrollment: uuid.describe('The enrollment that it asks by'),
    name: thingName.describe('As the device asked for it first'),
    thingType: thingType.optional(),
    attributes: z.record(z.string(), z.string()).describe('What the device says of itself'),
    keyFingerprint: z
      .string()
      .describe('SHA-256 of the public key (SubjectPublicKeyInfo) of the CSR, in hex: compare it with the device'),
    sourceIp: z.string().optional().describe('Where the first request came from'),
    timesSeen: z.int().describe('How often it has asked'),
    firstSeenAt: timestamp.describe('When it first asked'),
    lastSeenAt: timestamp.describe('When it last asked'),
    expiresAt: timestamp.optional().describe('When an undecided entry is forgotten'),
    decidedAt: timestamp.optional().describe('When it was approved or denied'),
    decidedBy: z.string().optional().describe('Who approved or denied it'),
    reason: z.string().optional().describe('Why it was denied'),
    grantedName: thingName.optional().describe('The thing that an approved device became'),
    serialNumber: serialNumber.optional(),
    collectedAt: timestamp.optional().describe('When an approved device fetched its certificate'),
  }),
);
export const waitingPage = page(waiting);
export const waitingParams = z.strictObject({ id });
export const waitingQuery = pageQuery.extend({
  enrollment: uuid.optional().describe('Devices that ask by this enrollment'),
  status: status.optional().describe('Devices of this status'),
});

/** What an operator changes of what the device asked for, within the enrollment. */
export const approval = named(
  'Approval',
  'What to change of what a device asked for, within its enrollment',
  z.strictObject({
    name: thingName.optional(),
    attributes: attributes
      .optional()
      .describe('In place of those that the device asked for: names that the enrollment has in deviceAttributes'),
    policies: z.array(policyName).max(20).optional().describe('Some of the policies of the enrollment'),
  }),
)
  .nullish()
  .meta({ examples: [{ name: 'pump-17' }] });

export const denial = named(
  'Denial',
  'Why a device is denied',
  z.strictObject({
    reason: z
      .string()
      .min(1)
      .max(500)
      .regex(/^[ -~\u00a0-\ud7ff\ue000-\uffff]+$/, 'must have no control characters')
      .meta({ description: 'The device is told this', examples: ['not ours'] }),
  }),
).meta({ examples: [{ reason: 'not ours' }] });

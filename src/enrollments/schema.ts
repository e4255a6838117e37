import { z } from 'zod';
import { parseRange } from '../address.js';
import {
  attributeName,
  attributes,
  instant,
  page,
  policyName,
  renewGraceSeconds,
  segmentName,
  thingType,
  timestamp,
} from '../shapes.js';

const thingNamePattern = z
  .string()
  .regex(/^[A-Za-z0-9:_*?-]{1,128}$/, 'must be a thing name with * for any text and ? for one character');
const cidr = z
  .string()
  .refine((text) => parseRange(text) !== undefined, 'must be an address range such as 10.0.0.0/8 or 2001:db8::/32');

export const newEnrollment = z
  .strictObject({
    policy: policyName.optional(),
    policies: z.array(policyName).min(1).max(20).optional(),
    thingNamePattern,
    thingType: thingType.optional(),
    maxUses: z.int().min(1).max(10_000_000),
    expiresAt: z
      .union([instant, z.literal('never')])
      .optional()
      .describe('In 30 days when absent; never is the way to none'),
    sourceCidrs: z.array(cidr).min(1).max(100).optional(),
    attributes: attributes.optional(),
    deviceAttributes: z.array(attributeName).max(50).optional(),
    segment: segmentName.optional(),
    approval: z
      .literal('required')
      .optional()
      .describe('Every device waits until it is approved: POST /v1/waiting/{id}/approve'),
    renewGraceSeconds: renewGraceSeconds.optional(),
  })
  .refine(
    ({ policy, policies }) => policy === undefined || policies === undefined,
    'name policy or policies, not both',
  );

export const createdEnrollment = z.object({ id: z.uuid(), token: z.string() });
export const enrollment = z.object({
  id: z.uuid(),
  status: z.enum(['active', 'exhausted', 'expired', 'revoked']),
  policies: z.array(policyName),
  thingNamePattern: z.string(),
  thingType: thingType.optional(),
  maxUses: z.int(),
  uses: z.int(),
  expiresAt: timestamp.optional(),
  sourceCidrs: z.array(z.string()),
  attributes: z.record(z.string(), z.string()),
  deviceAttributes: z.array(z.string()),
  segment: segmentName.optional(),
  approval: z.literal('required').optional(),
  renewGraceSeconds: renewGraceSeconds.optional(),
  createdAt: timestamp,
  createdBy: z.string(),
  revokedAt: timestamp.optional(),
});
export const enrollmentPage = page(enrollment);
export const enrollmentParams = z.strictObject({ id: z.uuid() });
/** What may change of an enrollment; null takes it away, so that the account's counts. */
export const enrollmentPatch = z.strictObject({ renewGraceSeconds: renewGraceSeconds.nullable() });
/** With `andThings`, everything that the enrollment made is revoked too. */
export const revokeEnrollment = z.strictObject({ andThings: z.boolean().optional() }).nullish();

export type NewEnrollment = z.output<typeof newEnrollment>;

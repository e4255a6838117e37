import { z } from 'zod';
import {
  attributeName,
  inAws,
  attributeValue,
  issuedCertificate,
  links,
  page,
  pageQuery,
  policyName,
  renderedPolicy,
  segmentName,
  session,
  thing,
  thingName,
  thingType,
  timestamp,
  trust,
} from '../shapes.js';

export const fullThing = thing.extend({
  status: z.enum(['active', 'suspended', 'revoked', 'deleted']),
  deletedAt: timestamp.optional(),
  nameFreeAt: timestamp
    .optional()
    .describe(
      'Of a deleted thing: when its last certificate has expired and can be renewed no more; from then on its name can be provisioned again',
    ),
  policies: z.array(policyName),
  enrollment: z.uuid(),
  segment: segmentName.optional(),
  lastSeenAt: timestamp.optional(),
  aws: inAws.optional(),
});
/** A thing that was read by itself. */
export const oneThing = fullThing.extend({
  sessions: z.array(session).describe('Its live sessions at edges, the newest 100'),
});
export const thingPage = page(fullThing);
export const thingParams = z.strictObject({ name: thingName });
export const thingQuery = pageQuery.extend({
  thingType: thingType.optional(),
  status: z.enum(['active', 'suspended', 'revoked', 'deleted']).optional(),
  policy: policyName.optional(),
  segment: segmentName.optional(),
  enrollment: z.uuid().optional(),
});

/** A merge patch (RFC 7396) of the one member that may change: null takes an attribute away. */
export const thingPatch = z.strictObject({ attributes: z.record(attributeName, attributeValue.nullable()) });
export const thingPolicies = z.strictObject({ policies: z.array(policyName).max(20) });
/** What is listed: nothing that could be released, and `superseded` is for renewals alone. */
export const reenrollRequest = z
  .strictObject({
    reason: z
      .enum(['unspecified', 'keyCompromise', 'affiliationChanged', 'cessationOfOperation', 'privilegeWithdrawn'])
      .optional()
      .describe(
        'The reason with which the first use of the new certificate revokes the earlier ones; cessationOfOperation by default',
      ),
  })
  .nullish();
export const reenrollment = z.object({
  enrollment: z.uuid(),
  token: z.string(),
  expiresAt: timestamp,
  refusedByNameUntil: timestamp
    .optional()
    .describe(
      'Until then authorize refuses thingName alone, unless the key has enforcesCrl: earlier certificates are unexpired',
    ),
});

export const self = z.object({
  thing: thing.extend({ policies: z.array(policyName) }),
  certificate: issuedCertificate,
  policies: z.array(renderedPolicy),
  serverTime: timestamp,
  links,
  trust: trust.optional(),
});

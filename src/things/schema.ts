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
  thing,
  thingName,
  thingType,
  timestamp,
} from '../http/shapes.js';

export const fullThing = thing.extend({
  policies: z.array(policyName),
  enrollment: z.uuid(),
  segment: segmentName.optional(),
  lastSeenAt: timestamp.optional(),
  aws: inAws.optional(),
});
export const thingPage = page(fullThing);
export const thingParams = z.strictObject({ name: thingName });
export const thingQuery = pageQuery.extend({
  thingType: thingType.optional(),
  status: z.enum(['active', 'suspended', 'revoked']).optional(),
  policy: policyName.optional(),
  segment: segmentName.optional(),
  enrollment: z.uuid().optional(),
});

/** A merge patch (RFC 7396) of the one member that may change: null takes an attribute away. */
export const thingPatch = z.strictObject({ attributes: z.record(attributeName, attributeValue.nullable()) });
export const thingPolicies = z.strictObject({ policies: z.array(policyName).max(20) });
export const reenrollment = z.object({ enrollment: z.uuid(), token: z.string(), expiresAt: timestamp });

export const self = z.object({
  thing: fullThing.omit({ enrollment: true, lastSeenAt: true, segment: true, aws: true }),
  certificate: issuedCertificate,
  policies: z.array(renderedPolicy),
  serverTime: timestamp,
  links,
});

import { z } from 'zod';
import { page, pageQuery, segmentName, thingName, timestamp } from '../shapes.js';

const cidr = z.string().max(64);
const rules = z.array(z.union([z.string().max(1024), z.record(z.string(), z.unknown())])).max(256);
const bandwidth = z.string().regex(/^\d{1,6}(\.\d{1,3})?(bps|kbps|Mbps|Gbps)$/, 'must be a rate such as 10Mbps');

const trafficPolicy = z.strictObject({
  bandwidthLimit: bandwidth.default('10Mbps'),
  connectionLimit: z.int().min(0).max(1_000_000_000).default(100),
  rateLimit: z
    .strictObject({
      requestsPerSecond: z.number().min(0).max(1_000_000_000).default(1000),
      burst: z.int().min(0).max(1_000_000_000).default(100),
    })
    .prefault({}),
  qos: z
    .strictObject({
      priority: z.enum(['low', 'normal', 'high', 'critical']).default('normal'),
      latencyTargetMs: z.number().min(0).max(3_600_000).default(100),
    })
    .prefault({}),
});

const settings = {
  cidr,
  securityLevel: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, and _ -'),
  allowedProtocols: z.array(z.enum(['MQTT', 'HTTP', 'CoAP'])).min(1),
  egressRules: rules,
  ingressRules: rules,
  deviceLimit: z.int().min(0).max(100_000_000),
};

export const newSegment = z.strictObject({
  name: segmentName,
  ...settings,
  securityLevel: settings.securityLevel.default('standard'),
  allowedProtocols: settings.allowedProtocols.default(['MQTT', 'CoAP']),
  egressRules: rules.default([]),
  ingressRules: rules.default([]),
  deviceLimit: settings.deviceLimit.default(1000),
  trafficPolicy: trafficPolicy.prefault({}),
});

/** A merge patch (RFC 7396); a traffic policy is replaced as a whole. */
export const segmentPatch = z.strictObject({ ...settings, trafficPolicy }).partial();

export const segment = z.object({
  name: segmentName,
  ...settings,
  trafficPolicy,
  things: z.int(),
  createdAt: timestamp,
});
export const segmentPage = page(segment);
export const segmentQuery = pageQuery;
export const segmentParams = z.strictObject({ name: segmentName });
export const membershipParams = z.strictObject({ name: segmentName, thingName });
export const membership = z.object({ segment: segmentName, thingName });

export type NewSegment = z.output<typeof newSegment>;
export type SegmentPatch = z.output<typeof segmentPatch>;

import { z } from 'zod';
import { named } from '../api/named.js';
import { page, pageQuery, sortQuery, totalQuery } from '../api/paging.js';
import { segmentName, thingName, timestamp } from '../shapes.js';

const rules = z.array(z.union([z.string().max(1024), z.record(z.string(), z.unknown())])).max(256);
const bandwidth = z
  .string()
  .regex(/^\d{1,6}(\.\d{1,3})?(bps|kbps|Mbps|Gbps)$/, 'must be a rate such as 10Mbps')
  .meta({ description: 'The most that a device sends', examples: ['10Mbps'] });

const rateLimit = named(
  'RateLimit',
  'How often a device may ask',
  z.strictObject({
    requestsPerSecond: z.number().min(0).max(1_000_000_000).default(1000).describe('Requests a second'),
    burst: z.int().min(0).max(1_000_000_000).default(100).describe('Requests at once'),
  }),
);
const qos = named(
  'QualityOfService',
  'How urgent the traffic of a device is',
  z.strictObject({
    priority: z.enum(['low', 'normal', 'high', 'critical']).default('normal').describe('What goes first'),
    latencyTargetMs: z.number().min(0).max(3_600_000).default(100).describe('The latency to aim at, in milliseconds'),
  }),
);
const trafficPolicy = named(
  'TrafficPolicy',
  'What proxies are told as `limits`',
  z.strictObject({
    bandwidthLimit: bandwidth.default('10Mbps'),
    connectionLimit: z.int().min(0).max(1_000_000_000).default(100).describe('Connections at once'),
    rateLimit: rateLimit.prefault({}),
    qos: qos.prefault({}),
  }),
);

const settings = {
  cidr: z.string().max(64).describe('The addresses that devices of the segment may come from, such as 10.20.0.0/16'),
  securityLevel: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, and _ -')
    .meta({ description: 'Any word', examples: ['standard'] }),
  allowedProtocols: z
    .array(z.enum(['MQTT', 'HTTP', 'CoAP']))
    .min(1)
    .describe('What devices of the segment may speak'),
  egressRules: rules.describe('For your network: Thingward keeps them'),
  ingressRules: rules.describe('For your network: Thingward keeps them'),
  deviceLimit: z.int().min(0).max(100_000_000).describe('The most things in the segment'),
};

export const newSegment = named(
  'NewSegment',
  'A segment to create',
  z.strictObject({
    name: segmentName,
    ...settings,
    securityLevel: settings.securityLevel.default('standard'),
    allowedProtocols: settings.allowedProtocols.default(['MQTT', 'CoAP']),
    egressRules: settings.egressRules.default([]),
    ingressRules: settings.ingressRules.default([]),
    deviceLimit: settings.deviceLimit.default(1000),
    trafficPolicy: trafficPolicy.prefault({}),
  }),
).meta({ examples: [{ name: 'floor-1', cidr: '10.20.0.0/16', allowedProtocols: ['MQTT'] }] });

/** A merge patch (RFC 7396); a traffic policy is replaced as a whole. */
export const segmentPatch = named(
  'SegmentPatch',
  'A merge patch (RFC 7396); a traffic policy is replaced as a whole',
  z.strictObject({ ...settings, trafficPolicy }).partial(),
).meta({ examples: [{ deviceLimit: 2000 }] });

export const segment = named(
  'Segment',
  'A part of the network, and what devices in it may do there',
  z.object({
    name: segmentName,
    ...settings,
    trafficPolicy,
    things: z.int().describe('How many things are in the segment'),
    createdAt: timestamp.describe('When the segment was created'),
  }),
);
export const segmentPage = page(segment);
export const segmentQuery = pageQuery.extend({
  ...sortQuery(['name']),
  ...totalQuery,
  namePrefix: z.string().max(64).optional().describe('Segments whose names begin so'),
});
export const segmentParams = z.strictObject({ name: segmentName });
export const membershipParams = z.strictObject({ name: segmentName, thingName });
export const membership = named(
  'SegmentMembership',
  'The segment that a thing is in',
  z.object({ segment: segmentName, thingName }),
);

export type NewSegment = z.output<typeof newSegment>;
export type SegmentPatch = z.output<typeof segmentPatch>;

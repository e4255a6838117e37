import { z } from 'zod';
import { accountName, logCursor, policyName, segmentName, serialNumber, thingName, timestamp } from '../shapes.js';

const fingerprint = z.string().regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in 64 lower-case hex digits');

/** At most this many certificates are asked about at once. */
export const mostFingerprints = 500;

/** An entry in the view of edges: flat, as the feed shows entries. */
const entry = z.looseObject({ position: z.int(), at: timestamp, type: z.string() });

export const edgeSnapshotQuery = z.strictObject({
  page: z.string().max(256).optional().describe('For the pages after the first: next of the page before has it'),
});

export const edgeSnapshot = z.object({
  epoch: z.string(),
  position: z.int(),
  cursor: logCursor.describe('Follow /v1/edge/stream from here; it is the same on every page'),
  account: z
    .object({ name: accountName, status: z.string(), settings: z.record(z.string(), z.string()) })
    .optional()
    .describe('On the first page'),
  tokenIssuer: z.string().optional().describe('On the first page: iss of access tokens'),
  issuers: z.array(z.string()).optional().describe('On the first page: a chain in PEM for every authority that issues'),
  jwks: z
    .object({ keys: z.array(z.looseObject({ kid: z.string(), retiresAt: timestamp.optional() })) })
    .optional()
    .describe('On the first page: RFC 7517, with the time from which a key counts no longer'),
  promises: z
    .object({ bearer: z.boolean(), enforcesCrl: z.boolean(), followsFeed: z.boolean() })
    .optional()
    .describe('On the first page: what the owner of this key promised about it'),
  policies: z.array(z.object({ name: policyName, version: z.int(), document: z.unknown() })),
  segments: z.array(
    z.object({
      name: segmentName,
      cidr: z.string(),
      allowedProtocols: z.array(z.string()),
      trafficPolicy: z.looseObject({}),
    }),
  ),
  things: z.array(entry).describe('What the log said of things within the last half hour'),
  certificates: z
    .array(entry)
    .describe('Revocations, holds and their ends within the last half hour; apply them with things by position'),
  serverTime: timestamp,
  next: z.string().optional().describe('The path of the next page'),
});

export const askedPrincipals = z.strictObject({
  fingerprints: z.array(fingerprint).min(1).max(mostFingerprints),
  atLeast: logCursor.optional(),
});

export const principal = z.object({
  fingerprint,
  thingName,
  thingId: z.uuid(),
  type: z.string().nullable(),
  attributes: z.record(z.string(), z.string()),
  policies: z.array(policyName),
  segment: segmentName.nullable(),
  status: z.string(),
  gen: z.int(),
  serialNumber,
  notAfter: timestamp,
  reason: z.string().optional().describe('Why the certificate is revoked or held'),
  otherLive: z
    .boolean()
    .optional()
    .describe('With reason: whether the thing has another certificate that is valid or held, so that it may come back'),
});

export const foundPrincipals = z.object({ principals: z.array(principal.nullable()), cursor: logCursor });

import { z } from 'zod';
import { named } from '../api/named.js';
import {
  accountName,
  logCursor,
  logPosition,
  pipelineName,
  policyName,
  segmentName,
  serialNumber,
  thingName,
  timestamp,
  uuid,
} from '../shapes.js';

const fingerprint = z
  .string()
  .regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in 64 lower-case hex digits')
  .meta({
    description: 'SHA-256 of the certificate in DER, in lower-case hex',
    examples: ['9b1f0c5de2a94b6f8e3d7c1a05f4b2d86e7a9c3b1d0f5e4a8b6c2d9e7f3a1b50'],
  });

/** At most this many certificates are asked about at once. */
export const mostFingerprints = 500;

/** An entry in the view of edges: flat, as the feed shows entries. */
const entry = named(
  'EdgeEntry',
  'An entry of the log in the view of edges; the other members depend on its type',
  z.looseObject({
    position: logPosition,
    at: timestamp.describe('When it happened'),
    type: z.string().describe('The type of the entry, such as `certificate`'),
  }),
);

export const edgeSnapshotQuery = z.strictObject({
  page: z.string().max(256).optional().describe('For the pages after the first: next of the page before has it'),
});

const account = named(
  'EdgeAccount',
  'The account of an edge',
  z.object({
    name: accountName,
    status: z.string().describe('`active` or `suspended`'),
    settings: z.record(z.string(), z.string()).describe('Its settings, such as `timeZone`'),
  }),
);
const keySet = named(
  'EdgeKeySet',
  'The keys that verify access tokens (RFC 7517)',
  z.object({
    keys: z
      .array(
        named(
          'EdgeKey',
          'A public key',
          z.looseObject({
            kid: z.string().describe('The id of the key'),
            retiresAt: timestamp.optional().describe('From then on the key counts no longer'),
          }),
        ),
      )
      .describe('The keys'),
  }),
);
const promises = named(
  'EdgePromises',
  'What the owner of a key promised about it',
  z.object({
    bearer: z.boolean().describe('A token alone counts'),
    enforcesCrl: z.boolean().describe('The name of a thing alone counts'),
    followsFeed: z.boolean().describe('What a feed entry names is dropped'),
  }),
);
const policy = named(
  'EdgePolicy',
  'An active policy',
  z.object({
    name: policyName,
    version: z.int().describe('The active version'),
    document: z.unknown().describe('The document'),
  }),
);
const pipelineDocument = named(
  'EdgePipelineDocument',
  'A pipeline document as it was written',
  z.looseObject({ name: pipelineName }),
);
const pipeline = named(
  'EdgePipeline',
  'An active pipeline',
  z.object({
    name: pipelineName,
    version: z.int().describe('The active version'),
    document: pipelineDocument.describe('The document'),
  }),
);
const segment = named(
  'EdgeSegment',
  'What edges need of a segment',
  z.object({
    name: segmentName,
    cidr: z.string().describe('The addresses of the segment'),
    allowedProtocols: z.array(z.string()).describe('What devices of the segment may speak'),
    trafficPolicy: z.record(z.string(), z.unknown()).describe('What is told as `limits`'),
  }),
);

export const edgeSnapshot = named(
  'EdgeSnapshot',
  'A page of what an edge decides from',
  z.object({
    epoch: z.string().describe('The epoch of the log'),
    position: logPosition.describe('The position that all pages belong to'),
    cursor: logCursor.describe('Follow /v1/edge/stream from here; it is the same on every page'),
    account: account.optional().describe('On the first page'),
    tokenIssuer: z.string().optional().describe('On the first page: iss of access tokens'),
    issuers: z
      .array(z.string())
      .optional()
      .describe('On the first page: a chain in PEM for every authority that issues'),
    jwks: keySet.optional().describe('On the first page: RFC 7517, with the time from which a key counts no longer'),
    promises: promises.optional().describe('On the first page: what the owner of this key promised about it'),
    policies: z.array(policy).describe('Active policies'),
    segments: z.array(segment).describe('Segments'),
    pipelines: z.array(pipeline).describe('Active pipelines'),
    things: z.array(entry).describe('What the log said of things within the last half hour'),
    certificates: z
      .array(entry)
      .describe('Revocations, holds and their ends within the last half hour; apply them with things by position'),
    serverTime: timestamp.describe('The time of the server'),
    next: z.string().optional().describe('The path of the next page'),
  }),
);

export const askedPrincipals = named(
  'PrincipalsRequest',
  'Certificates whose holders are asked for',
  z.strictObject({
    fingerprints: z.array(fingerprint).min(1).max(mostFingerprints).describe('The certificates, at most 500'),
    atLeast: logCursor.optional().describe('Answer with everything up to this place of the log'),
  }),
).meta({ examples: [{ fingerprints: ['9b1f0c5de2a94b6f8e3d7c1a05f4b2d86e7a9c3b1d0f5e4a8b6c2d9e7f3a1b50'] }] });

export const principal = named(
  'CertificateHolder',
  'The holder of a certificate, as edges judge it',
  z.object({
    fingerprint,
    thingName,
    thingId: uuid.describe('The id of the thing'),
    type: z.string().nullable().describe('The type of the thing'),
    attributes: z.record(z.string(), z.string()).describe('The attributes of the thing'),
    policies: z.array(policyName).describe('The policies of the thing'),
    segment: segmentName.nullable().describe('The segment of the thing'),
    status: z.string().describe('The status of the thing'),
    gen: z.int().describe('Rises with every change of the thing'),
    serialNumber,
    notAfter: timestamp.describe('When the certificate expires'),
    reason: z.string().optional().describe('Why the certificate is revoked or held'),
    otherLive: z
      .boolean()
      .optional()
      .describe(
        'With reason: whether the thing has another certificate that is valid or held, so that it may come back',
      ),
  }),
);

export const foundPrincipals = named(
  'Principals',
  'The holders of certificates',
  z.object({
    principals: z.array(principal.nullable()).describe('In the order of the fingerprints; null for unknown ones'),
    cursor: logCursor.describe('How far the log is applied in this answer'),
  }),
);

const edgeThing = named(
  'EdgeThing',
  'A thing, as those judge it who know devices by their names alone',
  z.object({
    thingName,
    thingId: uuid.describe('The id of the thing'),
    type: z.string().nullable().describe('The type of the thing'),
    attributes: z.record(z.string(), z.string()).describe('The attributes of the thing'),
    policies: z.array(policyName).describe('The policies of the thing'),
    segment: segmentName.nullable().describe('The segment of the thing'),
    status: z.string().describe('The status of the thing; revoked for one that was deleted'),
    gen: z.int().describe('Rises with every change of the thing'),
    serialNumber: serialNumber.nullable().describe('Of the certificate that counts: a valid one before others'),
    notAfter: timestamp.nullable().describe('When that certificate expires; null without one'),
    live: z.boolean().describe('Whether that certificate is neither revoked, held nor expired'),
    revoked: z
      .int()
      .nullable()
      .describe('The place in the log at which one of its certificates was revoked or held last'),
  }),
);

export const askedThings = named(
  'EdgeThingsRequest',
  'Names of things that are asked for',
  z.strictObject({
    names: z.array(thingName).min(1).max(mostFingerprints).describe('The names, at most 500'),
    atLeast: logCursor.optional().describe('Answer with everything up to this place of the log'),
  }),
).meta({ examples: [{ names: ['pump-17'] }] });

export const foundThings = named(
  'EdgeThings',
  'Things by their names',
  z.object({
    things: z
      .array(edgeThing.nullable())
      .describe('In the order of the names; null for names that no thing has or had'),
    cursor: logCursor.describe('How far the log is applied in this answer'),
  }),
);

export const edgeThingsQuery = z.strictObject({
  after: thingName.optional().describe('Things after this name'),
});

export const listedThings = named(
  'EdgeThingPage',
  'Things in the order of their names',
  z.object({
    things: z.array(edgeThing).describe('At most 1000'),
    cursor: logCursor.describe('How far the log is applied in this answer'),
    next: z.string().optional().describe('The path of the next page'),
  }),
);

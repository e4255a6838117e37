import { z } from 'zod';
import { named } from '../api/named.js';
import { page, pageQuery, sortQuery, totalQuery } from '../api/paging.js';
import {
  attributeName,
  inAws,
  attributeValue,
  groupName,
  issuedCertificate,
  links,
  policyName,
  renderedPolicy,
  segmentName,
  session,
  thing,
  thingName,
  thingNameForm,
  thingType,
  timestamp,
  trust,
  uuid,
} from '../shapes.js';
import { queryText } from '../thing-query/shapes.js';

const thingStatus = z.enum(['active', 'suspended', 'revoked', 'deleted']);
const policies = z.array(policyName);

const ofThing = {
  status: thingStatus.describe('Only an active thing gets certificates and rights'),
  deletedAt: timestamp.optional().describe('When the thing was deleted'),
  nameFreeAt: timestamp
    .optional()
    .describe(
      'Of a deleted thing: when its last certificate has expired and can be renewed no more; from then on its name can be provisioned again',
    ),
  policies: policies.describe('The policies that are attached'),
  enrollment: uuid.describe('The enrollment that created the thing'),
  segment: segmentName.optional(),
  lastSeenAt: timestamp.optional().describe('When it last proved itself, or an edge last saw it'),
  aws: inAws.optional(),
};
export const fullThing = named('Thing', 'A device in the registry', thing.extend(ofThing));
/** A thing that was read by itself. */
export const oneThing = named(
  'ThingWithSessions',
  'A device in the registry, with its sessions',
  thing.extend({
    ...ofThing,
    sessions: z.array(session).describe('Its live sessions at edges, the newest 100'),
  }),
);
export const thingPage = page(fullThing);
export const thingParams = z.strictObject({ name: thingName });
const nameStart = z.string().regex(thingNameForm, 'must be 1 to 128 letters, digits, and : _ -');
export const thingQuery = pageQuery.extend({
  ...sortQuery(['name', 'createdAt']),
  ...totalQuery,
  namePrefix: nameStart.optional().meta({ description: 'Things whose names begin so', examples: ['pump-'] }),
  search: nameStart
    .optional()
    .meta({ description: 'Things whose names contain this; capitals do not matter', examples: ['17'] }),
  attribute: z
    .string()
    .max(330)
    .regex(/^[A-Za-z][A-Za-z0-9_-]{0,63}=/, 'must be name=value')
    .optional()
    .meta({ description: 'Things with this attribute: `name=value`', examples: ['site=oslo'] }),
  thingType: thingType.optional(),
  status: thingStatus.optional().describe('Things of this status'),
  policy: policyName.optional().describe('Things that have this policy'),
  segment: segmentName.optional().describe('Things in this segment'),
  enrollment: uuid.optional().describe('Things that this enrollment created'),
  group: groupName.optional().describe('Things in this group'),
  query: queryText.optional(),
});

/** A merge patch (RFC 7396) of the one member that may change: null takes an attribute away. */
export const thingPatch = named(
  'ThingPatch',
  'A merge patch (RFC 7396) of attributes',
  z.strictObject({
    attributes: z.record(attributeName, attributeValue.nullable()).describe('Null takes an attribute away'),
  }),
).meta({ examples: [{ attributes: { site: 'oslo' } }] });
export const thingPolicies = named(
  'ThingPolicies',
  'All policies of a thing',
  z.strictObject({ policies: policies.max(20).describe('The policies that the thing has from now on') }),
).meta({ examples: [{ policies: ['pump-telemetry'] }] });
/** What is listed: nothing that could be released, and `superseded` is for renewals alone. */
export const reenrollRequest = named(
  'ReenrollRequest',
  'How the earlier certificates of a thing end',
  z.strictObject({
    reason: z
      .enum(['unspecified', 'keyCompromise', 'affiliationChanged', 'cessationOfOperation', 'privilegeWithdrawn'])
      .optional()
      .describe(
        'The reason with which the first use of the new certificate revokes the earlier ones; cessationOfOperation by default',
      ),
  }),
)
  .nullish()
  .meta({ examples: [{ reason: 'keyCompromise' }] });
export const reenrollment = named(
  'Reenrollment',
  'A one-use enrollment for one thing',
  z.object({
    enrollment: uuid.describe('The id of the enrollment'),
    token: z.string().describe('The enrollment token, twe_...; it is shown once'),
    expiresAt: timestamp.describe('When the enrollment ends'),
    refusedByNameUntil: timestamp
      .optional()
      .describe(
        'Until then authorize refuses thingName alone, unless the key has enforcesCrl: earlier certificates are unexpired',
      ),
  }),
);

export const self = named(
  'Self',
  'What a device may know about itself',
  z.object({
    thing: named(
      'SelfThing',
      'The thing that asks',
      thing.extend({ policies: policies.describe('The policies that are attached') }),
    ),
    certificate: issuedCertificate,
    policies: z.array(renderedPolicy).describe('Its policies, rendered for this thing'),
    serverTime: timestamp.describe('The time of the server'),
    renewAt: timestamp
      .optional()
      .describe('The device is asked to renew from then on, whatever the age of its certificate; absent once it has'),
    links,
    trust: trust.optional(),
  }),
);

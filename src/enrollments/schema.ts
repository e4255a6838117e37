import { z } from 'zod';
import { parseRange } from '../address.js';
import { named } from '../api/named.js';
import { page } from '../api/paging.js';
import { secret, url } from '../outbound/shapes.js';
import { namePattern } from '../pki/manufacturer/names.js';
import { list as manufacturerList } from './list-schema.js';
import {
  attributeName,
  attributes,
  certificateSeconds,
  instant,
  policyName,
  renewGraceSeconds,
  segmentName,
  thingType,
  timestamp,
  uuid,
} from '../shapes.js';

const thingNamePattern = z
  .string()
  .regex(/^[A-Za-z0-9:_*?-]{1,128}$/, 'must be a thing name with * for any text and ? for one character')
  .meta({ description: 'The names that it covers: * is any text, ? one character', examples: ['pump-*'] });
const cidr = z
  .string()
  .refine((text) => parseRange(text) !== undefined, 'must be an address range such as 10.0.0.0/8 or 2001:db8::/32')
  .describe('A range of addresses');

const timeoutMs = z.int().min(100).max(10_000).describe('Milliseconds until no answer is one; 5,000 by default');
const newCheck = named(
  'NewEnrollmentCheck',
  'A URL that is asked before a device is admitted',
  z.strictObject({ url, timeoutMs: timeoutMs.optional(), secret: secret.optional() }),
).meta({ examples: [{ url: 'https://hooks.example.com/devices', timeoutMs: 2000 }] });
const check = named(
  'EnrollmentCheck',
  'A URL that is asked before a device is admitted',
  z.object({ url: z.string().describe('Where it is asked'), timeoutMs }),
);

const deviceName = z
  .string()
  .max(512)
  .regex(namePattern, 'must be text with {CN}, {serialNumber}, {hwType}, {hwSerialNum} or {hwSerialNumHex} in it')
  .meta({
    description:
      'The name of a thing, made of its certificate: {CN} and {serialNumber} of the subject, {hwType}, {hwSerialNum} and {hwSerialNumHex} of a hardwareModuleName (IEEE 802.1AR)',
    examples: ['meter-{serialNumber}'],
  });
const authorityPem = z.string().min(1).max(65_536).describe('PEM: the authority, and those above it, in any order');
const newAuthority = named(
  'NewEnrollmentAuthority',
  'The authority of a manufacturer whose devices are admitted',
  z.strictObject({
    certificates: authorityPem,
    thingName: deviceName,
    verificationCertificate: z
      .string()
      .min(1)
      .max(65_536)
      .optional()
      .describe('PEM: a certificate that the key of the authority signed, whose CN is the code that a refusal names'),
  }),
).meta({ examples: [{ certificates: '-----BEGIN CERTIFICATE-----\n…', thingName: 'meter-{serialNumber}' }] });
const authority = named(
  'EnrollmentAuthority',
  'The authority of a manufacturer whose devices are admitted',
  z.object({
    certificates: authorityPem,
    thingName: deviceName,
    isProved: z.boolean().describe('Whoever created the enrollment proved the key of the authority'),
    crl: manufacturerList.optional(),
  }),
);

export const newEnrollment = named(
  'NewEnrollment',
  'An enrollment to create',
  z
    .strictObject({
      policy: policyName.optional().describe('The one policy of its things'),
      policies: z.array(policyName).min(1).max(20).optional().describe('The policies of its things, at most 20'),
      thingNamePattern,
      thingType: thingType.optional().describe('The type of its things; devices may name no other'),
      maxUses: z.int().min(1).max(10_000_000).describe('How many things it may create'),
      expiresAt: z
        .union([instant, z.literal('never')])
        .optional()
        .describe('When the enrollment ends: in 30 days when absent; `never` is the way to none'),
      sourceCidrs: z.array(cidr).min(1).max(100).optional().describe('The addresses that devices may come from'),
      attributes: attributes.optional().describe('The attributes of its things'),
      deviceAttributes: z
        .array(attributeName)
        .max(50)
        .optional()
        .describe('Attributes that devices may set themselves'),
      segment: segmentName.optional().describe('The segment of its things'),
      approval: z
        .literal('required')
        .optional()
        .describe('Every device waits until it is approved: POST /v1/waiting/{id}/approve'),
      renewGraceSeconds: renewGraceSeconds.optional(),
      certificateSeconds: certificateSeconds.optional(),
      check: newCheck.optional(),
      expectedOnly: z
        .boolean()
        .optional()
        .describe('Only things that are expected get an identity: POST /v1/things/expected'),
      kind: z
        .literal('ca')
        .optional()
        .describe('Devices that a certificate of their manufacturer proves; needs ca, and expectedOnly or a proof'),
      ca: newAuthority.optional(),
    })
    .refine(
      ({ policy, policies }) => policy === undefined || policies === undefined,
      'name policy or policies, not both',
    )
    .refine(({ kind, ca }) => (kind === 'ca') === (ca !== undefined), 'kind ca goes with ca'),
).meta({ examples: [{ policy: 'pump-telemetry', thingNamePattern: 'pump-*', maxUses: 100 }] });

const enrollmentId = uuid.describe('The id of the enrollment');
export const createdEnrollment = named(
  'CreatedEnrollment',
  'A new enrollment',
  z.object({
    id: enrollmentId,
    token: z
      .string()
      .describe('The enrollment token, twe_...; it is shown once. That of an enrollment of kind ca admits nobody'),
    checkSecret: z.string().optional().describe('What signs its check, where the request named none; it is shown once'),
    acmeDirectory: z.string().describe('Where clients of ACME begin (RFC 8555)'),
    eab: named(
      'ExternalAccountBinding',
      'What lets clients of ACME make an account under an enrollment; it is shown once, and as secret as the token',
      z.object({
        kid: z.string().describe('Names the enrollment: --eab-kid of certbot, --kid of lego'),
        hmacKey: z.string().describe('The key in base64url: --eab-hmac-key of certbot, --hmac of lego'),
      }),
    ),
  }),
);
export const enrollment = named(
  'Enrollment',
  'Who may create things, and which',
  z.object({
    id: enrollmentId,
    status: z.enum(['active', 'exhausted', 'expired', 'revoked']).describe('Only an active one creates things'),
    policies: z.array(policyName).describe('The policies of its things'),
    thingNamePattern: z.string().describe('The names that it covers'),
    thingType: thingType.optional(),
    maxUses: z.int().describe('How many things it may create'),
    uses: z.int().describe('How many things it has created'),
    expiresAt: timestamp.optional().describe('When the enrollment ends'),
    sourceCidrs: z.array(z.string()).describe('The addresses that devices may come from; empty for all'),
    attributes: z.record(z.string(), z.string()).describe('The attributes of its things'),
    deviceAttributes: z.array(z.string()).describe('Attributes that devices may set themselves'),
    segment: segmentName.optional(),
    approval: z.literal('required').optional().describe('Its devices wait until they are approved'),
    renewGraceSeconds: renewGraceSeconds.optional(),
    certificateSeconds: certificateSeconds.optional(),
    check: check.optional(),
    expectedOnly: z.literal(true).optional().describe('Only things that are expected get an identity'),
    kind: z.literal('ca').optional().describe('Devices that a certificate of their manufacturer proves'),
    ca: authority.optional(),
    createdAt: timestamp.describe('When the enrollment was created'),
    createdBy: z.string().describe('Who created the enrollment'),
    revokedAt: timestamp.optional().describe('When the enrollment was stopped'),
  }),
);
export const enrollmentPage = page(enrollment);
export const enrollmentParams = z.strictObject({ id: enrollmentId });
/** What may change of an enrollment; null takes it away, so that the account's counts. */
export const enrollmentPatch = named(
  'EnrollmentPatch',
  'What to change of an enrollment; null takes it away, so that that of the account counts',
  z.strictObject({
    renewGraceSeconds: renewGraceSeconds.nullable().describe('Null takes it away, so that that of the account counts'),
  }),
).meta({ examples: [{ renewGraceSeconds: 2_592_000 }] });
/** With `andThings`, everything that the enrollment made is revoked too. */
export const revokeEnrollment = named(
  'RevokeEnrollment',
  'How far an enrollment is revoked',
  z.strictObject({
    andThings: z.boolean().optional().describe('Also revoke every thing that it created'),
  }),
)
  .nullish()
  .meta({ examples: [{ andThings: false }] });

export type NewEnrollment = z.output<typeof newEnrollment>;

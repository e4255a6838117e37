import { z } from 'zod';
import { named } from '../api/named.js';
import { awsStatement, mostInt, policyName, thingName, timestamp, uuid } from '../shapes.js';
import { awsCalls } from './client/calls.js';

const roleArn = z
  .string()
  .regex(/^arn:aws[a-z-]*:iam::\d{12}:role\/[\w+=,.@/-]{1,512}$/, 'must be the ARN of an IAM role')
  .meta({ examples: ['arn:aws:iam::123456789012:role/thingward'] });
const url = z.url({ protocol: /^https?$/ }).max(512);
const rate = z.number().min(0.1).max(10_000);

const place = {
  mode: z.enum(['register-without-ca', 'register-with-ca']).describe('How certificates are registered in AWS'),
  awsAccount: z
    .string()
    .regex(/^\d{12}$/, 'must be the 12 digits of an AWS account')
    .meta({ description: 'The AWS account', examples: ['123456789012'] }),
  region: z
    .string()
    .regex(/^[a-z]{2}(-[a-z]+){1,3}-\d{1,2}$/, 'must be an AWS region, such as eu-central-1')
    .meta({ description: 'The AWS region', examples: ['eu-central-1'] }),
  roleArn: roleArn
    .optional()
    .describe('Assumed with the ExternalId of GET /v1/aws; without a role, the server uses its own credentials'),
  endpoint: url.optional().describe('Instead of the public endpoint of AWS IoT; only for the owner of default'),
  stsEndpoint: url.optional().describe('The same for STS; by default the endpoint, when that is given'),
};

/** The settings of a mirror. What is left out is as by default. */
export const mirrorSettings = named(
  'AwsMirrorSettings',
  'The settings of a mirror. What is left out is as by default',
  z
    .strictObject({
      ...place,
      thingGroup: z
        .string()
        .regex(/^[a-zA-Z0-9:_-]{1,128}$/, 'must be the name of an AWS thing group')
        .meta({ examples: ['thingward'] })
        .default('thingward')
        .describe('The AWS thing group of all things'),
      retentionDays: z.int().min(0).max(3650).default(30).describe('Days for which revoked certificates stay in AWS'),
      reconcileHours: z.int().min(0).max(8760).default(24).describe('Hours between comparisons; 0 is never'),
      rates: z
        .partialRecord(z.enum(awsCalls), rate)
        .default({})
        .describe('Calls a second, if they differ from the defaults of AWS'),
    })
    .refine(
      ({ roleArn: arn, awsAccount }) => arn === undefined || arn.split(':')[4] === awsAccount,
      'roleArn must be a role of the awsAccount',
    ),
).meta({ examples: [{ mode: 'register-without-ca', awsAccount: '123456789012', region: 'eu-central-1' }] });

export type MirrorSettings = z.output<typeof mirrorSettings>;

export const switchedOff = named(
  'AwsMirrorOff',
  'Switches the mirror off',
  z.strictObject({ mode: z.literal('off').describe('No mirror') }),
);
export const mirrorChange = named(
  'AwsMirrorChange',
  'The settings of a mirror, or off',
  z.union([switchedOff, mirrorSettings]),
).meta({ examples: [{ mode: 'off' }] });

const trouble = named(
  'AwsTrouble',
  'What blocks calls to AWS',
  z.object({
    call: z.string().describe('The call that fails'),
    reason: z.string().describe('Why it fails'),
    since: timestamp.describe('Since when'),
    retryAt: timestamp.optional().describe('When it is tried again'),
  }),
);
const queue = named(
  'AwsQueue',
  'Things and policies that are not up to date in AWS',
  z.object({
    pending: z.int().describe('How many are on their way'),
    failed: z.int().describe('How many failed for good'),
    oldestPendingSince: timestamp.optional().describe('Since when the oldest waits'),
  }),
);

export const mirrorView = named(
  'AwsMirror',
  'A mirror in AWS IoT Core, and its state',
  z.object({
    mode: z.enum(['off', 'register-without-ca', 'register-with-ca']).describe('How certificates are registered in AWS'),
    awsAccount: z.string().optional().describe('The AWS account'),
    region: z.string().optional().describe('The AWS region'),
    roleArn: z.string().optional().describe('The role that is assumed'),
    externalId: z.string().describe("For the role's trust policy: sts:ExternalId"),
    held: z
      .boolean()
      .optional()
      .describe(
        'Whether the AWS account is proved to be yours, with a role assumed with the externalId; no call is made before',
      ),
    endpoint: z.string().optional().describe('Instead of the public endpoint of AWS IoT'),
    stsEndpoint: z.string().optional().describe('The same for STS'),
    thingGroup: z.string().optional().describe('The AWS thing group of all things'),
    retentionDays: z.int().optional().describe('Days for which revoked certificates stay in AWS'),
    reconcileHours: z.int().optional().describe('Hours between comparisons; 0 is never'),
    rates: z.record(z.string(), z.number()).optional().describe('Calls a second'),
    queue: queue.optional(),
    trouble: trouble.optional().describe('What blocks every call'),
    reconciledAt: timestamp.optional().describe('When AWS was last compared with the registry'),
  }),
);

export const retried = named(
  'AwsRetried',
  'What is tried again',
  z.object({ retried: z.int().describe('How many things and policies') }),
);
export const thingParams = z.strictObject({ name: thingName });
export const policyParams = z.strictObject({ name: policyName });
export const policyQuery = z.strictObject({
  version: z.coerce.number().int().min(1).max(mostInt).optional().describe('The active version by default'),
});

const dryRun = z.boolean().describe('Only report');
export const reconcileRequest = named('AwsRunRequest', 'How to run', z.strictObject({ dryRun: dryRun.default(false) }))
  .nullish()
  .meta({ examples: [{ dryRun: true }] });
export const reconcileParams = z.strictObject({ id: uuid.describe('The id of the run') });
const ofRun = {
  id: uuid.describe('The id of the run'),
  dryRun,
  status: z.enum(['running', 'done', 'failed']).describe('Whether it is finished'),
  reason: z.string().optional().describe('Why it failed'),
  startedAt: timestamp.describe('When it began'),
  finishedAt: timestamp.optional().describe('When it was finished'),
};
const awsFinding = named(
  'AwsDifference',
  'A difference',
  z.object({
    kind: z.string().describe('What differs'),
    subject: z.string().describe('Of what'),
    detail: z.string().optional().describe('More about it'),
  }),
);
export const reconciliation = named(
  'AwsReconciliation',
  'A comparison of AWS with the registry',
  z.object({
    ...ofRun,
    phase: z.enum(['things', 'certificates', 'policies', 'groups', 'attachments']).describe('What is compared now'),
    progress: z
      .record(z.string(), z.int())
      .describe('What has been checked, by phase; foreign objects do not belong to Thingward'),
    counts: z.record(z.string(), z.int()).describe('Differences by kind'),
    findings: z.array(awsFinding).describe('The first thousand differences'),
  }),
);
export const reconciliations = named(
  'AwsReconciliations',
  'The last comparisons',
  z.object({ items: z.array(reconciliation).describe('Newest first, at most twenty') }),
);

export const importRequest = reconcileRequest;
const importedThing = named(
  'AwsImportedThing',
  'A thing in AWS, and what became of it',
  z.object({
    thing: z.string().describe('Its name in AWS'),
    result: z.enum(['imported', 'known', 'skipped']).describe('What became of it'),
    certificates: z.int().describe('How many certificates it has'),
    warnings: z.array(z.string()).describe('What could not be taken over'),
  }),
);
const importedPolicy = named(
  'AwsImportedPolicy',
  'A policy in AWS, and what became of it',
  z.object({
    awsName: z.string().describe('Its name in AWS'),
    name: z.string().optional().describe('Its name here, if it was taken over'),
    warnings: z.array(z.string()).describe('What could not be taken over'),
  }),
);
export const importRun = named(
  'AwsImport',
  'An import of what AWS has',
  z.object({
    ...ofRun,
    seen: z.int().describe('Things in AWS that were checked'),
    counts: z.record(z.string(), z.int()).describe('imported, known and skipped'),
    items: z.array(importedThing).describe('The first thousand that were not imported'),
    policies: z.array(importedPolicy).describe('The policies that things in AWS have'),
    enrollment: uuid.optional().describe('The enrollment of the imported things, for filters and bulk revocations'),
  }),
);

const fault = named(
  'AwsPolicyFault',
  'What AWS cannot express',
  z.object({
    statement: z.string().optional().describe('The id of the statement'),
    message: z.string().describe('What it is'),
  }),
);
const awsDocument = named(
  'AwsPolicyDocument',
  'A policy document of AWS IoT',
  z.object({
    Version: z.string().describe('The version of the language'),
    Statement: z.array(awsStatement).describe('The statements'),
  }),
);
const standing = named(
  'AwsStanding',
  'How far AWS is up to date',
  z.object({
    status: z.string().describe('Such as `active`'),
    reason: z.string().optional().describe('What it waits for, or why it failed'),
  }),
);

export const policyExport = named(
  'AwsPolicy',
  'What AWS IoT gets of a policy',
  z.object({
    name: policyName,
    version: z.int().describe('The version'),
    awsName: z.string().describe('Its name in AWS'),
    document: awsDocument
      .optional()
      .describe('Absent if AWS cannot express the policy safely; AWS then denies everything that it would allow'),
    characters: z.int().optional().describe('Its length as AWS counts it, of 2048'),
    warnings: z.array(fault).describe('What AWS decides more narrowly'),
    refusals: z.array(fault).describe('What AWS cannot express safely'),
    aws: standing.optional(),
  }),
);

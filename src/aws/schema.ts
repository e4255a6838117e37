import { z } from 'zod';
import { mostInt, policyName, thingName, timestamp } from '../shapes.js';
import { awsCalls } from './client/calls.js';

const roleArn = z
  .string()
  .regex(/^arn:aws[a-z-]*:iam::\d{12}:role\/[\w+=,.@/-]{1,512}$/, 'must be the ARN of an IAM role');
const url = z.url({ protocol: /^https?$/ }).max(512);
const rate = z.number().min(0.1).max(10_000);

const place = {
  mode: z.enum(['register-without-ca', 'register-with-ca']),
  awsAccount: z.string().regex(/^\d{12}$/, 'must be the 12 digits of an AWS account'),
  region: z.string().regex(/^[a-z]{2}(-[a-z]+){1,3}-\d{1,2}$/, 'must be an AWS region, such as eu-central-1'),
  roleArn: roleArn
    .optional()
    .describe('Assumed with the ExternalId of GET /v1/aws; without a role, the server uses its own credentials'),
  endpoint: url.optional().describe('Instead of the public endpoint of AWS IoT; only for the owner of default'),
  stsEndpoint: url.optional().describe('The same for STS; by default the endpoint, when that is given'),
};

/** The settings of a mirror. What is left out is as by default. */
export const mirrorSettings = z
  .strictObject({
    ...place,
    thingGroup: z
      .string()
      .regex(/^[a-zA-Z0-9:_-]{1,128}$/, 'must be the name of an AWS thing group')
      .default('thingward'),
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
  );

export type MirrorSettings = z.output<typeof mirrorSettings>;

export const switchedOff = z.strictObject({ mode: z.literal('off') });

const trouble = z.object({
  call: z.string(),
  reason: z.string(),
  since: timestamp,
  retryAt: timestamp.optional(),
});

export const mirrorView = z.object({
  mode: z.enum(['off', 'register-without-ca', 'register-with-ca']),
  awsAccount: z.string().optional(),
  region: z.string().optional(),
  roleArn: z.string().optional(),
  externalId: z.string().describe("For the role's trust policy: sts:ExternalId"),
  held: z
    .boolean()
    .optional()
    .describe(
      'Whether the AWS account is proved to be yours, with a role assumed with the externalId; no call is made before',
    ),
  endpoint: z.string().optional(),
  stsEndpoint: z.string().optional(),
  thingGroup: z.string().optional(),
  retentionDays: z.int().optional(),
  reconcileHours: z.int().optional(),
  rates: z.record(z.string(), z.number()).optional(),
  queue: z
    .object({ pending: z.int(), failed: z.int(), oldestPendingSince: timestamp.optional() })
    .optional()
    .describe('Things and policies that are not up to date in AWS'),
  trouble: trouble.optional().describe('What blocks every call'),
  reconciledAt: timestamp.optional(),
});

export const retried = z.object({ retried: z.int() });
export const thingParams = z.strictObject({ name: thingName });
export const policyParams = z.strictObject({ name: policyName });
export const policyQuery = z.strictObject({ version: z.coerce.number().int().min(1).max(mostInt).optional() });

export const reconcileRequest = z.strictObject({ dryRun: z.boolean().default(false) }).nullish();
export const reconcileParams = z.strictObject({ id: z.uuid() });
export const reconciliation = z.object({
  id: z.uuid(),
  dryRun: z.boolean(),
  status: z.enum(['running', 'done', 'failed']),
  phase: z.enum(['things', 'certificates', 'policies', 'groups', 'attachments']),
  progress: z
    .record(z.string(), z.int())
    .describe('What has been checked, by phase; foreign objects do not belong to Thingward'),
  counts: z.record(z.string(), z.int()).describe('Differences by kind'),
  findings: z
    .array(z.object({ kind: z.string(), subject: z.string(), detail: z.string().optional() }))
    .describe('The first thousand differences'),
  reason: z.string().optional(),
  startedAt: timestamp,
  finishedAt: timestamp.optional(),
});
export const reconciliations = z.object({ items: z.array(reconciliation) });

export const importRequest = reconcileRequest;
export const importRun = z.object({
  id: z.uuid(),
  dryRun: z.boolean(),
  status: z.enum(['running', 'done', 'failed']),
  seen: z.int().describe('Things in AWS that were checked'),
  counts: z.record(z.string(), z.int()).describe('imported, known and skipped'),
  items: z
    .array(
      z.object({
        thing: z.string(),
        result: z.enum(['imported', 'known', 'skipped']),
        certificates: z.int(),
        warnings: z.array(z.string()),
      }),
    )
    .describe('The first thousand that were not imported'),
  policies: z.array(z.object({ awsName: z.string(), name: z.string().optional(), warnings: z.array(z.string()) })),
  enrollment: z.uuid().optional().describe('The enrollment of the imported things, for filters and bulk revocations'),
  reason: z.string().optional(),
  startedAt: timestamp,
  finishedAt: timestamp.optional(),
});

const fault = z.object({ statement: z.string().optional(), message: z.string() });

export const policyExport = z.object({
  name: policyName,
  version: z.int(),
  awsName: z.string(),
  document: z
    .object({
      Version: z.string(),
      Statement: z.array(
        z.object({
          Effect: z.enum(['Allow', 'Deny']),
          Action: z.array(z.string()),
          Resource: z.array(z.string()),
          Condition: z.record(z.string(), z.record(z.string(), z.array(z.string()))).optional(),
        }),
      ),
    })
    .optional()
    .describe('Absent if AWS cannot express the policy safely; AWS then denies everything that it would allow'),
  characters: z.int().optional().describe('Its length as AWS counts it, of 2048'),
  warnings: z.array(fault),
  refusals: z.array(fault),
  aws: z.object({ status: z.string(), reason: z.string().optional() }).optional(),
});

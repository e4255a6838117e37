import { z } from 'zod';
import {
  accountName,
  context,
  instant,
  mostInt,
  page,
  policyName,
  thingName,
  thingType,
  timestamp,
  versionNumber,
} from '../shapes.js';
import { policyDocument } from '../policy/document.js';

/** What is sent is read by `readPolicy`, which names the statement that is wrong; this documents it. */
export const document = policyDocument;
/** A further version: it may leave the name out, which is in the path. Read by `readPolicy` too. */
export const versionDocument = z.looseObject({});

export const policyParams = z.strictObject({ name: policyName });
export const versionParams = z.strictObject({
  name: policyName,
  version: z.coerce.number().int().min(1).max(mostInt),
});

const versionInfo = z.object({ version: z.int(), createdAt: timestamp, createdBy: z.string() });
export const savedVersion = z.object({ name: policyName, version: z.int(), activeVersion: z.int() });
export const policy = z.object({
  name: policyName,
  activeVersion: z.int(),
  document: policyDocument,
  versions: z.array(versionInfo).describe('The newest hundred; `/versions` lists all'),
});
export const versionPage = page(versionInfo);
export const policyVersion = versionInfo.extend({ name: policyName, active: z.boolean(), document: policyDocument });
export const policyPage = page(z.object({ name: policyName, activeVersion: z.int() }));

const finding = z.object({
  level: z.enum(['error', 'warning']),
  statement: z.string().optional(),
  message: z.string(),
});
export const lintAnswer = z.object({ ok: z.boolean(), findings: z.array(finding) });

export const activation = z.strictObject({ version: versionNumber, dryRun: z.boolean().optional() });

const outcome = z.object({ decision: z.enum(['allow', 'deny']), reasons: z.array(z.string()) });
const asked = z.object({ action: z.string(), resource: z.string(), context: z.record(z.string(), z.unknown()) });
const change = asked.extend({
  at: timestamp.describe('The first instant found at which the answers differ'),
  before: outcome,
  after: outcome,
});

/** What an activation would change: of recent decisions, and for the things that carry the policy. */
const blastRadius = z.object({
  decisions: z.object({
    examined: z.int(),
    changed: z.int(),
    examples: z.array(change.extend({ thingName })),
  }),
  things: z.object({
    carrying: z.int(),
    examined: z.int(),
    changed: z.int(),
    examples: z.array(z.object({ thingName, changes: z.array(change) })),
  }),
});

export const activated = z.object({
  name: policyName,
  activeVersion: z.int(),
  cursor: z.string().optional(),
  dryRun: z.literal(true).optional(),
  blastRadius: blastRadius.optional(),
});

export const simulation = z.strictObject({
  policies: z
    .array(
      z.union([
        z.strictObject({ name: policyName, version: versionNumber.optional() }),
        z.looseObject({ statements: z.unknown() }),
      ]),
    )
    .max(100)
    .optional(),
  requests: z
    .array(
      z.strictObject({
        thing: z.strictObject({
          name: thingName,
          type: thingType.optional(),
          attributes: z.record(z.string().max(64), z.string().max(1024)).optional(),
          account: accountName.optional(),
          serialNumber: z.string().max(64).optional(),
        }),
        action: z.string().max(256),
        resource: z.string().max(70_000),
        context: context.optional(),
        at: instant.optional(),
      }),
    )
    .max(1000),
});

export const simulated = z.object({
  zoneData: z.string().describe('The release of the IANA time zone database that was used'),
  decisions: z.array(
    outcome.extend({
      policy: z.string().optional(),
      statement: z.string().optional(),
      validUntil: timestamp,
      statements: z.array(
        z.object({ policy: z.string(), statement: z.string(), effect: z.enum(['allow', 'deny']), why: z.string() }),
      ),
    }),
  ),
});

export type Simulation = z.output<typeof simulation>;
export type Simulated = z.output<typeof simulated>;
export type BlastRadius = z.output<typeof blastRadius>;

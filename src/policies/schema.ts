import { z } from 'zod';
import { named } from '../api/named.js';
import { page, pageQuery, sortQuery, totalQuery } from '../api/paging.js';
import {
  accountName,
  context,
  instant,
  mostInt,
  policyName,
  thingName,
  thingType,
  timestamp,
  versionNumber,
} from '../shapes.js';
import { policyDocument } from '../policy/document.js';

const exampleDocument = {
  name: 'pump-telemetry',
  statements: [
    {
      id: 'telemetry',
      effect: 'allow',
      actions: ['publish'],
      resources: ['topic:acme/${thing.name}/telemetry'],
    },
  ],
};

/** What is sent is read by `readPolicy`, which names the statement that is wrong; this documents it. */
export const document = policyDocument.meta({ examples: [exampleDocument] });
/** A further version: it may leave the name out, which is in the path. Read by `readPolicy` too. */
export const versionDocument = named(
  'PolicyVersionDocument',
  'A policy document; the name may be left out',
  z.looseObject({}),
).meta({ examples: [exampleDocument] });

export const policyParams = z.strictObject({ name: policyName });
export const versionParams = z.strictObject({
  name: policyName,
  version: z.coerce.number().int().min(1).max(mostInt).describe('The number of the version'),
});

const activeVersion = z.int().describe('The version that decides now');
const versionMembers = {
  version: z.int().describe('The number of the version'),
  createdAt: timestamp.describe('When the version was saved'),
  createdBy: z.string().describe('Who saved the version'),
};
const versionInfo = named('PolicyVersionInfo', 'A version, without its document', z.object(versionMembers));
export const savedVersion = named(
  'SavedPolicyVersion',
  'What was saved',
  z.object({
    name: policyName,
    version: z.int().describe('The version that was saved'),
    activeVersion,
  }),
);
export const policy = named(
  'Policy',
  'A policy with its active document',
  z.object({
    name: policyName,
    activeVersion,
    document: policyDocument.describe('The active document'),
    versions: z.array(versionInfo).describe('The newest hundred; `/versions` lists all'),
  }),
);
export const versionPage = page(versionInfo);
export const policyVersion = named(
  'PolicyVersion',
  'A version with its document',
  z.object({
    ...versionMembers,
    name: policyName,
    active: z.boolean().describe('Whether it decides now'),
    document: policyDocument.describe('The document of this version'),
  }),
);
export const policyPage = page(
  named('PolicySummary', 'A policy, without its document', z.object({ name: policyName, activeVersion })),
);

export const policyQuery = pageQuery.extend({
  ...sortQuery(['name']),
  ...totalQuery,
  namePrefix: z.string().max(64).optional().describe('Policies whose names begin so'),
});
export const versionQuery = pageQuery.extend(totalQuery);

const finding = named(
  'PolicyFinding',
  'Something about a document',
  z.object({
    level: z.enum(['error', 'warning']).describe('A document with an error is not saved'),
    statement: z.string().optional().describe('The id of the statement'),
    message: z.string().describe('What was found, and what to do'),
  }),
);
export const lintAnswer = named(
  'PolicyFindings',
  'What Thingward finds in a document',
  z.object({
    ok: z.boolean().describe('Whether it would be saved'),
    findings: z.array(finding).describe('Errors and warnings'),
  }),
);

export const activation = named(
  'PolicyActivation',
  'The version to activate',
  z.strictObject({
    version: versionNumber,
    dryRun: z.boolean().optional().describe('Only show what would change'),
  }),
).meta({ examples: [{ version: 1 }] });

const effect = z.enum(['allow', 'deny']);
const ofOutcome = {
  decision: effect.describe('What is decided'),
  reasons: z.array(z.string()).describe('The deciding statement, or why nothing decided'),
};
const outcome = named('PolicyOutcome', 'A decision', z.object(ofOutcome));
const change = named('PolicyChange', 'A question that would be answered otherwise', z.object(changeMembers()));

function changeMembers() {
  return {
    action: z.string().describe('The action'),
    resource: z.string().describe('The resource'),
    context: z.record(z.string(), z.unknown()).describe('The context'),
    at: timestamp.describe('The first instant found at which the answers differ'),
    before: outcome.describe('The decision now'),
    after: outcome.describe('The decision with the other version'),
  };
}
const counted = {
  examined: z.int().describe('How many were examined'),
  changed: z.int().describe('How many would be answered otherwise'),
};

/** What an activation would change: of recent decisions, and for the things that carry the policy. */
const changedDecision = named(
  'ChangedDecision',
  'A recent decision that would change',
  z.object({ ...changeMembers(), thingName }),
);
const changedThing = named(
  'ChangedThing',
  'A thing for which something would change',
  z.object({ thingName, changes: z.array(change).describe('What would change') }),
);
const blastRadius = named(
  'BlastRadius',
  'What an activation would change',
  z.object({
    decisions: named(
      'ChangedDecisions',
      'Of recent decisions',
      z.object({
        ...counted,
        examples: z.array(changedDecision).describe('Some of them'),
      }),
    ),
    things: named(
      'ChangedThings',
      'Of the things that carry the policy',
      z.object({
        carrying: z.int().describe('How many carry the policy'),
        ...counted,
        examples: z.array(changedThing).describe('Some of them'),
      }),
    ),
  }),
);

export const activated = named(
  'PolicyActivated',
  'The version that is active',
  z.object({
    name: policyName,
    activeVersion,
    cursor: z.string().optional().describe('The place in the log from which the version decides'),
    dryRun: z.literal(true).optional().describe('Nothing was changed'),
    blastRadius: blastRadius.optional(),
  }),
);

const simulatedPolicy = named(
  'SimulatedPolicy',
  'A policy by name, or a document',
  z.union([
    named(
      'PolicyReference',
      'A saved policy',
      z.strictObject({
        name: policyName,
        version: versionNumber.optional().describe('The active version by default'),
      }),
    ),
    named('PolicyDraft', 'A policy document', z.looseObject({ statements: z.unknown().describe('As in a document') })),
  ]),
);
const simulatedThing = named(
  'SimulatedThing',
  'A real or an imagined thing',
  z.strictObject({
    name: thingName,
    type: thingType.optional(),
    attributes: z.record(z.string().max(64), z.string().max(1024)).optional().describe('Attributes by name'),
    account: accountName.optional(),
    serialNumber: z.string().max(64).optional().describe('Of its certificate, for policies that name it'),
  }),
);
const simulatedRequest = named(
  'SimulatedRequest',
  'A question to decide',
  z.strictObject({
    thing: simulatedThing,
    action: z.string().max(256).describe('Such as `publish`'),
    resource: z.string().max(70_000).describe('Such as `topic:acme/pump-17/telemetry`'),
    context: context.optional(),
    at: instant.optional().describe('When it is asked; now by default'),
  }),
);

export const simulation = named(
  'Simulation',
  'Policies and the questions to ask them',
  z.strictObject({
    policies: z.array(simulatedPolicy).max(100).optional().describe('By default those of the thing'),
    requests: z.array(simulatedRequest).max(1000).describe('The questions, at most 1,000'),
  }),
).meta({
  examples: [
    {
      policies: [exampleDocument],
      requests: [{ thing: { name: 'pump-17' }, action: 'publish', resource: 'topic:acme/pump-17/telemetry' }],
    },
  ],
});

const explained = named(
  'ExplainedStatement',
  'What a statement said',
  z.object({
    policy: z.string().describe('The policy'),
    statement: z.string().describe('The id of the statement'),
    effect: effect.describe('Its effect'),
    why: z.string().describe('Why it applied, or did not'),
  }),
);
export const simulated = named(
  'SimulatedDecisions',
  'What policies would decide',
  z.object({
    zoneData: z.string().describe('The release of the IANA time zone database that was used'),
    decisions: z
      .array(
        named(
          'SimulatedDecision',
          'What would be decided',
          z.object({
            ...ofOutcome,
            policy: z.string().optional().describe('The deciding policy'),
            statement: z.string().optional().describe('The deciding statement'),
            validUntil: timestamp.describe('When the answer may change'),
            statements: z.array(explained).describe('What each statement said'),
          }),
        ),
      )
      .describe('The decisions, in the order of the questions'),
  }),
);

export type Simulation = z.output<typeof simulation>;
export type Simulated = z.output<typeof simulated>;
export type BlastRadius = z.output<typeof blastRadius>;

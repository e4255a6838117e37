import { z } from 'zod';
import { named } from '../api/named.js';
import { page, pageQuery, sortQuery, totalQuery } from '../api/paging.js';
import { rfc3339 } from '../clock.js';
import { mostInt, pipelineName, thingName, thingType, timestamp, uuid, versionNumber } from '../shapes.js';
import { pipelineDocument } from '../pipeline/document.js';

const exampleDocument = {
  name: 'pump-telemetry',
  match: { types: ['pump'], topics: ['${account}/+/telemetry'] },
  values: { pressure: '$.p' },
  steps: [
    { window: { last: 60 }, emit: ['mean', 'max'] },
    { threshold: 'pressure', max: 8, severity: 'critical' },
  ],
  now: [{ severity: 'critical' }],
};

/** What is sent is read by `lintPipeline`, which says where it is wrong; this documents it. */
export const document = pipelineDocument.meta({ examples: [exampleDocument] });
/** A further version: it may leave the name out, which is in the path. Read by `lintPipeline` too. */
export const versionDocument = named(
  'PipelineVersionDocument',
  'A pipeline document; the name may be left out',
  z.looseObject({}),
).meta({ examples: [exampleDocument] });

export const pipelineParams = z.strictObject({ name: pipelineName });
export const versionParams = z.strictObject({
  name: pipelineName,
  version: z.coerce.number().int().min(1).max(mostInt).describe('The number of the version'),
});
export const pipelineQuery = pageQuery.extend({
  ...sortQuery(['name']),
  ...totalQuery,
  namePrefix: z.string().max(64).optional().describe('Pipelines whose names begin so'),
});
export const versionQuery = pageQuery.extend(totalQuery);

const activeVersion = z.int().optional().describe('The version that is active; absent where none is');
const builtIn = z.literal(true).optional().describe('It is built in, and the account has changed nothing about it');
// As it was written: a document of a later version of Thingward may say more.
const stored = named('StoredPipelineDocument', 'A pipeline document as it was written', z.looseObject({}));
const versionMembers = {
  version: z.int().describe('The number of the version'),
  createdAt: timestamp.describe('When the version was saved'),
  createdBy: z.string().describe('Who saved the version'),
};
const versionInfo = named('PipelineVersionInfo', 'A version, without its document', z.object(versionMembers));
/** A version as lists show it. */
export const describeVersion = ({
  version,
  createdAt,
  createdBy,
}: {
  version: number;
  createdAt: Date;
  createdBy: string;
}) => ({
  version,
  createdAt: rfc3339(createdAt),
  createdBy,
});
export const versionPage = page(versionInfo);
export const savedVersion = named(
  'SavedPipelineVersion',
  'What was saved',
  z.object({ name: pipelineName, version: z.int().describe('The version that was saved'), activeVersion }),
);
export const pipeline = named(
  'Pipeline',
  'A pipeline with its active document, or its newest where none is active',
  z.object({
    name: pipelineName,
    activeVersion,
    builtIn,
    document: stored.describe('The active document, or the newest where none is active'),
    versions: z.array(versionInfo).describe('The newest hundred; `/versions` lists all'),
  }),
);
export const pipelineVersion = named(
  'PipelineVersion',
  'A version with its document',
  z.object({
    ...versionMembers,
    name: pipelineName,
    active: z.boolean().describe('Whether it is active'),
    document: stored.describe('The document of this version'),
  }),
);
export const pipelinePage = page(
  named(
    'PipelineSummary',
    'A pipeline, without its document',
    z.object({ name: pipelineName, activeVersion, builtIn }),
  ),
);

const finding = named(
  'PipelineFinding',
  'Something about a document',
  z.object({
    level: z.enum(['error', 'warning']).describe('A document with an error is not saved'),
    code: z.string().describe('What it is, for programs; docs/gateway.md lists the codes'),
    at: z
      .string()
      .describe('Where, as a JSON Pointer')
      .meta({ examples: ['/steps/2/window'] }),
    message: z.string().describe('What was found, and what to do'),
  }),
);
export const lintAnswer = named(
  'PipelineFindings',
  'What Thingward finds in a document',
  z.object({
    ok: z.boolean().describe('Whether it would be saved'),
    findings: z.array(finding).describe('Errors and warnings'),
  }),
);

export const activation = named(
  'PipelineActivation',
  'The version to activate',
  z.strictObject({
    version: versionNumber.nullable().describe('The number of the version; null: none'),
    dryRun: z.boolean().optional().describe('Only show whether there is room for it'),
  }),
).meta({ examples: [{ version: 1 }] });

const share = (what: string) =>
  named(
    `Planned${what}`,
    'Shares of what a site has, 0 to 1; a plan may be more than there is',
    z.object({
      present: z.number().min(0).describe('In use, as last reported'),
      planned: z.number().min(0).describe('In use after the activation'),
    }),
  );
const sitePlan = named(
  'SitePlan',
  'What an activation would make of a site',
  z.object({
    id: uuid.describe('The id of the edge'),
    name: z.string().describe('The name of the edge'),
    fits: z.boolean().describe('Whether there is room'),
    over: z.array(z.enum(['cpu', 'memory'])).describe('Of what there is not enough'),
    cpu: share('Cpu'),
    memory: share('Memory'),
  }),
);
const planCounts = named(
  'SitePlanCounts',
  'How many sites there are',
  z.object({
    sites: z.int().describe('Sites that run pipelines and report'),
    refusing: z.int().describe('Those of them without room'),
    unknown: z.int().describe('Those that have said nothing for 30 seconds: they refuse nothing'),
  }),
);
export const activated = named(
  'PipelineActivated',
  'The version that is active',
  z.object({
    name: pipelineName,
    activeVersion,
    dryRun: z.literal(true).optional().describe('Nothing was changed'),
    fits: z.boolean().optional().describe('With dryRun: whether it would be activated'),
    sites: z.array(sitePlan).optional().describe('With dryRun: the first hundred, those without room first'),
    unknown: z.array(z.string()).optional().describe('With dryRun: names of the first hundred that are silent'),
    counts: planCounts.optional(),
  }),
);

/** The most messages of one simulation. */
export const mostMessages = 2000;
const message = named(
  'RecordedMessage',
  'A message as it was recorded',
  z
    .strictObject({
      thing: thingName,
      type: thingType.optional(),
      topic: z
        .string()
        .min(1)
        .max(1024)
        .describe('Where it was published')
        .meta({ examples: ['acme/pump-17/telemetry'] }),
      at: z.iso
        .datetime({ offset: true })
        .optional()
        .describe('When it came; as the one before by default, the first now'),
      payload: z.unknown().optional().describe('What it says, where that is JSON'),
      payloadBase64: z.string().max(360_000).optional().describe('Its octets in base64, where it is not'),
    })
    .refine(
      (each) => (each.payload === undefined) !== (each.payloadBase64 === undefined),
      'must have payload or payloadBase64, not both',
    ),
);
const recorded = {
  messages: z.array(message).max(mostMessages).describe('Messages in the order in which they came'),
  until: z.iso
    .datetime({ offset: true })
    .optional()
    .describe('Until when time passes after the last: windows end, batches are sent'),
};
const exampleMessage = { thing: 'pump-17', type: 'pump', topic: 'acme/pump-17/telemetry', payload: { p: 9 } };
export const simulation = named(
  'PipelineSimulation',
  'Recorded messages for a saved pipeline',
  z.strictObject({
    version: versionNumber.optional().describe('The active version by default, or the newest where none is active'),
    ...recorded,
  }),
).meta({ examples: [{ messages: [exampleMessage] }] });
export const draftSimulation = named(
  'PipelineDraftSimulation',
  'Recorded messages for a document',
  z.strictObject({ document: z.unknown().describe('A pipeline document'), ...recorded }),
).meta({ examples: [{ document: exampleDocument, messages: [exampleMessage] }] });

// A choice of primitives is nothing that every generator of clients can read.
const scalar = z.unknown();
const alert = named(
  'PipelineAlert',
  'A limit that a value went over',
  z.object({
    value: z.string().describe('The name of the value'),
    is: z.number().describe('What it is'),
    severity: z.string().describe('How bad that is'),
    max: z.number().optional().describe('The limit above'),
    min: z.number().optional().describe('The limit below'),
  }),
);
const publishedRecord = named(
  'PipelineRecord',
  'A record as it is published',
  z.object({
    time: z.int().describe('When it is from, or when its window ended, in milliseconds since 1970'),
    from: z.int().optional().describe('When its window began'),
    values: z.record(z.string(), scalar).describe('Its values by name: numbers, texts, true or false'),
    severity: z.string().optional().describe('The worst of its alerts'),
    alerts: z.array(alert).optional().describe('Which limits which values went over'),
  }),
);
export const simulated = named(
  'PipelineSimulated',
  'What a pipeline would do',
  z.object({
    published: z
      .array(
        named(
          'PipelinePublication',
          'What would be published at once',
          z.object({
            thing: thingName,
            topic: z.string().describe('Where'),
            at: timestamp.describe('When'),
            occasion: z.enum(['each', 'batch', 'seconds', 'now', 'evicted']).describe('Why then'),
            records: z.array(publishedRecord).describe('The records, in their order'),
          }),
        ),
      )
      .describe('In order of time'),
    deadLetters: z
      .array(
        named(
          'PipelineDeadLetter',
          'A message that would go no further',
          z.object({
            message: z.int().describe('Its place among the messages, from 0'),
            why: z.string().describe('Such as `not-decodable`; docs/gateway.md lists them'),
          }),
        ),
      )
      .describe('Messages that would go to the topic of dead letters'),
    unmatched: z.int().describe('Messages that are not for the pipeline'),
    counts: z.record(z.string(), z.int()).describe('What an edge would count'),
    truncated: z.literal(true).optional().describe('More would be published: the answer has the first part'),
  }),
);

export type Simulation = z.output<typeof simulation>;
export type Recorded = Pick<Simulation, 'messages' | 'until'>;
export type Simulated = z.output<typeof simulated>;

import { z } from 'zod';
import { named } from '../api/named.js';
import { pipelineLimits as most } from './limits.js';
import { severities } from './record.js';

const word = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, and _ -')
  .meta({ examples: ['sensor'] });
/** How a value is called; what steps add has a dot and more. */
export const valueName = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_-]{0,63}$/, 'must be a letter and then at most 63 letters, digits, _ -')
  .meta({ examples: ['temp'] });
const fieldName = z
  .string()
  .regex(
    /^[A-Za-z][A-Za-z0-9_-]{0,63}(\.[a-z][a-z0-9.]{0,15}){0,4}$/,
    'must be the name of a value, such as temp or temp.mean',
  )
  .meta({ examples: ['temp'] });
const of = z
  .array(fieldName)
  .min(1)
  .max(most.values)
  .optional()
  .describe('The values it is about: all of them by default, and after a window its means');
const seconds = z.number().min(0.001).max(most.windowSeconds);
const severity = z.enum(severities);
/** A sink or a service, by the name that an edge knows it by. */
const siteName = z
  .string()
  .max(256)
  .describe('A name in the settings of the edge, never a URL')
  .meta({ examples: ['upstream'] });

/** What a window reports about a value, beside percentiles. */
export const statistics = ['mean', 'min', 'max', 'stddev', 'sum', 'count', 'rate', 'first', 'last'] as const;
const statistic = z
  .union([
    z.enum(statistics),
    z
      .string()
      .regex(
        /^p\d{1,2}(\.\d{1,2})?$/,
        'must be mean, min, max, stddev, sum, count, rate, first, last, or a percentile such as p95',
      )
      .meta({ examples: ['p95'] }),
  ])
  .meta({ examples: ['p95'] });

const outliers = z.strictObject({
  outliers: z.literal('hampel').describe('Compares each value with the median of the latest ones'),
  window: z.int().min(3).max(301).default(11).describe('How many values, the newest among them'),
  sigmas: z.number().min(0).max(100).default(3).describe('How far from the median, in deviations, is an outlier'),
  replace: z.enum(['median', 'nothing']).default('median').describe('By what'),
  of,
});
const smooth = named(
  'SmoothStep',
  'Takes noise out of values',
  z.union([
    named(
      'AveragingStep',
      'The mean of the latest values',
      z.strictObject({
        smooth: z.literal('average').describe('Moving average'),
        window: z.int().min(2).max(most.window).default(5).describe('Of how many values'),
        of,
      }),
    ),
    named(
      'WeightingStep',
      'The exponentially weighted mean',
      z.strictObject({
        smooth: z.literal('ewma').describe('Exponentially weighted moving average'),
        alpha: z.number().gt(0).max(1).describe('The weight of the newest value'),
        of,
      }),
    ),
  ]),
);
const lateness = z
  .number()
  .min(0)
  .max(most.windowSeconds)
  .default(0)
  .describe('How late a record may come, in seconds');
const span = named(
  'WindowSpan',
  'Which records belong together',
  z.union([
    named(
      'CountingWindow',
      'Every N records',
      z.strictObject({ last: z.int().min(1).max(most.last).describe('How many records; one result for each so many') }),
    ),
    named(
      'TumblingWindow',
      'Times that follow each other',
      z.strictObject({ tumbling: seconds.describe('How long, in seconds'), lateness }),
    ),
    named(
      'SlidingWindow',
      'Times that overlap',
      z.strictObject({
        sliding: seconds.describe('How long, in seconds'),
        every: seconds.describe('One begins every so many seconds'),
        lateness,
      }),
    ),
  ]),
);
const windowStep = z.strictObject({
  window: span.describe('Which records belong together; by the time that each says'),
  emit: z.array(statistic).min(1).max(32).describe('What is reported about each value'),
  of,
});
const anomaly = z.strictObject({
  anomaly: z.enum(['z', 'ewma']).describe('From which mean and deviation: of the latest values, or weighted'),
  points: z.int().min(2).max(most.window).default(10).describe('From how many values on there is a score'),
  window: z.int().min(2).max(most.window).default(100).describe('With `z`: how many values'),
  alpha: z.number().gt(0).max(1).default(0.1).describe('With `ewma`: the weight of the newest value'),
  as: valueName.default('score').describe('The name of the score, from 0 to 1'),
  of,
});
const trend = z.strictObject({
  trend: z.literal('linear').describe('Least squares'),
  window: z.int().min(3).max(most.window).default(20).describe('Of how many values'),
  of,
});
const frequency = z.strictObject({
  frequency: z.literal('dominant').describe('The strongest, in hertz'),
  window: z
    .int()
    .min(8)
    .max(1024)
    .refine((n) => (n & (n - 1)) === 0, 'must be a power of two')
    .default(64)
    .describe('Of how many values; one result for each so many'),
  of,
});
const threshold = z.strictObject({
  threshold: fieldName.describe('The value'),
  max: z.number().optional().describe('More than this is an alert'),
  min: z.number().optional().describe('Less than this is an alert'),
  severity: severity.default('warning').describe('How bad that is'),
});
const deadband = z.strictObject({
  deadband: z
    .record(fieldName, z.number().min(0))
    .describe('How much a value has to change since the last record that continued'),
  seconds: seconds.optional().describe('After so long one continues anyway'),
});
const sample = z.strictObject({
  sample: named(
    'SampleOf',
    'How many records continue',
    z.union([
      named(
        'SampleOfRecords',
        'One of so many',
        z.strictObject({ every: z.int().min(1).max(1_000_000).describe('One of so many records') }),
      ),
      named('SampleOfTime', 'One in so long', z.strictObject({ seconds: seconds.describe('One in so many seconds') })),
    ]),
  ).describe('Which records continue'),
});
const validate = z.strictObject({
  validate: z
    .record(z.string(), z.unknown())
    .describe('A JSON Schema without `pattern`; a message that does not match is a dead letter'),
});
const redact = z.strictObject({
  redact: z.array(fieldName).min(1).max(most.values).describe('Values that go no further'),
});
const batch = z.strictObject({
  batch: named(
    'Batching',
    'How much goes at once',
    z.strictObject({
      size: z.int().min(1).max(most.batch).describe('So many records'),
      seconds: z
        .number()
        .min(1)
        .max(most.batchSeconds)
        .default(60)
        .describe('Or what has come so long after the first'),
    }),
  ).describe('The last step'),
});

/** The steps by the member that names them. */
export const stepShapes = {
  outliers: named('OutliersStep', 'Finds single values that are far off', outliers),
  smooth,
  window: named('WindowStep', 'One record about many', windowStep),
  anomaly: named('AnomalyStep', 'Scores how unusual a value is', anomaly),
  trend: named('TrendStep', 'How much a value changes in a second', trend),
  frequency: named('FrequencyStep', 'The strongest frequency of a value', frequency),
  threshold: named('ThresholdStep', 'Limits of a value', threshold),
  deadband: named('DeadbandStep', 'Holds back what hardly changed', deadband),
  sample: named('SampleStep', 'Holds back most records', sample),
  validate: named('ValidateStep', 'Refuses messages of another form', validate),
  redact: named('RedactStep', 'Removes values', redact),
  batch: named('BatchStep', 'Sends many records at once', batch),
} as const;

/** The name of a kind of step. */
export type StepKind = keyof typeof stepShapes;

const step = named(
  'PipelineStep',
  'One step of a pipeline',
  z.union(Object.values(stepShapes) as z.ZodType[] as [z.ZodType, ...z.ZodType[]]),
);

const over = named(
  'Bounds',
  'When a value counts',
  z.strictObject({
    over: z.number().optional().describe('More than this'),
    under: z.number().optional().describe('Less than this'),
  }),
);
const bounds = named('NowBounds', 'A severity, or when a value counts', z.union([severity, over]));
/** What does not wait for its batch. */
export const nowCondition = named('NowCondition', 'All of it has to hold', z.record(z.string().max(128), bounds))
  .describe('`severity` is at least this, or a value is over or under a limit')
  .meta({ examples: [{ severity: 'critical' }] });

const match = named(
  'PipelineMatch',
  'Which messages it takes',
  z.strictObject({
    types: z.array(word).min(1).max(most.types).optional().describe('Types of things; of every type by default'),
    topics: z
      .array(z.string().max(1024))
      .min(1)
      .max(most.topics)
      .describe('Topic filters, with the variables of policies'),
  }),
);

/** The forms of messages. */
export const decoders = ['json', 'cbor', 'senml-json', 'senml-cbor', 'sparkplug'] as const;

/** The members of a document, without what its steps are. */
export const envelope = z.strictObject({
  name: word.meta({ description: 'The name of the pipeline', examples: ['sensor'] }),
  match,
  decode: z.enum(decoders).default('json').describe('What its messages are'),
  time: z
    .string()
    .max(512)
    .optional()
    .describe('Where a message says when it is from, such as `$.ts`; when it came by default'),
  values: z.record(valueName, z.string().max(512)).describe('Where its values are, such as `$.t`'),
  steps: z.array(z.unknown()).max(most.steps).describe('What is done, in this order'),
  now: z
    .array(nowCondition)
    .max(most.conditions)
    .default([])
    .describe('What does not wait for its batch: one of these holds'),
  to: z.array(siteName).min(1).max(most.sinks).default(['upstream']).describe('Where it goes'),
  forward: z.boolean().default(false).describe('Whether the messages themselves are forwarded too'),
  maxThings: z
    .int()
    .min(1)
    .max(most.things)
    .default(10_000)
    .describe('Of how many things an edge keeps state; the one seen least recently goes first'),
});

/** A pipeline document: what is written and stored. */
export const pipelineDocument = named(
  'PipelineDocument',
  'What a pipeline does; docs/gateway.md explains it',
  envelope.extend({ steps: z.array(step).max(most.steps).describe('What is done, in this order') }),
);

type Steps = { [Kind in StepKind]: { kind: Kind } & z.output<(typeof stepShapes)[Kind]> }[StepKind];

/** A step with the name of its kind. */
export type StepDocument = Steps;

/** A document after it was read. */
export type PipelineDocument = Omit<z.output<typeof envelope>, 'steps'> & { steps: StepDocument[] };

/** One of {@link decoders}. */
export type DecoderName = (typeof decoders)[number];

/** What does not wait. */
export type NowCondition = z.output<typeof nowCondition>;

import { z } from 'zod';
import { named } from '../api/named.js';
import { policyLimits } from './limits.js';
import { spellZone } from './time/zone.js';

/** The days of a week, in order. */
export const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;

/** The protocols that a context can name. */
export const protocols = ['mqtt', 'mqtts', 'ws', 'wss', 'http', 'https', 'coap', 'coaps'] as const;

const time = z
  .string()
  .regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'must be a time from 00:00 to 23:59')
  .meta({ examples: ['08:00'] });
const timeWindow = named(
  'TimeWindow',
  'Hours of days in a time zone',
  z
    .strictObject({
      from: time.describe('When it begins, such as 08:00'),
      to: time.or(z.literal('24:00')).describe('When it ends; before `from` is the next day'),
      days: z.array(z.enum(days)).min(1).max(7).describe('The days on which it begins'),
      timeZone: z.string().max(64).overwrite(spellZone).describe('An IANA time zone, such as Europe/Oslo'),
    })
    .refine(({ from, to }) => from !== to, 'must not begin and end at the same time: 00:00 to 24:00 is the whole day'),
);

const condition = named(
  'PolicyCondition',
  'What must hold beside action and resource',
  z.strictObject({
    timeWindows: z.array(timeWindow).min(1).max(64).optional().describe('Within one of these'),
    sourceCidrs: z.array(z.string().max(64)).min(1).max(256).optional().describe('From one of these address ranges'),
    protocols: z
      .array(z.string().toLowerCase().pipe(z.enum(protocols)))
      .min(1)
      .max(64)
      .optional()
      .describe('Over one of these'),
    attributes: z
      .record(
        z
          .string()
          .regex(/^[A-Za-z][A-Za-z0-9_-]{0,63}$/, 'must be an attribute name')
          .meta({ examples: ['site'] }),
        z.array(z.string().max(256)).min(1).max(1000),
      )
      .refine((attributes) => Object.keys(attributes).length > 0, 'must name an attribute')
      .optional()
      .describe('Each attribute has one of its values'),
    retain: z.boolean().optional().describe('Whether the publication is retained'),
    qos: z.array(z.int().min(0).max(2)).min(1).max(3).optional().describe('One of these qualities of service'),
  }),
);

const word = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, and _ -');

/** One statement, by its shape alone. */
export const statement = named(
  'PolicyStatement',
  'What is allowed or denied',
  z.strictObject({
    id: word.meta({ description: 'Any word; answers name it', examples: ['telemetry'] }),
    effect: z.enum(['allow', 'deny']).describe('A deny overrides every allow'),
    actions: z.array(z.string().max(64)).min(1).max(100).describe('What is done, such as `publish`'),
    resources: z.array(z.string().max(65_600)).min(1).max(1000).describe('To what, such as `topic:acme/+/telemetry`'),
    condition: condition.optional(),
  }),
);

/** A policy document: what is written, stored and rendered. */
export const policyDocument = named(
  'PolicyDocument',
  'What a policy says; docs/policies.md explains it',
  z.strictObject({
    name: word.meta({ description: 'The name of the policy', examples: ['pump-telemetry'] }),
    dataSensitivity: z.enum(['low', 'medium', 'high']).optional().describe('A word for people'),
    statements: z.array(statement).min(1).max(policyLimits.statements).describe('What is allowed and denied'),
  }),
);

/** A document as {@link policyDocument} reads it. It may still have no meaning: `readPolicy` says so. */
export type PolicyDocument = z.output<typeof policyDocument>;

/** One statement of a policy, after it was checked. */
export type Statement = z.output<typeof statement>;

/** What has to hold beside action and resource. */
export type Condition = z.output<typeof condition>;

/** Days and hours in a time zone. */
export type TimeWindow = z.output<typeof timeWindow>;

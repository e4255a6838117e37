import { z } from 'zod';
import { policyLimits } from './limits.js';
import { spellZone } from './time/zone.js';

/** The days of a week, in order. */
export const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;

/** The protocols that a context can name. */
export const protocols = ['mqtt', 'mqtts', 'ws', 'wss', 'http', 'https', 'coap', 'coaps'] as const;

const time = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'must be a time from 00:00 to 23:59');
const timeWindow = z
  .strictObject({
    from: time,
    to: time.or(z.literal('24:00')),
    days: z.array(z.enum(days)).min(1).max(7),
    timeZone: z.string().max(64).overwrite(spellZone),
  })
  .refine(({ from, to }) => from !== to, 'must not begin and end at the same time: 00:00 to 24:00 is the whole day');

const condition = z.strictObject({
  timeWindows: z.array(timeWindow).min(1).max(64).optional(),
  sourceCidrs: z.array(z.string().max(64)).min(1).max(256).optional(),
  protocols: z
    .array(z.string().toLowerCase().pipe(z.enum(protocols)))
    .min(1)
    .max(64)
    .optional(),
  attributes: z
    .record(
      z.string().regex(/^[A-Za-z][A-Za-z0-9_-]{0,63}$/, 'must be an attribute name'),
      z.array(z.string().max(256)).min(1).max(1000),
    )
    .refine((attributes) => Object.keys(attributes).length > 0, 'must name an attribute')
    .optional(),
  retain: z.boolean().optional(),
  qos: z.array(z.int().min(0).max(2)).min(1).max(3).optional(),
});

/** One statement, by its shape alone. */
export const statement = z.strictObject({
  id: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, and _ -'),
  effect: z.enum(['allow', 'deny']),
  actions: z.array(z.string().max(64)).min(1).max(100),
  resources: z.array(z.string().max(65_600)).min(1).max(1000),
  condition: condition.optional(),
});

/** A policy document: what is written, stored and rendered. */
export const policyDocument = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, and _ -'),
  dataSensitivity: z.enum(['low', 'medium', 'high']).optional(),
  statements: z.array(statement).min(1).max(policyLimits.statements),
});

/** A document as {@link policyDocument} reads it. It may still have no meaning: `readPolicy` says so. */
export type PolicyDocument = z.output<typeof policyDocument>;

/** One statement of a policy, after it was checked. */
export type Statement = z.output<typeof statement>;

/** What has to hold beside action and resource. */
export type Condition = z.output<typeof condition>;

/** Days and hours in a time zone. */
export type TimeWindow = z.output<typeof timeWindow>;

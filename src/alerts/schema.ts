import { z } from 'zod';
import { named } from '../api/named.js';
import { page, pageQuery } from '../api/paging.js';
import { secret, url } from '../outbound/shapes.js';
import { figureName } from '../metrics/shapes.js';
import { timestamp, uuid } from '../shapes.js';
import { conditions } from './judge.js';

const name = z
  .string()
  .regex(/^[ -~\u00a0-\uffff]{1,64}$/, 'must be 1 to 64 characters, none of them a control character')
  .meta({ description: 'What people call it', examples: ['Denials surge'] });
const severity = z.enum(['info', 'warning', 'critical']).describe('How bad it is');
const day = 86_400;

const rule = {
  name,
  metric: figureName.describe('The figure that is watched: a count by its last minute, a gauge as it was last read'),
  condition: z.enum(conditions).describe('How the figure is compared with the threshold'),
  threshold: z.number().min(-1e15).max(1e15).describe('What the figure is compared with'),
  forSeconds: z.int().min(0).max(day).describe('How long the condition is met before the alert fires'),
  severity,
  channels: z.array(uuid).max(20).describe('The ids of the channels that are told'),
  cooldownSeconds: z
    .int()
    .min(60)
    .max(7 * day)
    .describe('While it fires, the channels are told again after so long'),
  enabled: z.boolean().describe('A rule that is off has no alert'),
};

export const newRule = named(
  'NewAlertRule',
  'When somebody is told',
  z.strictObject({
    ...rule,
    forSeconds: rule.forSeconds.default(0),
    channels: rule.channels.default([]),
    cooldownSeconds: rule.cooldownSeconds.default(300),
    enabled: rule.enabled.default(true),
  }),
).meta({
  examples: [
    {
      name: 'Many denials',
      metric: 'decisions.deny',
      condition: 'greater_than',
      threshold: 100,
      severity: 'warning',
      channels: [],
    },
  ],
});
export const rulePatch = named(
  'AlertRulePatch',
  'What to change of an alert rule',
  z.strictObject(rule).partial(),
).meta({ examples: [{ threshold: 500 }] });

export const alertRule = named(
  'AlertRule',
  'When somebody is told',
  z.object({
    id: uuid.describe('The id of the rule'),
    ...rule,
    name: z.string().describe('What people call it'),
    metric: z.string().describe('The figure that is watched'),
    builtIn: z.string().optional().describe('Which rule of every account it is; it cannot be deleted'),
    createdAt: timestamp.describe('When it was made'),
    createdBy: z.string().describe('Who made it'),
  }),
);
export const rulePage = page(alertRule);
export const ruleParams = z.strictObject({ id: uuid.describe('The id of the rule') });

const email = z
  .string()
  .max(254)
  .regex(/^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+$/, 'must be an e-mail address')
  .meta({ examples: ['ops@example.com'] });
const to = z.array(email).min(1).max(10).describe('Of the type `email`: who gets mail, at most 10');
const ofChannel = { name, url: url.optional(), to: to.optional(), secret: secret.optional() };
const enabled = z.boolean().describe('A channel that is off is told nothing');
const type = z
  .enum(['webhook', 'slack', 'email'])
  .describe('`webhook` is signed JSON (Standard Webhooks), `slack` JSON with a `text`');

export const newChannel = named(
  'NewAlertChannel',
  'Where alerts are told',
  z
    .strictObject({ type, ...ofChannel, enabled: enabled.default(true) })
    .refine((channel) => (channel.type === 'email') === (channel.url === undefined), {
      path: ['url'],
      message: 'a webhook and slack have a url, email has none',
    })
    .refine((channel) => (channel.type === 'email') === (channel.to !== undefined), {
      path: ['to'],
      message: 'email has to, others have none',
    })
    .refine((channel) => channel.type === 'webhook' || channel.secret === undefined, {
      path: ['secret'],
      message: 'only a webhook has a secret',
    }),
).meta({ examples: [{ name: 'On call', type: 'webhook', url: 'https://hooks.example.com/alerts' }] });
export const channelPatch = named(
  'AlertChannelPatch',
  'What to change of a channel',
  z.strictObject({ ...ofChannel, enabled }).partial(),
).meta({ examples: [{ enabled: false }] });

const shownChannel = {
  id: uuid.describe('The id of the channel'),
  name: z.string().describe('What people call it'),
  type,
  url: z.string().optional().describe('Where it is told; of Slack, whose URL is a secret, the host alone'),
  to: z.array(z.string()).optional().describe('Who gets mail'),
  enabled,
  createdAt: timestamp.describe('When it was made'),
  createdBy: z.string().describe('Who made it'),
};
export const channel = named('AlertChannel', 'Where alerts are told', z.object(shownChannel));
export const madeChannel = named(
  'MadeAlertChannel',
  'A new channel',
  z.object({
    ...shownChannel,
    secret: z.string().optional().describe('Of the type `webhook`: what signs it, shown this once'),
  }),
);
export const channelPage = page(channel);
export const channelParams = z.strictObject({ id: uuid.describe('The id of the channel') });
export const testResult = named(
  'AlertChannelTest',
  'What the other side answered',
  z.object({
    delivered: z.boolean().describe('It took the message'),
    status: z.int().optional().describe('The HTTP status of its answer'),
    answer: z.string().describe('The beginning of its answer, or why there was none'),
  }),
);

const status = z.enum(['firing', 'acknowledged', 'resolved']);
export const alert = named(
  'Alert',
  'Something that a rule found',
  z.object({
    id: uuid.describe('The id of the alert'),
    rule: uuid.describe('The id of the rule'),
    ruleName: z.string().describe('What the rule was called'),
    metric: z.string().describe('The figure'),
    condition: z.enum(conditions).describe('How it was compared'),
    threshold: z.number().describe('With what'),
    severity,
    status: status.describe('An acknowledged alert tells nobody again until it is resolved'),
    value: z.number().describe('The figure when the channels were last told'),
    startedAt: timestamp.describe('When it fired'),
    notifiedAt: timestamp.describe('When the channels were last told'),
    acknowledgedAt: timestamp.optional().describe('When somebody said that they see to it'),
    acknowledgedBy: z.string().optional().describe('Who did'),
    resolvedAt: timestamp.optional().describe('When the condition was no longer met'),
  }),
);
export const alertPage = page(alert);
export const alertQuery = pageQuery.extend({
  status: status.optional().describe('Alerts in this state'),
  severity: severity.optional().describe('Alerts of this severity'),
  rule: uuid.optional().describe('Alerts of this rule'),
});
export const alertParams = z.strictObject({ id: uuid.describe('The id of the alert') });

export type NewRule = z.output<typeof newRule>;
export type RulePatch = z.output<typeof rulePatch>;
export type NewChannel = z.output<typeof newChannel>;
export type ChannelPatch = z.output<typeof channelPatch>;
export type AlertFilter = Pick<z.output<typeof alertQuery>, 'status' | 'severity' | 'rule'>;

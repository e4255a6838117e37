import { z } from 'zod';
import { named } from '../api/named.js';
import { page, pageQuery } from '../api/paging.js';
import { secret, url } from '../outbound/shapes.js';
import { timestamp, uuid } from '../shapes.js';
import { eventTypeNames } from './event-types.js';

const eventType = named('EventType', 'What is told; docs/alerts.md says what each has', z.enum(eventTypeNames)).meta({
  examples: ['thing.provisioned'],
});
const types = z
  .array(eventType)
  .min(1)
  .max(eventTypeNames.length)
  .describe('What is told. Each type needs the permission to read what it tells');
const description = z
  .string()
  .max(256)
  .regex(/^[ -~\u00a0-\uffff]*$/, 'must have no control characters')
  .describe('Any text for people');
const enabled = z.boolean().describe('Nothing is queued for a webhook that is off');

export const newWebhook = named(
  'NewWebhook',
  'Where events of the account are told',
  z.strictObject({
    url,
    types,
    secret: secret.optional(),
    description: description.default(''),
    enabled: enabled.default(true),
  }),
).meta({ examples: [{ url: 'https://hooks.example.com/thingward', types: ['thing.provisioned'] }] });

export const webhookPatch = named(
  'WebhookPatch',
  'What to change of a webhook',
  z.strictObject({ url, types, secret, description, enabled }).partial(),
).meta({ examples: [{ types: ['thing.provisioned', 'thing.suspended'] }] });

const shown = {
  id: uuid.describe('The id of the webhook'),
  url: z.string().describe('Where it is told'),
  types: z.array(z.string()).describe('What is told'),
  description: z.string().describe('Any text for people'),
  enabled,
  createdAt: timestamp.describe('When it was made'),
  createdBy: z.string().describe('Who made it'),
  fullSince: timestamp
    .optional()
    .describe('Since when its queue is full: what happens meanwhile is not told, and stands in the audit'),
};

export const webhook = named('Webhook', 'Where events of the account are told', z.object(shown));
export const madeWebhook = named(
  'MadeWebhook',
  'A new webhook, with the secret that signs what it is told',
  z.object({ ...shown, secret: z.string().describe('The secret, shown this once') }),
);
export const webhookPage = page(webhook);
export const webhookQuery = pageQuery;
export const webhookParams = z.strictObject({ id: uuid.describe('The id of the webhook') });

const status = z.enum(['pending', 'delivered', 'parked']);

export const delivery = named(
  'Delivery',
  'What became of an event at a webhook',
  z.object({
    id: z.string().describe('Rises with every event of the webhook'),
    event: z.string().describe('The id of the event, and the webhook-id of every attempt'),
    type: z.string().describe('The type of the event'),
    subject: z.string().describe('What it is about'),
    status: status.describe('A parked event was refused for 24 hours and is not tried again by itself'),
    attempts: z.int().describe('How often it was tried'),
    at: timestamp.describe('When it happened'),
    attemptedAt: timestamp.optional().describe('When it was last tried'),
    nextAttemptAt: timestamp.optional().describe('When it is tried next, at the earliest'),
    answerStatus: z.int().optional().describe('The status of the last answer'),
    answer: z.string().optional().describe('The beginning of the last answer, or why there was none'),
  }),
);
export const deliveryPage = page(delivery);
export const deliveryQuery = pageQuery.extend({ status: status.optional().describe('Deliveries in this state') });
export const deliveryParams = z.strictObject({
  id: uuid.describe('The id of the webhook'),
  delivery: z
    .string()
    .regex(/^\d{1,18}$/, 'must be the id of a delivery')
    .meta({ description: 'The id of the delivery', examples: ['1'] }),
});

export type NewWebhook = z.output<typeof newWebhook>;
export type WebhookPatch = z.output<typeof webhookPatch>;

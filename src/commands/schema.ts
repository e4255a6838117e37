import { z } from 'zod';
import { named } from '../api/named.js';
import { page, pageQuery } from '../api/paging.js';
import { mostOfCommand } from '../limits.js';
import { thingName, thingType, timestamp, uuid } from '../shapes.js';
import { isShallow } from './payload-schema.js';

/** The states of a command, as they are shown. */
export const commandStates = ['queued', 'delivered', 'acknowledged', 'failed', 'expired', 'unknown'] as const;

/** A state of a command, as it is shown. */
export type CommandState = (typeof commandStates)[number];

const commandName = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, and _ -')
  .meta({ description: 'The name of a command: a level of its topic', examples: ['reboot'] });

const state = z
  .enum(commandStates)
  .describe(
    'queued: no broker has it yet; delivered: the broker has it; acknowledged and failed: as the device answered, or why it was not sent; expired: never sent; unknown: perhaps sent, and unanswered',
  );

const payload = z
  .unknown()
  .refine((value) => isShallow(value, mostOfCommand.depth), `must be nested ${mostOfCommand.depth} deep at most`)
  .refine(
    (value) => !isShallow(value, mostOfCommand.depth) || octetsOf(value) <= mostOfCommand.payload,
    `must have ${mostOfCommand.payload} octets at most, written as JSON`,
  );

export const newCommand = named(
  'NewCommand',
  'A command for a thing',
  z.strictObject({
    name: commandName,
    payload: payload.optional().describe('Any JSON, null when absent; a schema of the command may say more'),
    expiresIn: z
      .int()
      .min(1)
      .max(mostOfCommand.seconds)
      .default(3600)
      .describe('After so many seconds it is sent no longer'),
  }),
).meta({ examples: [{ name: 'reboot', payload: { delay: 5 }, expiresIn: 300 }] });

export type NewCommand = z.output<typeof newCommand>;

export const queuedCommand = named(
  'QueuedCommand',
  'A command that waits for its thing',
  z.object({ id: uuid.describe('The id of the command'), status: state }),
);

const ofCommand = {
  id: uuid.describe('The id of the command'),
  thingName,
  name: commandName,
  status: state,
  createdAt: timestamp.describe('When it was made'),
  createdBy: z.string().describe('Who made it'),
  expiresAt: timestamp.describe('From then on it is sent no longer'),
  claimedAt: timestamp.optional().describe('When an edge took it, to send it'),
  deliveredAt: timestamp.optional().describe('When the broker had it'),
  finishedAt: timestamp.optional().describe('When it was answered, or it was over without an answer'),
  reason: z.string().optional().describe('Why it failed, where the device did not say so'),
};
const listedCommand = named('ListedCommand', 'A command, without what it carries', z.object(ofCommand));

export const command = named(
  'Command',
  'A command for a thing, and what became of it',
  z.object({
    ...ofCommand,
    payload: z.unknown().describe('What the thing is sent'),
    result: z.unknown().optional().describe('What the device answered'),
  }),
);
export const commandPage = page(listedCommand);
export const commandQuery = pageQuery.extend({
  status: state.optional().describe('Commands in this state'),
  name: commandName.optional().describe('Commands of this name'),
});
export const thingParams = z.strictObject({ name: thingName });
export const commandParams = z.strictObject({ name: thingName, id: uuid.describe('The id of the command') });

export const newSchema = named(
  'NewCommandSchema',
  'What the payloads of a command look like',
  z.strictObject({
    name: commandName,
    thingType: thingType
      .optional()
      .describe('For things of this type; absent: of each type that no other schema names'),
    schema: z
      .unknown()
      .describe(
        'JSON Schema (2020-12) of keywords that take bounded time: no `pattern`, `format`, `$ref`, `uniqueItems`',
      ),
  }),
).meta({
  examples: [
    {
      name: 'reboot',
      thingType: 'pump',
      schema: { type: 'object', required: ['delay'], properties: { delay: { type: 'integer', minimum: 0 } } },
    },
  ],
});

export type NewSchema = z.output<typeof newSchema>;

export const commandSchema = named(
  'CommandSchema',
  'What the payloads of a command look like',
  z.object({
    id: uuid.describe('The id of the schema'),
    name: commandName,
    thingType: thingType.optional(),
    schema: z.unknown().describe('The JSON Schema'),
    createdAt: timestamp.describe('When it was made'),
    createdBy: z.string().describe('Who made it'),
  }),
);
export const schemaPage = page(commandSchema);
export const schemaQuery = pageQuery.extend({ name: commandName.optional().describe('Schemas of this command') });
export const schemaParams = z.strictObject({ id: uuid.describe('The id of the schema') });

function octetsOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value ?? null));
}
